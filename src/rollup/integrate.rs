//! The statement that integrates readings over windows, cut at bucket edges: what the kept sums of runs
//! are made of, and compared with.
//!
//! For each window (a sensor over `[a, b)`) it reads the readings inside and one on either side, makes a
//! segment between neighbours, clips it to the window and to each bucket, and adds up:
//! - gauge: the trapezoid under the line between two readings (value x seconds), unless the gap is
//!   longer than the sensor's maximum;
//! - counter: the increment, shared in proportion to time; a fall is a reset to 0 (or a roll-over);
//! - delta: the amount, shared in proportion to the time that it covers, which ends at its stamp.
//!
//! Because every part is clipped from the same segment, parts add up to the whole. The definition is that
//! of [`crate::figures::walk`], which does it outside of the database.
//!
//! Values beyond 1e100 count as infinite and below 1e-100 as 0: PostgreSQL fails a statement in which
//! a product overflows or underflows, and one wild reading must not take the others along.

use std::sync::LazyLock;

/// The text. Its parameters $1 to $11 are those of [`super::runs::parameters`]; a row a window and bucket.
pub(super) static SUMS: LazyLock<String> = LazyLock::new(|| {
    format!("WITH {READINGS}, {PARTS}\n{SUM}")
        .replace("$COLUMNS", COLUMNS)
        .replace("$WINDOWS", WINDOWS)
});

/// Parameters $1 to $10, a row a window.
const WINDOWS: &str = "unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
       WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, lo, hi, nr)";

const COLUMNS: &str = "(w.nr - 1)::int4 AS win, w.plant_id, w.sensor_id, w.kind, w.max_gap, w.interval_s, w.rollover,
         w.a AS ta, w.b AS tb, w.lo, w.hi, date_part('epoch', w.a) AS a, date_part('epoch', w.b) AS b";

/// A value as it is counted: wild ones are infinite or 0 (see above).
macro_rules! counted {
    ($value:literal) => {
        concat!(
            "CASE WHEN abs(",
            $value,
            ") BETWEEN 1e-100 AND 1e100 THEN ",
            $value,
            " WHEN abs(",
            $value,
            ") < 1 THEN 0.0 ELSE ",
            $value,
            " * 'Infinity'::float8 END"
        )
    };
}

const READINGS: &str = concat!(
    "win AS MATERIALIZED (
  SELECT $COLUMNS FROM $WINDOWS
), pt AS (
  SELECT w.win, w.kind, w.max_gap, w.interval_s, w.rollover, w.a, w.b, x.t, x.v, x.tn, x.vn, x.tp
  FROM win w CROSS JOIN LATERAL (
    SELECT p.t, p.v, lead(p.t) OVER o AS tn, lead(p.v) OVER o AS vn, lag(p.t) OVER o AS tp
    FROM (
      SELECT date_part('epoch', y.time) AS t, ",
    counted!("y.value"),
    " AS v
      FROM (
        (SELECT r.time, r.value FROM reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.ta AND r.time >= w.lo
         ORDER BY r.time DESC LIMIT 1)
        UNION ALL
        (SELECT r.time, r.value FROM reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.ta AND r.time < w.tb
         OFFSET 0)
        UNION ALL
        (SELECT r.time, r.value FROM reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.tb AND r.time <= w.hi
         ORDER BY r.time LIMIT 1)
      ) y
    ) p
    WINDOW o AS (ORDER BY p.t)
  ) x
)"
);

/// Segments between readings, clipped to window and buckets.
const PARTS: &str = "\
seg AS (
  SELECT win, kind, a, b, t, v, vn, s0, e0, inc,
         kind = 2 OR e0 - s0 <= max_gap AS near,
         greatest(s0, a) AS s, least(e0, b) AS e,
         CASE WHEN kind = 2 THEN t > a AND t <= b ELSE t >= a AND t < b END AS inside
  FROM (
    SELECT win, kind, max_gap, a, b, t, v, vn,
           CASE WHEN kind = 2 THEN greatest(tp, t - interval_s) ELSE t END AS s0,
           CASE WHEN kind = 2 THEN t ELSE coalesce(tn, t) END AS e0,
           CASE WHEN kind = 2 THEN v WHEN vn >= v THEN vn - v WHEN rollover >= v THEN vn - v + rollover ELSE vn END AS inc
    FROM pt
  ) q
), piece AS (
  SELECT win, kind, t, v, vn, s0, e0, inc, near, inside, c, c0, c1,
         greatest(s, CASE WHEN c = c0 THEN s ELSE ($11::float8[])[c] END) AS s,
         least(e, CASE WHEN c = c1 THEN e ELSE ($11::float8[])[c + 1] END) AS e
  FROM (
    SELECT *, generate_series(c0, c1) AS c
    FROM (
      SELECT *, width_bucket(s, $11::float8[]) AS c0,
             greatest(width_bucket(s, $11::float8[]), width_bucket(e - 5e-7, $11::float8[])) AS c1
      FROM seg WHERE e > s OR inside
    ) k
  ) g
), part AS (
  SELECT win, c, t, v, kind, near,
         greatest(e - s, 0) AS d,
         CASE WHEN e > s AND e0 > s0 THEN (e - s) / (e0 - s0) ELSE 0 END AS share,
         CASE WHEN e0 > s0 THEN v + (vn - v) * (((s + e) / 2 - s0) / (e0 - s0)) ELSE v END AS middle,
         inc, inside AND c = CASE WHEN kind = 2 THEN c1 ELSE c0 END AS counted
  FROM piece
)";

const SUM: &str = "\
SELECT win, c::int4,
  coalesce(sum(middle * d) FILTER (WHERE kind = 0 AND near AND d > 0), 0) AS integral,
  sum(inc * share) FILTER (WHERE kind <> 0 AND share > 0) AS amount,
  coalesce(sum(d) FILTER (WHERE near), 0) AS covered_s,
  count(*) FILTER (WHERE counted) AS n,
  coalesce(sum(v) FILTER (WHERE counted), 0) AS total,
  min(v) FILTER (WHERE counted) AS low,
  max(v) FILTER (WHERE counted) AS high
FROM part GROUP BY win, c";
