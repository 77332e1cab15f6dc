-- A small factory whose figures can be computed by hand; fixture.rs says what they are. Ids follow
-- the keys.
SET search_path = lotwise, public;

INSERT INTO plant (key, name, time_zone) VALUES
  ('madrid', 'Madrid', 'Europe/Madrid'), ('porto', 'Porto', 'Europe/Lisbon');
INSERT INTO shift (plant_id, key, name, starts_at)
SELECT id, s.key, s.name, s.starts_at FROM plant, (VALUES
  ('morning', 'Morning', time '06:00'), ('afternoon', 'Afternoon', '14:00'), ('night', 'Night', '22:00')
) s(key, name, starts_at);

INSERT INTO line (plant_id, key, name)
SELECT p.id, l.key, l.name FROM plant p JOIN (VALUES
  ('madrid', 'L1', 'Line 1'), ('madrid', 'L2', 'Line 2 (100%)'), ('porto', 'P1', 'Line_P1')
) l(plant, key, name) ON l.plant = p.key
ORDER BY l.key;

INSERT INTO machine (plant_id, line_id, key, name)
SELECT l.plant_id, l.id, m.key, m.name FROM line l JOIN (VALUES
  ('L1', 'press', 'Press'), ('L1', 'oven', 'Oven'), ('L2', 'saw', 'Saw'), ('P1', 'mixer', 'Mixer')
) m(line, key, name) ON m.line = l.key
ORDER BY m.key;

INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind, interval_s)
SELECT l.plant_id, l.id, m.id, s.key, s.name, s.quantity, s.unit, s.kind, s.interval_s
FROM (VALUES
  ('L1', NULL,    'L1-energy',   'Line 1 meter',     'energy',      'kWh',  'counter', 60),
  ('L2', NULL,    'L2-energy',   'Line 2 meter',     'energy',      'kWh',  'delta',   900),
  ('L1', 'press', 'press-power', 'Press power',      'power',       'kW',   'gauge',   60),
  ('L1', 'press', 'press-count', 'Press strokes',    'count',       'unit', 'counter', 60),
  ('L1', 'oven',  'oven-temp',   'Oven temperature', 'temperature', '°C',   'gauge',   60),
  ('L2', 'saw',   'saw-temp',    'Saw temperature',  'temperature', '°C',   'gauge',   60),
  ('P1', NULL,    'P1-energy',   'Line P1 meter',    'energy',      'kWh',  'counter', 60),
  ('P1', 'mixer', 'mixer-temp',  'Mixer temperature', 'temperature', '°C',  'gauge',   60)
) s(line, machine, key, name, quantity, unit, kind, interval_s)
JOIN line l ON l.key = s.line LEFT JOIN machine m ON m.key = s.machine
ORDER BY s.key;
UPDATE sensor SET parent_sensor_id = (SELECT id FROM sensor WHERE key = 'L1-energy') WHERE key = 'press-power';

INSERT INTO reference (plant_id, key, name)
SELECT p.id, r.key, r.name FROM plant p JOIN (VALUES
  ('madrid', 'REF-A', 'Mix 50%'), ('madrid', 'REF-B', 'Under_score'), ('madrid', 'REF-C', 'Never made'),
  ('porto', 'REF-Z', 'Porto mix')
) r(plant, key, name) ON r.plant = p.key;
INSERT INTO operator (plant_id, key, name)
SELECT p.id, o.key, o.name FROM plant p JOIN (VALUES
  ('madrid', 'ana', 'Ana'), ('madrid', 'luis', 'Luis'), ('porto', 'rui', 'Rui')
) o(plant, key, name) ON o.plant = p.key;
INSERT INTO lot (plant_id, key, reference_id)
SELECT f.plant_id, l.key, f.id FROM reference f JOIN (VALUES
  ('REF-A', 'LOT-1'), ('REF-B', 'LOT-2'), ('REF-A', 'LOT-3'), ('REF-Z', 'LOT-9')
) l(reference, key) ON l.reference = f.key
ORDER BY l.key;

INSERT INTO run (plant_id, key, line_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units)
SELECT l.plant_id, r.key, l.id, t.id, o.id, r.started_at, r.ended_at, r.good, r.scrap
FROM (VALUES
  ('RUN-1', 'L1', 'LOT-1', 'ana',  timestamptz '2026-01-15 08:00Z', timestamptz '2026-01-15 10:00Z', 100, 5),
  ('RUN-2', 'L1', 'LOT-2', 'luis', '2026-01-15 10:00Z', '2026-01-15 11:30Z', 90, 0),
  ('RUN-3', 'L2', 'LOT-3', NULL,   '2026-01-15 08:00Z', '2026-01-15 12:00Z', 200, 10),
  ('RUN-9', 'P1', 'LOT-9', 'rui',  '2026-01-15 08:00Z', '2026-01-15 12:00Z', 50, 0)
) r(key, line, lot, operator, started_at, ended_at, good, scrap)
JOIN line l ON l.key = r.line JOIN lot t ON t.key = r.lot LEFT JOIN operator o ON o.key = r.operator;

SELECT ensure_partitions('2026-01-15 08:00Z', '2026-01-15 12:00Z');
-- $m minutes after the start, once a minute; the delta once a quarter of an hour, at its end.
INSERT INTO reading (time, value, plant_id, sensor_id)
SELECT timestamptz '2026-01-15 08:00Z' + m * interval '1 minute', CASE s.key
    WHEN 'L1-energy' THEN 1000 + m * 0.5
    WHEN 'L2-energy' THEN 2.5
    WHEN 'press-power' THEN 12
    WHEN 'press-count' THEN m * 2
    WHEN 'oven-temp' THEN 180 + m / 6.0
    WHEN 'saw-temp' THEN 40
    WHEN 'P1-energy' THEN m / 6.0
    WHEN 'mixer-temp' THEN 77
  END, s.plant_id, s.id
FROM sensor s, generate_series(0, 240) m
WHERE s.kind <> 'delta' OR (m > 0 AND m % 15 = 0);
