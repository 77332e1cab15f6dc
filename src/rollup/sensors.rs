//! Which sensors are rolled up, and by which rules.

use sqlx::postgres::PgConnection;

/// New sensors, from the hour of their first reading. One that comes later from further back is
/// older than `mark_until`, and marked. Runs of the line are gone through again for them.
const ADOPT: &str = "
    WITH adopted AS (
        INSERT INTO rollup_sensor (plant_id, sensor_id, kind, interval_s, max_gap_s, rollover, built_until)
        SELECT s.plant_id, s.id, s.kind, s.interval_s, s.max_gap_s, s.rollover,
            least(date_bin('1 hour', f.time, 'epoch'), m.mark_until)
        FROM sensor s CROSS JOIN rollup_state m
        LEFT JOIN LATERAL (SELECT r.time FROM reading r WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id
            ORDER BY r.time LIMIT 1) f ON true
        WHERE m.mark_until IS NOT NULL
            AND NOT EXISTS (SELECT FROM rollup_sensor x WHERE x.plant_id = s.plant_id AND x.sensor_id = s.id)
        RETURNING sensor_id)
    UPDATE rollup_run_done d SET again = true FROM adopted a JOIN sensor s ON s.id = a.sensor_id
    WHERE d.line_id = s.line_id";

/// Sensors whose rules changed: all that was made by the old ones is made again, as far as there are
/// readings. What is older keeps the old rules, and is no more read where the kind is another.
const CHANGE: &str = "
    WITH changed AS (
        UPDATE rollup_sensor x SET kind = s.kind, interval_s = s.interval_s, max_gap_s = s.max_gap_s,
            rollover = s.rollover
        FROM sensor s, rollup_sensor o
        WHERE s.plant_id = x.plant_id AND s.id = x.sensor_id AND o.plant_id = x.plant_id AND o.sensor_id = x.sensor_id
            AND (x.kind, x.interval_s, x.max_gap_s, x.rollover)
                IS DISTINCT FROM (s.kind, s.interval_s, s.max_gap_s, s.rollover)
        RETURNING x.plant_id, x.sensor_id, o.kind <> s.kind AS is_other_kind),
    kept AS (SELECT coalesce(raw_from, '-infinity') AS since FROM rollup_state),
    marked AS (
        INSERT INTO rollup_dirty (plant_id, sensor_id, hour)
        SELECT h.plant_id, h.sensor_id, h.hour FROM kept, rollup_hour h JOIN changed USING (plant_id, sensor_id)
        WHERE h.hour >= kept.since),
    gone AS (
        DELETE FROM rollup_run w USING changed c, kept
        WHERE w.plant_id = c.plant_id AND w.sensor_id = c.sensor_id
            AND (c.is_other_kind OR lower(w.depends_on) >= kept.since) RETURNING w.run_id)
    UPDATE rollup_run_done d SET again = true FROM (SELECT DISTINCT run_id FROM gone) g WHERE d.run_id = g.run_id";

/// Takes over new sensors and new rules from the table of sensors.
pub(super) async fn follow(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(ADOPT).execute(&mut *conn).await?;
    sqlx::query(CHANGE).execute(&mut *conn).await?;
    Ok(())
}
