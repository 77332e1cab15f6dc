import './.config/jest-setup';

// What @grafana/ui 13 on React 19 asks of the browser and jsdom does not have.
import { MessageChannel as NodeMessageChannel } from 'node:worker_threads';

/** Lets the process end: React's scheduler opens a channel that it never closes. */
class UnreferencedMessageChannel extends NodeMessageChannel {
  constructor() {
    super();
    this.port1.unref();
    this.port2.unref();
  }
}
globalThis.MessageChannel = UnreferencedMessageChannel;

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
Object.defineProperty(HTMLElement.prototype, 'offsetHeight', { configurable: true, value: 400 });
Object.defineProperty(HTMLElement.prototype, 'offsetWidth', { configurable: true, value: 400 });
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
