// Entry of the preview page. Imports nothing of @grafana/*: those packages read `window.grafanaBootData` while they
// are being loaded, so it has to be there before.
import 'systemjs/dist/system.js';
import 'systemjs/dist/extras/amd.js';

import { loadBootData } from './boot/bootData';
import './main.css';

async function start() {
  window.__grafana_public_path__ = '/public/';
  window.grafanaBootData = await loadBootData();
  const { mount } = await import('./app');
  await mount(document.getElementById('reactRoot')!);
}

start().catch((error: unknown) => {
  console.error(error);
  const message = error instanceof Error ? error.message : String(error);
  document.getElementById('reactRoot')!.textContent = `Lotwise preview could not start: ${message}`;
});
