// The same dates on every machine.
process.env.TZ = 'UTC';

const base = require('./.config/jest.config');
const { grafanaESModules, nodeModulesToTransform } = require('./.config/jest/utils');

const [, swc] = Object.entries(base.transform)[0];

module.exports = {
  ...base,
  // Loading @grafana/ui alone takes seconds on a busy machine.
  testTimeout: 60_000,
  // Some dependencies of @grafana/* come as ES modules only, some of them as .mjs.
  transform: { '^.+\\.(m?js|jsx|ts|tsx)$': swc },
  transformIgnorePatterns: [
    nodeModulesToTransform([
      ...grafanaESModules,
      '@grafana/.*',
      '@react-hookz/.*',
      '@ver0/.*',
      '@rc-component/.*',
      'react-data-grid',
      'marked-mangle',
      'd3-.*',
      'delaunator',
      'internmap',
      'robust-predicates',
      'rbush',
      'quickselect',
      'color-.*',
      'earcut',
      'pbf',
      'uplot',
      'yaml',
    ]),
  ],
};
