declare module 'systemjs/dist/system.js';
declare module 'systemjs/dist/extras/amd.js';
declare module '*.css';

interface Window {
  __grafana_public_path__: string;
  /** What Grafana's packages read at load time; they have their own, larger type for it. */
  grafanaBootData: unknown;
  /** Set by @grafana/scenes: the scene that is shown. */
  __grafanaSceneContext?: unknown;
}
