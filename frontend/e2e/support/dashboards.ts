/**
 * What each panel of each dashboard must say, worked out from the rows of the database: a check for every panel, by the
 * name of its dashboard and its number.
 */
import { expect, Locator } from '@playwright/test';

import { costOf, coverageOf, increase, inside, meanOf, NamedRun, Range, sum, unitsOf } from './figures';
import { expectShown, Frame } from './page';
import { World } from './world';

/** A panel on the page, what it was answered, and where the dashboard looks. */
export interface Shown {
  panel: Locator;
  frames: Frame[];
  /** What the panels of the dashboard were answered, in their order. */
  others: Frame[][];
  range: Range;
  world: World;
}

type Check = (shown: Shown) => Promise<void>;

function column(frames: Frame[], name: string): unknown[] {
  const [frame] = frames;
  const at = frame.schema.fields.findIndex((field) => field.name === name);
  expect(at, `a column ${name}`).toBeGreaterThanOrEqual(0);
  return frame.data.values[at];
}

/** The value of a row of a table, found by another column. */
function cell(frames: Frame[], key: [string, unknown], name: string): number {
  const row = column(frames, key[0]).indexOf(key[1]);
  expect(row, `a row with ${key.join(' ')}`).toBeGreaterThanOrEqual(0);
  return Number(column(frames, name)[row]);
}

/** Times and values of the series with these labels. */
function seriesOf(frames: Frame[], labels: Record<string, string>): Array<[number, number]> {
  for (const { schema, data } of frames) {
    for (const [at, field] of schema.fields.entries()) {
      if (at > 0 && Object.entries(labels).every(([key, value]) => field.labels?.[key] === value)) {
        return data.values[0].map((time, row) => [Number(time), data.values[at][row] as number]);
      }
    }
  }
  throw new Error(`no series with ${JSON.stringify(labels)}`);
}

function same(actual: number, expected: number, tolerance = 1e-9) {
  const error = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1e-12);
  expect(error, `${actual} for ${expected}`).toBeLessThanOrEqual(tolerance);
}

/** A stat: what was sent is exact, and what is seen is that, rounded. */
const stat =
  (
    field: string,
    expected: (shown: Shown) => Promise<number>,
    calc: (values: number[]) => number = ([first]) => first
  ) =>
  async (shown: Shown) => {
    const wanted = await expected(shown);
    same(calc(column(shown.frames, field).map(Number)), wanted);
    await expectShown(shown.panel.getByTestId('data-testid panel content'), wanted);
    const names = shown.frames[0].schema.fields.map(({ name }) => name);
    if (names.includes(`${field}_change`)) {
      const length = shown.range.to - shown.range.from;
      const before = { from: shown.range.from - length, to: shown.range.from };
      const earlier = await expected({ ...shown, range: before });
      same(Number(column(shown.frames, `${field}_change`)[0]), (100 * (wanted - earlier)) / earlier, 1e-6);
    }
  };

/** The step of a series in the middle of a range that lies in one run, and its mean in the readings. */
const meanAt = (sensor: string, labels: Record<string, string>) => async (shown: Shown) => {
  const points = seriesOf(shown.frames, labels).filter(([, value]) => value !== null);
  const at = Math.floor(points.length / 2);
  const [[from, value], [to]] = [points[at], points[at + 1]];
  same(value, meanOf(await shown.world.readings(sensor, shown.range), { from, to }));
};

/** A day of the plant in the middle of the range: a bucket that no edge cuts. */
function wholeDay(points: Array<[number, number]>): [Range, number] {
  const at = Math.floor(points.length / 2);
  return [{ from: points[at][0], to: points[at + 1][0] }, points[at][1]];
}

const good =
  (filter: { line?: string; lot?: string } = {}) =>
  async (shown: Shown) =>
    unitsOf(await shown.world.runs(shown.range, filter), shown.range);

const MAIN = World.meter;
const METER = `${World.line}-energy`;
const PRESS = 'M1-press-1';
const factor = ({ world }: Shown) => world.database.factor(World.plant);

async function busiest({ world, range }: Shown) {
  const { key } = await world.database.busiestReference(World.plant, World.line, range);
  const runs = await world.runs(range, { reference: key });
  const energy = await world.energy(METER, range, inside(runs, range));
  return { key, runs, energy, good: unitsOf(runs, range) };
}

/** Rows of a table of runs: all that touch the range, the first with its energy. */
const runsTable =
  (filter: (world: World) => { line?: string; lot?: string; reference?: string }): Check =>
  async ({ frames, world, range }) => {
    const runs = await world.runs(range, filter(world));
    expect(column(frames, 'started_at')).toHaveLength(runs.length);
    const ended = runs.find((run) => run.line === World.line && run.from > range.from && run.to < range.to)!;
    const row = column(frames, 'started_at').findIndex(
      (from, at) => from === ended.from && column(frames, 'lot')[at] === ended.lot
    );
    same(Number(column(frames, 'energy')[row]), await world.energy(METER, range, [ended]));
  };

/** The curve of the lot: its step at this share of it against the readings. */
const lotCurve =
  (step: (x: number[], lot: Range, at: number) => Range): Check =>
  async ({ frames, world }) => {
    const [lot, x] = [await world.lot(), frames[0].data.values[0] as number[]];
    const at = frames[0].schema.fields.findIndex((field) => field.labels?.lot === world.run.lot);
    const middle = (world.run.from + world.run.to) / 2;
    const row = x.findIndex((_, index) => step(x, lot, index).from >= middle);
    const wanted = meanOf(await world.readings('M1-power', lot), step(x, lot, row));
    same(frames[0].data.values[at][row] as number, wanted);
  };
const byElapsed = lotCurve((x, lot, at) => ({
  from: lot.from + x[at] * 1000,
  to: lot.from + (x[at] + x[1] - x[0]) * 1000,
}));
const byProgress = lotCurve((x, lot, at) => ({
  from: lot.from + x[at] * (lot.to - lot.from),
  to: lot.from + (x[at] + x[1] - x[0]) * (lot.to - lot.from),
}));

/**
 * Each event that lies in one price: its energy times that price is its cost. Of one that lies in several
 * the mean price is near these, where the energy is more than what wavers about the usual. A week may have
 * none: what the detectors find in the demo is held by the tests of the demo.
 */
const eventsCost: Check = async ({ frames, world }) => {
  const price = await world.prices();
  const [start, end, energy, cost] = ['start', 'end', 'energy', 'cost'].map((name) => column(frames, name));
  for (const row of start.keys()) {
    const [from, to] = [Number(start[row]), Number(end[row])];
    const quarters = Array.from({ length: Math.ceil((to - from) / 900_000) + 1 }, (_, at) =>
      price(Math.min(to - 1, from + at * 900_000))
    );
    if (energy[row] !== null && quarters.every((each) => each === quarters[0])) {
      // The detectors keep the power of each step in single precision.
      expect(Math.abs(Number(cost[row]) - Number(energy[row]) * quarters[0])).toBeLessThan(0.01);
    } else if (Number(energy[row]) >= 5) {
      const mean = Number(cost[row]) / Number(energy[row]);
      expect(mean).toBeGreaterThan(0.7 * Math.min(...quarters));
      expect(mean).toBeLessThan(1.3 * Math.max(...quarters));
    }
  }
};

const running: Check = async ({ frames, world, range }) => {
  const points = seriesOf(frames, { machine: PRESS }) as unknown as Array<[number, string]>;
  const length = points.map(([from, state], at) =>
    state === 'running' ? (points[at + 1]?.[0] ?? range.to) - from : 0
  );
  const parts = await world.runs(range, { line: World.line });
  const states = parts.map((run) => world.database.inState(World.plant, PRESS, 'running', inside([run], range)[0]));
  same(sum(length), sum(await Promise.all(states)));
};

const silent =
  (line?: string): Check =>
  async ({ frames, world, panel }) => {
    const lines = line ? [line] : World.lines;
    const known = await Promise.all(lines.map((key) => world.database.silentSensors(World.plant, key)));
    const count = sum(column(frames, 'silent').map(Number));
    // Those of the plant itself are not on a line.
    expect(count).toBeGreaterThanOrEqual(known.flat().length);
    await expectShown(panel.getByTestId('data-testid panel content'), count);
  };

/** Days of the line against its baseline: the meter's energy, the model's terms, and their differences so far. */
const againstExpected: Check = async ({ frames, world, range }) => {
  const rows = column(frames, 'line').flatMap((line, row) => (line === World.line ? [row] : []));
  const of = (name: string) => rows.map((row) => Number(column(frames, name)[row]));
  const [time, actual, expected, deviation, cusum] = ['time', 'actual', 'expected', 'deviation', 'cusum'].map(of);
  expect(rows.length).toBeGreaterThan(3);
  const at = Math.floor(rows.length / 2);
  same(actual[at], await world.energy(METER, range, [{ from: time[at], to: time[at + 1] }]));
  const terms = ['base', 'standby', 'production', 'drivers'].map(of);
  let total = 0;
  for (const row of rows.keys()) {
    same(expected[row], sum(terms.map((term) => term[row])));
    same(deviation[row], actual[row] - expected[row], 1e-6);
    total += deviation[row];
    same(cusum[row], total, 1e-6);
  }
};

/** Energy per good unit of runs, at their ends, oldest first. */
async function perUnit({ world }: Shown, runs: NamedRun[]) {
  const readings = await world.readings(METER, world.history());
  return runs
    .filter(({ good }) => good > 0)
    .map((run) => ({ at: run.to, value: increase(readings, run) / run.good }))
    .sort((a, b) => a.at - b.at);
}

/** Points and limits of a chart of individuals: those of the range, and from those of the 30 days before its day. */
async function individuals(shown: Shown, reference: string) {
  const { world, range } = shown;
  const midnight = await world.database.midnight(World.zone, range.from);
  const all = await perUnit(shown, await world.runs(world.history(), { line: World.line, reference }));
  const learned = all
    .filter(({ at }) => at <= midnight && at > midnight - 30 * 24 * 3_600_000)
    .map(({ value }) => value);
  const points = all.filter(({ at }) => at > range.from && at <= range.to);
  const steps = learned.slice(1).map((value, index) => Math.abs(value - learned[index]));
  const centre = sum(learned) / learned.length;
  const sigma = sum(steps) / steps.length / 1.128;
  return { points, limits: learned.length < 8 ? undefined : { centre, sigma } };
}

const chartOf =
  (line: 'value' | 'ewma'): Check =>
  async (shown) => {
    const { points, limits } = await individuals(shown, shown.world.run.reference);
    const values = (name: string) => column(shown.frames, name) as number[];
    expect(values('value')).toHaveLength(points.length);
    points.forEach(({ value }, row) => same(values('value')[row], value));
    if (limits && line === 'value') {
      same(values('centre')[0], limits.centre);
      same(values('ucl')[0], limits.centre + 3 * limits.sigma);
    } else if (limits) {
      // The average begins at the centre; a fifth of it is the newest value.
      same(values('ewma')[0], 0.2 * points[0].value + 0.8 * limits.centre);
    }
  };

/** The checks, by dashboard, in the order of its panels. */
export const CHECKS: Record<string, Check[]> = {
  director: [
    stat('cost', ({ world, range }) => world.cost(MAIN, range)),
    async ({ frames, panel }) => {
      const cost = sum(column(frames, 'cost').map(Number));
      await expectShown(panel.getByTestId('data-testid panel content'), cost);
    },
    stat('energy', ({ world, range }) => world.energy(MAIN, range)),
    stat('energy_per_good_unit', async (s) => (await s.world.energy(MAIN, s.range)) / (await good()(s))),
    stat(
      'co2_per_good_unit',
      async (s) => ((await s.world.energy(MAIN, s.range)) * (await factor(s))) / (await good()(s))
    ),
    stat('good_units', good()),
    async ({ frames, panel, world, range }) => {
      same(Number(column(frames, 'coverage')[0]), coverageOf(await world.readings(MAIN, range), range));
      await expect(panel).toContainText('100.0%');
    },
    againstExpected,
    async ({ frames, panel, world, range }) => {
      same(cell(frames, ['line', World.line], 'actual'), await world.energy(METER, range));
      const [cost, names] = [column(frames, 'cost').map(Number), column(frames, 'name').map(String)];
      // The costliest is the first row.
      await expect(panel.getByRole('row').nth(1)).toContainText(names[cost.indexOf(Math.max(...cost))]);
    },
    async ({ frames, panel, world, range }) => {
      const [lots, lines] = [column(frames, 'lot').map(String), column(frames, 'line').map(String)];
      const row = lots.findIndex((lot) => lot !== '');
      const runs = await world.runs(range, { line: lines[row], lot: lots[row] });
      const actual = await world.energy(`${lines[row]}-energy`, range, inside(runs, range));
      same(Number(column(frames, 'actual')[row]), actual);
      const deviation = Number(column(frames, 'deviation')[row]);
      same(Number(column(frames, 'expected')[row]), actual - deviation);
      const cost = column(frames, 'cost').map(Number);
      expect(cost).toEqual([...cost].sort((a, b) => b - a));
      await expect(panel.getByRole('row').filter({ hasText: lots[row] }).first()).toContainText(deviation.toFixed(1));
    },
    async ({ frames, world, range }) => {
      const [references, lines] = [column(frames, 'reference').map(String), column(frames, 'line').map(String)];
      const row = references.findIndex((reference) => reference !== '');
      const runs = await world.runs(range, { line: lines[row], reference: references[row] });
      const actual = await world.energy(`${lines[row]}-energy`, range, inside(runs, range));
      same(Number(column(frames, 'actual')[row]), actual);
    },
    async ({ frames, panel, world, range }) => {
      const meters = World.lines.map((line) => `${line}-energy`);
      const uses = column(frames, 'use').map(String);
      const of = (name: string, use: string) =>
        sum(column(frames, name).map((value, row) => (uses[row] === use ? Number(value) : 0)));
      for (const name of ['energy', 'cost'] as const) {
        const all = sum(await Promise.all(meters.map((meter) => world[name](meter, range))));
        same(sum(column(frames, name).map(Number)), all, 1e-8);
      }
      const share = (of('energy', 'production') / sum(column(frames, 'energy').map(Number))) * 100;
      await expect(panel.getByRole('row').nth(1)).toContainText(`${share.toFixed(1)}%`);
      for (const use of ['base_load', 'standby', 'weekend']) {
        expect(of('energy', use)).toBeGreaterThan(0);
      }
    },
    async ({ frames, world, range }) => {
      const [day, value] = wholeDay(seriesOf(frames, { line: World.line }));
      same(value, await world.cost(METER, range, [day]));
    },
    async ({ frames, world, range }) =>
      same(cell(frames, ['machine', PRESS], 'cost'), await world.cost(`${PRESS}-energy`, range)),
    async (shown) => {
      const { key, energy, good } = await busiest(shown);
      same(cell(shown.frames, ['reference', key], 'energy_per_good_unit'), energy / good);
    },
    async (shown) => {
      const { key, runs } = await busiest(shown);
      const whole = await shown.world.readings(METER, shown.world.around());
      const ratios = runs.map((run) => increase(whole, run) / run.good).sort((a, b) => a - b);
      const references = column(shown.frames, 'reference');
      const sent = column(shown.frames, 'energy_per_good_unit').filter((_, row) => references[row] === key);
      expect(sent).toHaveLength(ratios.length);
      same(Math.min(...sent.map(Number)), ratios[0]);
      const row = shown.panel.getByRole('row').filter({ hasText: key });
      await expect(row).toContainText(ratios[0].toFixed(4));
      await expect(row).toContainText(ratios[ratios.length - 1].toFixed(4));
    },
    async ({ frames, world, range }) => {
      // What the states add up to is the machines' own energy, and with the rest the main meter's.
      same(sum(column(frames, 'cost').map(Number)), await world.cost(MAIN, range), 1e-8);
      const states = column(frames, 'state');
      expect(states).toEqual(expect.arrayContaining(['running', 'idle', 'setup', 'stopped', 'off']));
    },
    async ({ frames, world, range }) => {
      const rest = frames.filter(({ schema }) => ['Unallocated', 'Sin asignar'].includes(schema.name ?? ''));
      const [day, value] = wholeDay(seriesOf(rest, {}));
      const runs = await world.runs(range);
      const ofRuns = runs
        .filter(({ from, to }) => from < day.to && to > day.from)
        .map((run) => world.cost(`${run.line}-energy`, range, inside([run], day)));
      same(value, (await world.cost(MAIN, range, [day])) - sum(await Promise.all(ofRuns)), 1e-8);
    },
    async ({ frames, world, range }) => {
      const [day, value] = wholeDay(seriesOf(frames, { line: World.line }));
      const runs = await world.runs(range, { line: World.line });
      same(
        value,
        unitsOf(
          runs.filter(({ from, to }) => from < day.to && to > day.from),
          day
        )
      );
    },
    async ({ frames, world }) => {
      const [day, value] = wholeDay(seriesOf(frames, { line: World.line }));
      const machines = ['M1-dryer', 'M1-press-1', 'M1-press-2'];
      const time = async (states: string[]) =>
        sum(
          await Promise.all(
            machines.flatMap((key) => states.map((state) => world.database.inState(World.plant, key, state, day)))
          )
        );
      same(value, (await time(['running'])) / (await time(['running', 'idle', 'setup', 'stopped'])));
    },
    async ({ frames, world, range }) => {
      const readings = await world.readings(MAIN, range);
      const periods = column(frames, 'tariff_period').map(String);
      expect(periods.length).toBeGreaterThan(2);
      for (const period of periods) {
        const price = await world.database.prices(World.plant, World.zone, period);
        same(cell(frames, ['tariff_period', period], 'cost'), costOf(readings, range, price));
      }
    },
    async ({ frames, world, range }) => {
      const quarters = await world.quarters(range);
      const shown = seriesOf(frames, { plant: World.plant });
      // A point is the highest of as many quarters as share it.
      const each = Math.ceil(quarters.length / shown.length);
      const highest = Math.max(...quarters.slice(0, each).map(({ kw }) => kw));
      expect(shown[0][0]).toBe(quarters[0].start);
      same(shown[0][1], highest);
      same(Math.max(...shown.map(([, kw]) => kw)), Math.max(...quarters.map(({ kw }) => kw)));
    },
    async ({ frames, panel, world, range }) => {
      const quarters = await world.quarters(range);
      const periods = column(frames, 'tariff_period').map(String);
      expect(periods.length).toBeGreaterThan(2);
      for (const period of periods) {
        const of = quarters.filter((quarter) => quarter.period.period === period);
        const peak = Math.max(...of.map(({ kw }) => kw));
        same(cell(frames, ['tariff_period', period], 'peak'), peak);
        same(cell(frames, ['tariff_period', period], 'contracted'), of[0].period.contracted_kw);
        const above = of.filter(({ kw, period: { contracted_kw } }) => kw > contracted_kw);
        expect(cell(frames, ['tariff_period', period], 'above')).toBe(above.length);
        // The price times the root of the squares of each month of the plant's clock.
        const month = new Intl.DateTimeFormat('en-GB', { timeZone: World.zone, year: 'numeric', month: 'numeric' });
        const squares = new Map<string, number>();
        for (const { start, kw, period } of above) {
          const of = month.format(start);
          squares.set(of, (squares.get(of) ?? 0) + (kw - period.contracted_kw) ** 2);
        }
        const roots = sum([...squares.values()].map(Math.sqrt));
        same(cell(frames, ['tariff_period', period], 'excess_cost'), roots * of[0].period.excess_price_per_kw, 1e-8);
        await expect(panel.getByRole('row').filter({ hasText: period })).toContainText(peak.toFixed(1));
      }
    },
    eventsCost,
    async ({ frames, panel, range }) => {
      const days = Number(cell(frames, ['line', World.line], 'n'));
      expect(days).toBeGreaterThan(8);
      expect(days).toBeLessThanOrEqual(30);
      expect(cell(frames, ['line', World.line], 'to')).toBeLessThanOrEqual(range.from);
      // The day before that is whole was learned from.
      expect(range.from - cell(frames, ['line', World.line], 'to')).toBeLessThan(24 * 3_600_000);
      const row = panel.getByRole('row').filter({ hasText: World.line });
      await expect(row).toContainText(cell(frames, ['line', World.line], 'r2').toFixed(3));
    },
  ],
  lot: [
    stat('energy', async ({ world, range }) => world.energy(METER, range, (await world.lot()).runs)),
    stat('energy_per_good_unit', async ({ world, range }) => {
      const { runs } = await world.lot();
      return (await world.energy(METER, range, runs)) / sum(runs.map((run) => run.good));
    }),
    stat('cost', async ({ world, range }) => world.cost(METER, range, (await world.lot()).runs)),
    stat('co2', async (s) => (await s.world.energy(METER, s.range, (await s.world.lot()).runs)) * (await factor(s))),
    stat('good_units', async ({ world }) => sum((await world.lot()).runs.map((run) => run.good))),
    stat('scrap_units', async ({ world }) => sum((await world.lot()).runs.map((run) => run.scrap))),
    async (shown) => {
      const { runs } = await shown.world.lot();
      const points = seriesOf(shown.frames, { machine: PRESS }) as unknown as Array<[number, string]>;
      const length = points.map(([from, state], at) =>
        state === 'running' ? (points[at + 1]?.[0] ?? shown.range.to) - from : 0
      );
      const of = (run: Range) => shown.world.database.inState(World.plant, PRESS, 'running', run);
      same(sum(length), sum(await Promise.all(runs.map(of))));
    },
    meanAt(`${PRESS}-power`, { machine: PRESS }),
    meanAt(`${PRESS}-temperature`, { sensor: `${PRESS}-temperature` }),
    byProgress,
    byElapsed,
    async ({ frames, panel, world }) => {
      const score = Number(column(frames, 'score')[0]);
      expect(column(frames, 'lot')).toEqual([world.run.lot]);
      expect(Number(column(frames, 'learned_from')[0])).toBeGreaterThan(4);
      // Energy beyond the median is the mean difference over the measured time.
      const { from, to } = await world.lot();
      const hours = ((to - from) / 3_600_000) * Number(column(frames, 'compared')[0]);
      const energy = Number(column(frames, 'energy')[0]);
      expect(Math.abs(energy - Number(column(frames, 'mean_difference')[0]) * hours)).toBeLessThan(
        0.02 * Math.abs(energy) + 0.1
      );
      await expect(panel.getByRole('row').nth(1)).toContainText(score.toFixed(1));
    },
    async ({ frames, world, range }) =>
      same(
        cell(frames, ['machine', PRESS], 'energy'),
        await world.energy(`${PRESS}-energy`, range, (await world.lot()).runs)
      ),
    async ({ frames, world }) => {
      const { runs } = await world.lot();
      expect(column(frames, 'started_at')).toEqual(runs.map((run) => run.from).reverse());
      same(sum(column(frames, 'good_units').map(Number)), sum(runs.map((run) => run.good)));
    },
  ],
  'compare-lots': [
    byElapsed,
    byProgress,
    async ({ frames, world, range }) => {
      const runs = await world.runs(range, { lot: world.run.lot });
      const energy = await world.energy(METER, range, inside(runs, range));
      same(cell(frames, ['lot', world.run.lot], 'energy_per_good_unit'), energy / unitsOf(runs, range));
    },
    runsTable((world) => ({ line: World.line, lot: world.run.lot })),
  ],
  'energy-by-reference': [
    async (shown) => {
      const { key, energy, good, runs } = await busiest(shown);
      same(cell(shown.frames, ['reference', key], 'energy'), energy);
      same(cell(shown.frames, ['reference', key], 'energy_per_good_unit'), energy / good);
      const cost = await shown.world.cost(METER, shown.range, inside(runs, shown.range));
      same(cell(shown.frames, ['reference', key], 'cost_per_good_unit'), cost / good);
    },
    async (shown) => {
      const { key, energy, good } = await busiest(shown);
      same(cell(shown.frames, ['reference', key], 'energy_per_good_unit'), energy / good);
    },
    async (shown) => {
      const { key, runs } = await busiest(shown);
      const [day, value] = wholeDay(seriesOf(shown.frames, { reference: key }));
      const parts = inside(runs, day).filter(({ from, to }) => to > from);
      same(value ?? 0, await shown.world.energy(METER, shown.range, parts));
    },
    async (shown) => {
      // The eight that take most are not the busiest ones.
      const labels = shown.frames.map(({ schema }) => schema.fields[1].labels?.reference ?? '');
      const key = labels.find((reference) => /^R1/.test(reference)) ?? labels[0];
      const runs = await shown.world.runs(shown.range, { reference: key });
      const meter = `${runs[0].line}-energy`;
      const points = seriesOf(shown.frames, { reference: key });
      const at = points.findIndex(([, value], index) => value !== null && index > 0 && index < points.length - 1);
      const day = { from: points[at][0], to: points[at + 1][0] };
      const those = runs.filter(({ from, to }) => from < day.to && to > day.from);
      const energy = await shown.world.energy(meter, shown.range, inside(those, day));
      same(points[at][1], energy / unitsOf(those, day));
    },
    runsTable(() => ({})),
  ],
  anomalies: [
    async ({ frames, panel }) =>
      expectShown(panel.getByTestId('data-testid panel content'), column(frames, 'severity').length),
    async ({ frames, panel }) =>
      expectShown(panel.getByTestId('data-testid panel content'), sum(column(frames, 'open').map(Number))),
    async ({ frames, panel }) =>
      expectShown(panel.getByTestId('data-testid panel content'), sum(column(frames, 'energy').map(Number))),
    eventsCost,
    async ({ frames, others }) => {
      const scores = frames.flatMap(({ data }) => data.values[1] as number[]).filter((score) => score !== null);
      // One every five minutes of each machine at work; beyond 1, the limit, in the weeks that have an event.
      expect(scores.length).toBeGreaterThan(1000);
      expect(Math.min(...scores)).toBeGreaterThanOrEqual(0);
      const hasEvents = column(others[3], 'severity').length > 0;
      expect(Math.max(...scores)).toBeGreaterThan(hasEvents ? 1 : 0.3);
    },
    eventsCost,
  ],
  spc: [
    async ({ frames, panel }) => {
      const violations = sum(column(frames, 'violations').map(Number));
      await expectShown(panel.getByTestId('data-testid panel content'), violations);
    },
    async (shown) => {
      const { points } = await individuals(shown, shown.world.run.reference);
      expect(points.length).toBeGreaterThan(0);
      await expectShown(shown.panel.getByTestId('data-testid panel content'), points.length);
    },
    chartOf('value'),
    chartOf('ewma'),
    async (shown) => {
      const { points } = await individuals(shown, shown.world.run.reference);
      const references = column(shown.frames, 'reference');
      const sent = column(shown.frames, 'value').filter((_, row) => references[row] === shown.world.run.reference);
      expect(sent).toHaveLength(points.length);
      points.forEach(({ value }, row) => same(Number(sent[row]), value));
    },
  ],
  'live-line': [
    stat('energy', ({ world, range }) => world.energy(METER, range)),
    stat('good_units', good({ line: World.line })),
    stat(
      'energy_per_good_unit',
      async (s) => (await s.world.energy(METER, s.range)) / (await good({ line: World.line })(s))
    ),
    silent(World.line),
    running,
    async ({ frames, world }) => {
      const values = frames[0].data.values[1];
      expect(values[Math.floor(values.length / 2)] ?? values[0]).toBe(world.run.name);
    },
    meanAt(`${PRESS}-power`, { machine: PRESS }),
    meanAt(`${PRESS}-temperature`, { sensor: `${PRESS}-temperature` }),
    async ({ frames, world }) => {
      const { value } = await world.database.sensors(World.plant, 'M1-power');
      same(cell(frames, ['sensor', 'M1-power'], 'value'), value);
    },
  ],
  'data-quality': [
    silent(),
    async ({ panel, world }) => {
      const { count } = await world.database.sensors(World.plant, MAIN);
      await expectShown(panel.getByTestId('data-testid panel content'), count);
    },
    async ({ frames, panel, world, range }) => {
      same(Number(column(frames, 'coverage')[0]), coverageOf(await world.readings(MAIN, range), range));
      await expect(panel).toContainText('100');
    },
    async ({ frames, world }) => {
      const { newest } = await world.database.sensors(World.plant, MAIN);
      const oldest = Math.max(...column(frames, 'age_s').map(Number));
      expect(oldest).toBeGreaterThan((Date.now() - newest.getTime()) / 1000 - 300);
    },
    async ({ frames, world }) => {
      const [hour, value] = wholeDay(seriesOf(frames, { sensor: MAIN }));
      expect(value).toBe(await world.database.count(World.plant, MAIN, hour));
    },
    async ({ frames, world, range }) =>
      same(
        cell(frames, ['machine', PRESS], 'coverage'),
        coverageOf(await world.readings(`${PRESS}-energy`, range), range)
      ),
    async ({ frames, world }) => {
      const { newest, count } = await world.database.sensors(World.plant, MAIN);
      expect(column(frames, 'sensor')).toHaveLength(count);
      expect(cell(frames, ['sensor', MAIN], 'last_seen')).toBe(newest.getTime());
    },
  ],
};
