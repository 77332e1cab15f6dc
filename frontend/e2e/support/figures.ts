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

interface Run extends Range {
  good: number;
}

interface Reading {
  time: number;
  value: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The database of the stack under test. */
export class Database {
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

  private async rows<Row>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query(sql, values)).rows;
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

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
