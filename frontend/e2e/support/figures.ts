/**
 * The figures that the panels must show, worked out from the rows of the database by plain arithmetic. Shares no code
 * with the plugin: what is written here is what `docs/definitions.md` says.
 */
import { Client } from 'pg';

/** A stretch of time, in milliseconds since 1970. */
export interface Range {
  from: number;
  to: number;
}

export interface Run extends Range {
  good: number;
}

/** A run with what was made. */
export interface NamedRun extends Run {
  scrap: number;
  line: string;
  reference: string;
  name: string;
  lot: string;
}

/** A period of a tariff. */
export interface Period {
  period: string;
  price_per_kwh: number;
  contracted_kw: number;
  excess_price_per_kw: number;
}

interface Rule {
  months?: number[];
  days?: string[];
  from?: string;
  to?: string;
  period: string;
}

/** A value and its time, in milliseconds. */
export interface Reading {
  time: number;
  value: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The database of the stack under test. */
export class Database {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly client: Client) {}

  static async connect(): Promise<Database> {
    const url = process.env.LOTWISE_DATABASE_URL;
    if (!url) {
      throw new Error('LOTWISE_DATABASE_URL is not set: run `scripts/test e2e`, or see frontend/e2e/README.md');
    }
    const client = new Client({ connectionString: url });
    await client.connect();
    return new Database(client);
  }

  close() {
    return this.client.end();
  }

  /** Five days that ended a day ago: there are working days in them, and no run in them is still open. */
  async fiveDays(): Promise<Range> {
    const [row] = await this.rows<{ first: Date; last: Date }>(
      'SELECT min(time) first, max(time) last FROM lotwise.reading'
    );
    const to = Math.floor(row.last.getTime() / HOUR) * HOUR - DAY;
    const from = to - 5 * DAY;
    if (row.first.getTime() > from) {
      throw new Error('the demo factory has fewer than seven days of history');
    }
    return { from, to };
  }

  /** The reference that was made most often on a line, in runs that have ended. */
  async busiestReference(plant: string, line: string, range: Range): Promise<{ key: string; name: string }> {
    const [row] = await this.rows<{ key: string; name: string }>(
      `SELECT f.key, f.name
       FROM lotwise.run r JOIN lotwise.lot t ON t.id = r.lot_id JOIN lotwise.reference f ON f.id = t.reference_id
            JOIN lotwise.line l ON l.id = r.line_id JOIN lotwise.plant p ON p.id = r.plant_id
       WHERE p.key = $1 AND l.key = $2 AND r.machine_id IS NULL AND r.started_at < $4 AND r.ended_at > $3
       GROUP BY f.key, f.name ORDER BY count(*) DESC, f.key LIMIT 1`,
      [plant, line, new Date(range.from), new Date(range.to)]
    );
    return row;
  }

  /** What a reference took and gave on a line in a range. */
  async ofReference(plant: string, line: string, reference: string, range: Range) {
    const runs = await this.runs(plant, line, reference, range);
    const readings = await this.meter(plant, line, range);
    const inside = runs.map((run) => ({ from: Math.max(run.from, range.from), to: Math.min(run.to, range.to) }));
    const energy = sum(inside.map((part) => increase(readings, part)));
    // A run that the range cuts counts with the share of its time that lies inside.
    const good = sum(runs.map((run, at) => (run.good * (inside[at].to - inside[at].from)) / (run.to - run.from)));
    return { energy, good, runs: runs.length };
  }

  /** What the energy meter of a line counted in a range. */
  async energyOfLine(plant: string, line: string, range: Range): Promise<number> {
    return increase(await this.meter(plant, line, range), range);
  }

  /** How many machines there are. */
  async machines(): Promise<number> {
    const [{ count }] = await this.rows<{ count: string }>('SELECT count(*) FROM lotwise.machine', []);
    return Number(count);
  }

  /** Registers a sensor that never sends, so that one is silent for sure. */
  async registerSilentSensor(plant: string, line: string, name: string) {
    await this.rows(
      `INSERT INTO lotwise.sensor (plant_id, line_id, key, name, quantity, unit, kind)
       SELECT l.plant_id, l.id, $3, $3, 'temperature', '°C', 'gauge'
       FROM lotwise.line l JOIN lotwise.plant p ON p.id = l.plant_id WHERE p.key = $1 AND l.key = $2
       ON CONFLICT (plant_id, key) DO NOTHING`,
      [plant, line, name]
    );
  }

  /** Names of the sensors of a line that were silent at this moment. */
  async silentSensors(plant: string, line: string): Promise<string[]> {
    const rows = await this.rows<{ name: string }>(
      `SELECT s.name
       FROM lotwise.sensor s JOIN lotwise.line l ON l.id = s.line_id JOIN lotwise.plant p ON p.id = s.plant_id
       WHERE p.key = $1 AND l.key = $2 AND NOT EXISTS (
         SELECT FROM lotwise.reading r WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id AND r.time <= now()
           AND r.time >= now() - greatest(3 * s.interval_s, s.max_gap_s) * interval '1 second')
       ORDER BY s.name`,
      [plant, line]
    );
    return rows.map((row) => row.name);
  }

  private async runs(plant: string, line: string, reference: string, range: Range): Promise<Run[]> {
    const rows = await this.rows<{ started_at: Date; ended_at: Date; good_units: number }>(
      `SELECT r.started_at, r.ended_at, r.good_units
       FROM lotwise.run r JOIN lotwise.lot t ON t.id = r.lot_id JOIN lotwise.reference f ON f.id = t.reference_id
            JOIN lotwise.line l ON l.id = r.line_id JOIN lotwise.plant p ON p.id = r.plant_id
       WHERE p.key = $1 AND l.key = $2 AND f.key = $3 AND r.started_at < $5 AND r.ended_at > $4`,
      [plant, line, reference, new Date(range.from), new Date(range.to)]
    );
    return rows.map((row) => ({ from: row.started_at.getTime(), to: row.ended_at.getTime(), good: row.good_units }));
  }

  /** The register of the line's own energy meter, in and a day around a range. */
  private async meter(plant: string, line: string, range: Range): Promise<Reading[]> {
    const rows = await this.rows<{ time: Date; value: number }>(
      `SELECT r.time, r.value
       FROM lotwise.reading r JOIN lotwise.sensor s ON s.id = r.sensor_id
            JOIN lotwise.line l ON l.id = s.line_id JOIN lotwise.plant p ON p.id = s.plant_id
       WHERE p.key = $1 AND l.key = $2 AND s.machine_id IS NULL AND s.quantity = 'energy' AND s.kind = 'counter'
         AND r.time BETWEEN $3 AND $4
       ORDER BY r.time`,
      [plant, line, new Date(range.from - DAY), new Date(range.to + DAY)]
    );
    if (rows.length === 0) {
      throw new Error(`line ${line} of ${plant} has no readings of an energy meter`);
    }
    return rows.map((row) => ({ time: row.time.getTime(), value: row.value }));
  }

  /** Readings of a sensor in and an hour around a range. */
  async readings(plant: string, sensor: string, range: Range): Promise<Reading[]> {
    const rows = await this.rows<{ time: Date; value: number }>(
      `SELECT r.time, r.value FROM lotwise.reading r JOIN lotwise.sensor s ON s.id = r.sensor_id
            JOIN lotwise.plant p ON p.id = s.plant_id
       WHERE p.key = $1 AND s.key = $2 AND r.time BETWEEN $3 AND $4 ORDER BY r.time`,
      [plant, sensor, new Date(range.from - HOUR), new Date(range.to + HOUR)]
    );
    if (rows.length === 0) {
      throw new Error(`sensor ${sensor} of ${plant} has no readings`);
    }
    return rows.map((row) => ({ time: row.time.getTime(), value: row.value }));
  }

  /** Runs that touch a range, of a line or of all, of a reference or lot or of all; the oldest first. */
  async runsOf(plant: string, range: Range, { line = '', reference = '', lot = '' } = {}): Promise<NamedRun[]> {
    interface Row {
      started_at: Date;
      ended_at: Date | null;
      good_units: number;
      scrap_units: number;
      line: string;
      reference: string;
      name: string;
      lot: string;
    }
    const rows = await this.rows<Row>(
      `SELECT r.started_at, r.ended_at, r.good_units, r.scrap_units, l.key line, f.key reference, f.name, t.key lot
       FROM lotwise.run r JOIN lotwise.lot t ON t.id = r.lot_id JOIN lotwise.reference f ON f.id = t.reference_id
            JOIN lotwise.line l ON l.id = r.line_id JOIN lotwise.plant p ON p.id = r.plant_id
       WHERE p.key = $1 AND r.started_at < $3 AND (r.ended_at > $2 OR r.ended_at IS NULL)
         AND ($4 = '' OR l.key = $4) AND ($5 = '' OR f.key = $5) AND ($6 = '' OR t.key = $6)
       ORDER BY r.started_at`,
      [plant, new Date(range.from), new Date(range.to), line, reference, lot]
    );
    return rows.map(({ started_at, ended_at, good_units, scrap_units, ...names }) => ({
      ...names,
      from: started_at.getTime(),
      to: ended_at?.getTime() ?? Date.now(),
      good: good_units,
      scrap: scrap_units,
    }));
  }

  /** Prices of a plant's only tariff, by the quarter of an hour of its own clock; of one period, or of all. */
  async prices(plant: string, zone: string, only?: string): Promise<(time: number) => number> {
    const at = await this.periods(plant, zone);
    return (time) => {
      const { period, price_per_kwh } = at(time);
      return only !== undefined && period !== only ? 0 : price_per_kwh;
    };
  }

  /** The periods of a plant's only tariff, by the quarter of an hour of its own clock. */
  async periods(plant: string, zone: string): Promise<(time: number) => Period> {
    const [{ periods, calendar }] = await this.rows<{ periods: Period[]; calendar: Rule[] }>(
      `SELECT t.periods, t.calendar FROM lotwise.tariff t JOIN lotwise.plant p ON p.id = t.plant_id WHERE p.key = $1`,
      [plant]
    );
    const clock = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      month: 'numeric',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    return (time) => {
      const parts = Object.fromEntries(clock.formatToParts(time).map(({ type, value }) => [type, value]));
      const at = `${parts.hour}:${parts.minute}`;
      const fits = (rule: Rule) =>
        (rule.months?.includes(Number(parts.month)) ?? true) &&
        (rule.days?.includes(parts.weekday.toLowerCase()) ?? true) &&
        at >= (rule.from ?? '00:00') &&
        at < (rule.to ?? '24:00');
      const period = calendar.find(fits)?.period;
      return periods.find((known) => known.period === period)!;
    };
  }

  /** The last midnight of a time zone that is not after an instant. */
  async midnight(zone: string, at: number): Promise<number> {
    const [{ midnight }] = await this.rows<{ midnight: Date }>(
      `SELECT date_trunc('day', $1::timestamptz, $2) midnight`,
      [new Date(at), zone]
    );
    return midnight.getTime();
  }

  /** Kilograms of CO2 per kWh by the grid. */
  async factor(plant: string): Promise<number> {
    const [{ factor }] = await this.rows<{ factor: number }>(
      `SELECT f.kg_co2_per_kwh factor FROM lotwise.factor f JOIN lotwise.plant p ON p.id = f.plant_id
       WHERE p.key = $1 AND f.kind = 'location_based'`,
      [plant]
    );
    return factor;
  }

  /** Milliseconds that a machine spent in a state inside a range. */
  async inState(plant: string, machine: string, state: string, range: Range): Promise<number> {
    const rows = await this.rows<{ started_at: Date; ended_at: Date | null }>(
      `SELECT t.started_at, t.ended_at FROM lotwise.state t JOIN lotwise.machine m ON m.id = t.machine_id
            JOIN lotwise.plant p ON p.id = t.plant_id WHERE p.key = $1 AND m.key = $2 AND t.state = $3`,
      [plant, machine, state]
    );
    const overlap = ({ started_at, ended_at }: { started_at: Date; ended_at: Date | null }) =>
      Math.min(range.to, ended_at?.getTime() ?? range.to) - Math.max(range.from, started_at.getTime());
    return sum(rows.map(overlap).filter((length) => length > 0));
  }

  /** Sensors of a plant: how many, and the time of the newest reading of one of them. */
  async sensors(plant: string, sensor: string): Promise<{ count: number; newest: Date; value: number }> {
    const [row] = await this.rows<{ count: number; newest: Date; value: number }>(
      `SELECT (SELECT count(*)::int FROM lotwise.sensor a WHERE a.plant_id = s.plant_id) count, r.time newest, r.value
       FROM lotwise.sensor s JOIN lotwise.plant p ON p.id = s.plant_id
            JOIN lotwise.reading r ON r.plant_id = s.plant_id AND r.sensor_id = s.id
       WHERE p.key = $1 AND s.key = $2 ORDER BY r.time DESC LIMIT 1`,
      [plant, sensor]
    );
    return row;
  }

  /** Number of readings of a sensor in a range, its start included. */
  async count(plant: string, sensor: string, range: Range): Promise<number> {
    const [{ count }] = await this.rows<{ count: number }>(
      `SELECT count(*)::int FROM lotwise.reading r JOIN lotwise.sensor s ON s.id = r.sensor_id
            JOIN lotwise.plant p ON p.id = s.plant_id
       WHERE p.key = $1 AND s.key = $2 AND r.time >= $3 AND r.time < $4`,
      [plant, sensor, new Date(range.from), new Date(range.to)]
    );
    return count;
  }

  /** One statement at a time: a client has one connection. */
  private rows<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const answer = this.last.then(() => this.client.query(sql, values)).then(({ rows }) => rows as Row[]);
    this.last = answer.catch(() => undefined);
    return answer;
  }
}

/** Increase of a register in a range: shared in proportion to time at the edges; a fall is a restart from zero. */
export function increase(readings: Reading[], { from, to }: Range): number {
  let total = 0;
  for (let at = 1; at < readings.length; at++) {
    const [before, after] = [readings[at - 1], readings[at]];
    const overlap = Math.min(to, after.time) - Math.max(from, before.time);
    if (overlap > 0) {
      const step = after.value >= before.value ? after.value - before.value : after.value;
      total += (step * overlap) / (after.time - before.time);
    }
  }
  return total;
}

/** Energy of a register times the price of each quarter of an hour. */
export function costOf(readings: Reading[], { from, to }: Range, price: (time: number) => number): number {
  const quarter = HOUR / 4;
  let total = 0;
  for (let start = Math.floor(from / quarter) * quarter; start < to; start += quarter) {
    const part = { from: Math.max(from, start), to: Math.min(to, start + quarter) };
    total += increase(readings, part) * price(start);
  }
  return total;
}

/** Time-weighted mean of a level in a range: straight lines between readings that are at most `gap` apart. */
export function meanOf(readings: Reading[], { from, to }: Range, gap = 1_800_000): number {
  let [area, time] = [0, 0];
  for (let at = 1; at < readings.length; at++) {
    const [before, after] = [readings[at - 1], readings[at]];
    const [start, end] = [Math.max(from, before.time), Math.min(to, after.time)];
    if (end > start && after.time - before.time <= gap) {
      const value = (when: number) =>
        before.value + ((after.value - before.value) * (when - before.time)) / (after.time - before.time);
      area += ((value(start) + value(end)) / 2) * (end - start);
      time += end - start;
    }
  }
  return area / time;
}

/** Share of a range for which there are readings at most `gap` apart. */
export function coverageOf(readings: Reading[], { from, to }: Range, gap = 1_800_000): number {
  let covered = 0;
  for (let at = 1; at < readings.length; at++) {
    const [before, after] = [readings[at - 1], readings[at]];
    if (after.time - before.time <= gap) {
      covered += Math.max(0, Math.min(to, after.time) - Math.max(from, before.time));
    }
  }
  return covered / (to - from);
}

/** Units of runs in a range: of a run that it cuts, the share of its time that lies inside. */
export function unitsOf(runs: NamedRun[], range: Range, kind: 'good' | 'scrap' = 'good'): number {
  return sum(
    runs.map((run) => (run[kind] * (Math.min(run.to, range.to) - Math.max(run.from, range.from))) / (run.to - run.from))
  );
}

/** The parts of runs inside a range. */
export function inside(runs: Range[], range: Range): Range[] {
  return runs.map(({ from, to }) => ({ from: Math.max(from, range.from), to: Math.min(to, range.to) }));
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
