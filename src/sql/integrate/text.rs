//! The text of the statement, from readings only or with whole hours from rollups.
//!
//! Both read *items* in the order of time and make segments between neighbours. An item is a
//! reading, or an hour of `rollup_hour`: its first reading (`t`, `v`), its last one (`lt`, `lv`), and
//! the rest, which is added to the bucket that holds the hour. Of a reading both are the same.

use super::Ends;
use crate::plan::Items;

/// Parameters $1 to $10, a row a window.
const WINDOWS: &str = "unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
       WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, lo, hi, nr)";

const COLUMNS: &str = "(w.nr - 1)::int4 AS win, w.plant_id, w.sensor_id, w.kind, w.max_gap, w.interval_s, w.rollover,
         w.a AS ta, w.b AS tb, w.lo, w.hi, date_part('epoch', w.a) AS a, date_part('epoch', w.b) AS b";

/// A value as it is counted: wild ones are infinite or 0 (see the module above).
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

/// Hours `[h0, h1)` are those that lie inside the window and are made by the query's own rules. Of
/// these, marked hours and hours that an edge of a bucket cuts ($12), together `marked`, are read from
/// the readings, as are the ends of the window.
const HOURS: &str = concat!(
    "win AS MATERIALIZED (
  SELECT $COLUMNS, e.h0, e.h1, m.marked
  FROM $WINDOWS
  LEFT JOIN lotwise.rollup_sensor s ON s.plant_id = w.plant_id AND s.sensor_id = w.sensor_id
    AND s.kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1] AND s.max_gap_s = w.max_gap
    AND s.interval_s = w.interval_s AND s.rollover IS NOT DISTINCT FROM w.rollover AND $ROLLED
  CROSS JOIN LATERAL (
    SELECT date_bin('1 hour', w.a + interval '3599.999999 s', 'epoch') AS up,
      CASE WHEN s.built_until < w.b THEN s.built_until WHEN s.built_until >= w.b THEN date_bin('1 hour', w.b, 'epoch') END AS down
  ) r
  CROSS JOIN LATERAL (
    SELECT CASE WHEN r.up < r.down THEN r.up ELSE w.b END AS h0, CASE WHEN r.up < r.down THEN r.down ELSE w.b END AS h1
  ) e
  CROSS JOIN LATERAL (
    SELECT coalesce(range_agg(tstzrange(x.hour, x.hour + interval '1 hour')), '{}') AS marked FROM (
      SELECT d.hour FROM lotwise.rollup_dirty d
      WHERE d.plant_id = w.plant_id AND d.sensor_id = w.sensor_id AND d.hour >= e.h0 AND d.hour < e.h1
      UNION ALL SELECT c.hour FROM unnest($12::timestamptz[]) AS c(hour) WHERE c.hour >= e.h0 AND c.hour < e.h1
    ) x
  ) m
), pt AS MATERIALIZED (
  SELECT w.win, w.kind, w.max_gap, w.interval_s, w.rollover, w.a, w.b, x.*
  FROM win w CROSS JOIN LATERAL (
    SELECT p.*, lead(p.t) OVER o AS tn, lead(p.v) OVER o AS vn, lag(p.lt) OVER o AS tp
    FROM (
      SELECT date_part('epoch', y.first_t) AS t, ",
    counted!("y.first_v"),
    " AS v, date_part('epoch', y.last_t) AS lt, ",
    counted!("y.last_v"),
    " AS lv, y.n, y.rest_sum, y.rest_min, y.rest_max, y.covered_s, y.total
      FROM (
        (SELECT r.time AS first_t, r.value AS first_v, r.time AS last_t, r.value AS last_v, 1 AS n,
           0::float8 AS rest_sum, NULL::float8 AS rest_min, NULL::float8 AS rest_max,
           0::float8 AS covered_s, NULL::float8 AS total
         FROM reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.ta AND r.time >= w.lo
         ORDER BY r.time DESC LIMIT 1)
        UNION ALL
        (SELECT r.time, r.value, r.time, r.value, 1, 0, NULL, NULL, 0, NULL
         FROM (
           SELECT w.ta AS since, w.h0 AS until
           UNION ALL SELECT w.h1, w.tb WHERE w.h1 < w.tb
           UNION ALL SELECT lower(m), upper(m) FROM unnest(w.marked) m
         ) g CROSS JOIN LATERAL (
           SELECT r.time, r.value FROM reading r
           WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= g.since AND r.time < g.until
           OFFSET 0) r)
        UNION ALL
        (SELECT h.first_t, h.first_v, h.last_t, h.last_v, h.n, h.rest_sum, h.rest_min, h.rest_max, h.covered_s, h.total
         FROM lotwise.rollup_hour h
         WHERE h.plant_id = w.plant_id AND h.sensor_id = w.sensor_id AND h.hour >= w.h0 AND h.hour < w.h1
           AND NOT w.marked @> h.hour
         OFFSET 0)
        UNION ALL
        (SELECT r.time, r.value, r.time, r.value, 1, 0, NULL, NULL, 0, NULL FROM reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.tb AND r.time <= w.hi
         ORDER BY r.time LIMIT 1)
      ) y
    ) p
    WINDOW o AS (ORDER BY p.t)
  ) x
)"
);

/// Segments between items, clipped to window and buckets. `$LT` and `$LV` are an item's last reading.
const PARTS: &str = "\
seg AS (
  SELECT win, kind, a, b, t, v, $LAST vn, s0, e0, inc,
         kind = 2 OR e0 - s0 <= max_gap AS near,
         greatest(s0, a) AS s, least(e0, b) AS e,
         CASE WHEN kind = 2 THEN t > a AND t <= b ELSE t >= a AND t < b END AS inside
  FROM (
    SELECT win, kind, max_gap, a, b, t, v, $LAST vn,
           CASE WHEN kind = 2 THEN greatest(tp, t - interval_s) ELSE $LT END AS s0,
           CASE WHEN kind = 2 THEN t ELSE coalesce(tn, $LT) END AS e0,
           CASE WHEN kind = 2 THEN v WHEN vn >= $LV THEN vn - $LV WHEN rollover >= $LV THEN vn - $LV + rollover ELSE vn END AS inc
    FROM pt
  ) q
), piece AS (
  SELECT win, kind, t, v, $LAST vn, s0, e0, inc, near, inside, c, c0, c1,
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
         CASE WHEN e0 > s0 THEN $LV + (vn - $LV) * (((s + e) / 2 - s0) / (e0 - s0)) ELSE $LV END AS middle,
         inc, inside AND c = CASE WHEN kind = 2 THEN c1 ELSE c0 END AS counted
  FROM piece
)";

const SUM_OF_READINGS: &str = "\
SELECT win, c::int4,
  coalesce(sum(middle * d) FILTER (WHERE kind = 0 AND near AND d > 0), 0) AS integral,
  sum(inc * share) FILTER (WHERE kind <> 0 AND share > 0) AS amount,
  coalesce(sum(d) FILTER (WHERE near), 0) AS covered_s,
  count(*) FILTER (WHERE counted) AS n,
  coalesce(sum(v) FILTER (WHERE counted), 0) AS total,
  min(v) FILTER (WHERE counted) AS low,
  max(v) FILTER (WHERE counted) AS high,
  $ENDS
FROM part GROUP BY win, c";

/// The rest of an hour that has more than one reading lies after its first reading, so its last one
/// tells the bucket; and the newest reading is in it, the earliest never.
const SUM_OF_HOURS: &str = "\
SELECT win, c::int4,
  coalesce(sum(integral), 0) AS integral,
  sum(amount) AS amount,
  coalesce(sum(covered_s), 0) AS covered_s,
  coalesce(sum(n), 0)::int8 AS n,
  coalesce(sum(total), 0) AS total,
  min(low) AS low,
  max(high) AS high,
  $ENDS
FROM (
  SELECT win, c, CASE WHEN kind = 0 AND near AND d > 0 THEN middle * d END AS integral,
    CASE WHEN kind <> 0 AND share > 0 THEN inc * share END AS amount,
    CASE WHEN near THEN d END AS covered_s,
    CASE WHEN counted THEN 1 END AS n,
    CASE WHEN counted THEN v END AS total, CASE WHEN counted THEN v END AS low, CASE WHEN counted THEN v END AS high,
    counted, t, v
  FROM part
  UNION ALL
  SELECT win, width_bucket(lt, $11::float8[]), CASE WHEN kind = 0 THEN total END, CASE WHEN kind <> 0 THEN total END,
    covered_s, n - 1, rest_sum, rest_min, rest_max, true, lt, lv
  FROM pt WHERE n > 1
) both_parts GROUP BY win, c";

const NO_ENDS: &str = "NULL::float8[] AS earliest, NULL::float8[] AS newest";
const BOTH_ENDS: &str = "min(ARRAY[t, v]) FILTER (WHERE counted) AS earliest, \
    max(ARRAY[t, v]) FILTER (WHERE counted) AS newest";

/// The text for a source of items.
pub(super) fn text(items: Items, ends: Ends) -> String {
    let (read, sum, last, lt, lv) = match items {
        Items::Readings => (READINGS, SUM_OF_READINGS, "", "t", "v"),
        Items::Hours => (HOURS, SUM_OF_HOURS, "lv,", "lt", "lv"),
    };
    // The first reading of an hour may end an amount that is counted before the hour, and the second
    // one, which is then the earliest, is not kept.
    let rolled = match ends {
        Ends::Omit => "true",
        Ends::Read => "w.kind <> 2",
    };
    let ends = match ends {
        Ends::Omit => NO_ENDS,
        Ends::Read => BOTH_ENDS,
    };
    format!("WITH {read}, {PARTS}\n{sum}")
        .replace("$COLUMNS", COLUMNS)
        .replace("$WINDOWS", WINDOWS)
        .replace("$ROLLED", rolled)
        .replace("$LAST", last)
        .replace("$LT", lt)
        .replace("$LV", lv)
        .replace("$ENDS", ends)
}
