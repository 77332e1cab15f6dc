import './.config/jest-setup';
import { configure } from '@testing-library/react';

// Working out which of Grafana's styled elements are hidden takes most of a test's time, and jsdom shows them all.
configure({ defaultHidden: true, asyncUtilTimeout: 10_000 });

// What @grafana/ui 13 on React 19 asks of the browser and jsdom does not have.
// Node's MessageChannel would keep the process alive: React's scheduler never closes its own.
globalThis.MessageChannel = class {
  port1 = { onmessage: null };
  port2 = { postMessage: (data) => setTimeout(() => this.port1.onmessage?.({ data }), 0) };
};

// The combobox measures its options to size its menu.
HTMLCanvasElement.prototype.getContext = () => ({
  font: '',
  measureText: (text) => ({ width: text.length * 8 }),
});

globalThis.ResizeObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
};
globalThis.IntersectionObserver = class {
  observe() {}
  unobserve() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
};

// The virtualised option list shows nothing in an element without a height.
for (const size of ['offsetHeight', 'offsetWidth', 'clientHeight', 'clientWidth']) {
  Object.defineProperty(HTMLElement.prototype, size, { configurable: true, value: 400 });
}
Element.prototype.getBoundingClientRect = () => ({
  width: 400,
  height: 400,
  top: 0,
  left: 0,
  bottom: 400,
  right: 400,
  x: 0,
  y: 0,
  toJSON: () => ({}),
});
Element.prototype.scrollIntoView = () => {};
Element.prototype.scrollTo = () => {};

// Without Grafana nobody has prepared the translations; components show their English texts.
beforeAll(() => require('./src/i18n').translationsReady());
