/** What the dashboards are tested on. */
import { costOf, Database, increase, NamedRun, Period, Range, Reading, sum } from './figures';

/** The selection under test, with what is known of it. */
export class World {
  static readonly plant = 'madrid';
  /** The main meter. */
  static readonly meter = `${World.plant}-main`;
  static readonly zone = 'Europe/Madrid';
  static readonly line = 'M1';
  static readonly lines = ['M1', 'M2', 'M3'];
  private kept = new Map<string, Promise<unknown>>();

  private constructor(
    readonly database: Database,
    /** The range of the dashboards that look back. */
    readonly range: Range,
    /** A run of the line that has ended, in the middle of that range, and its lot. */
    readonly run: NamedRun
  ) {}

  static async find(database: Database): Promise<World> {
    const range = await database.fiveDays();
    const runs = await database.runsOf(World.plant, range, { line: World.line });
    const [run] = runs
      .filter(({ from, to }) => from > range.from && to < range.to && to - from > 3 * 3_600_000)
      .sort((a, b) => b.from - a.from);
    return new World(database, range, run);
  }

  /** Range of all runs of the lot. */
  async lot(): Promise<Range & { runs: NamedRun[] }> {
    const runs = await this.runs(this.around(), { line: World.line, lot: this.run.lot });
    return { from: Math.min(...runs.map(({ from }) => from)), to: Math.max(...runs.map(({ to }) => to)), runs };
  }

  /** An hour of that run. */
  hour(): Range {
    const from = Math.floor((this.run.from + this.run.to) / 2 / 60_000) * 60_000;
    return { from, to: from + 3_600_000 };
  }

  runs(range: Range, filter: { line?: string; reference?: string; lot?: string } = {}): Promise<NamedRun[]> {
    return this.keep(`runs ${JSON.stringify([range, filter])}`, () => this.database.runsOf(World.plant, range, filter));
  }

  readings(sensor: string, range: Range): Promise<Reading[]> {
    const { from, to } = range;
    return this.keep(`${sensor} ${from} ${to}`, () => this.database.readings(World.plant, sensor, range));
  }

  prices() {
    return this.keep('prices', () => this.database.prices(World.plant, World.zone));
  }

  async energy(sensor: string, range: Range, parts: Range[] = [range]): Promise<number> {
    const readings = await this.readings(sensor, range);
    return sum(parts.map((part) => increase(readings, part)));
  }

  async cost(sensor: string, range: Range, parts: Range[] = [range]): Promise<number> {
    const [readings, price] = [await this.readings(sensor, range), await this.prices()];
    return sum(parts.map((part) => costOf(readings, part, price)));
  }

  /** The plant's whole quarters of an hour inside a range: mean power, and the period of the tariff. */
  async quarters(range: Range): Promise<Array<{ start: number; kw: number; period: Period }>> {
    const [readings, period] = [
      await this.readings(World.meter, range),
      await this.keep('periods', () => this.database.periods(World.plant, World.zone)),
    ];
    const length = 900_000;
    const found = [];
    for (let start = Math.ceil(range.from / length) * length; start + length <= range.to; start += length) {
      const kw = increase(readings, { from: start, to: start + length }) * 4;
      found.push({ start, kw, period: period(start) });
    }
    return found;
  }

  /** A week before and after the run: all of its lot, and whole runs at the edges of the range. */
  around(): Range {
    const day = 24 * 3_600_000;
    return { from: this.run.from - 7 * day, to: this.run.to + 7 * day };
  }

  /** All that the demo made before the end of the range. */
  history(): Range {
    return { from: this.range.from - 45 * 24 * 3_600_000, to: this.range.to };
  }

  private keep<Value>(key: string, make: () => Promise<Value>): Promise<Value> {
    if (!this.kept.has(key)) {
      this.kept.set(key, make());
    }
    return this.kept.get(key) as Promise<Value>;
  }
}
