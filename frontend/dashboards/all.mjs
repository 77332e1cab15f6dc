// The dashboards, by the names of their files, in the order in which they are offered.
import { anomalies } from './anomalies.mjs';
import { compare } from './compare.mjs';
import { director } from './director.mjs';
import { live } from './live.mjs';
import { lot } from './lot.mjs';
import { quality } from './quality.mjs';
import { references } from './references.mjs';
import { spc } from './spc.mjs';

export const DASHBOARDS = {
  director,
  lot,
  'compare-lots': compare,
  'energy-by-reference': references,
  anomalies,
  spc,
  'live-line': live,
  'data-quality': quality,
};
