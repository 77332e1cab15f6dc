-- Rollups: what readings add up to in each UTC hour, and over each closed run. Figures made from
-- them are exact; src/rollup/mod.rs says why. Runs with search_path = lotwise, as the owner role.
--
-- Plain tables on every kind of database: an hour of a sensor is one row where the readings are
-- 60 or 3,600, and plant_id leads every key, so that they can be distributed by plant too.

-- Writers mark the hours of readings older than mark_until, in the transaction that stores them;
-- null: no rollup was ever made, so there is nothing to mark.
CREATE TABLE rollup_state (
    only_row   bool PRIMARY KEY DEFAULT true CHECK (only_row),
    mark_until timestamptz
);
INSERT INTO rollup_state DEFAULT VALUES;

-- The rules by which a sensor's rollups were made (as its row in `sensor` said then), and the end
-- of the hours that are made.
CREATE TABLE rollup_sensor (
    plant_id    int NOT NULL,
    sensor_id   int NOT NULL,
    kind        text NOT NULL,
    interval_s  float8 NOT NULL,
    max_gap_s   float8 NOT NULL,
    rollover    float8,
    built_until timestamptz NOT NULL,
    PRIMARY KEY (plant_id, sensor_id)
);

-- Hours in which readings changed after mark_until had passed them. Only appended to by writers: no
-- unique constraint, so that they never wait for each other, and a mark can be there twice.
CREATE TABLE rollup_dirty (
    plant_id  int NOT NULL,
    sensor_id int NOT NULL,
    hour      timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000);
CREATE INDEX rollup_dirty_hour ON rollup_dirty (plant_id, sensor_id, hour);

-- An hour of a sensor: its first reading, what the readings after the first add up to, and its last
-- reading. What lies between two hours belongs to neither, so a late reading changes its own hour only.
CREATE TABLE rollup_hour (
    plant_id  int NOT NULL,
    sensor_id int NOT NULL,
    hour      timestamptz NOT NULL,          -- start of the hour, UTC
    first_t   timestamptz NOT NULL,
    first_v   float8 NOT NULL,
    last_t    timestamptz NOT NULL,
    last_v    float8 NOT NULL,
    n         int NOT NULL CHECK (n > 0),    -- readings, the first one too
    rest_sum  float8 NOT NULL,               -- of the readings after the first
    rest_min  float8,                        -- null where the first is the only one
    rest_max  float8,
    covered_s float8 NOT NULL,               -- seconds covered between the first and the last
    total     float8                         -- gauge: integral, value x seconds; counter: increase; delta: amounts after the first
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02);
CREATE UNIQUE INDEX rollup_hour_sensor ON rollup_hour (plant_id, sensor_id, hour)
    INCLUDE (first_t, first_v, last_t, last_v, n, rest_sum, rest_min, rest_max, covered_s, total);

-- A sensor over a whole closed run: the sums of [started_at, ended_at), and the range in which a
-- changed reading would change them (that of the neighbours at both ends).
CREATE TABLE rollup_run (
    plant_id   int NOT NULL,
    sensor_id  int NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    run_id     bigint NOT NULL,
    integral   float8 NOT NULL,              -- gauge: value x seconds
    amount     float8,                       -- counter: increase; delta: amount
    covered_s  float8 NOT NULL,
    n          bigint NOT NULL,
    sum        float8 NOT NULL,
    min        float8,
    max        float8,
    depends_on tstzrange NOT NULL,           -- whole hours
    PRIMARY KEY (plant_id, sensor_id, started_at, ended_at, run_id)
);
CREATE INDEX rollup_run_run ON rollup_run (run_id);
CREATE INDEX rollup_run_depends ON rollup_run USING gist (plant_id, sensor_id, depends_on);

-- Runs that were gone through, and for which place and interval.
CREATE TABLE rollup_run_done (
    run_id     bigint PRIMARY KEY,
    line_id    int NOT NULL,
    machine_id int,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    complete   bool NOT NULL,                -- no sensor of it waits for a next reading
    again      bool NOT NULL DEFAULT false   -- to be gone through again
);

-- Marks the hours of changed readings, those that rollups may already hold. To be called last in
-- the transaction that changes them, because it locks until the commit: the lock is shared among
-- writers, and moving mark_until takes it alone. The mark is read after the lock is taken, which
-- needs a new snapshot for the second statement. Returns the marks made.
CREATE FUNCTION rollup_mark(plants int[], sensors int[], times timestamptz[]) RETURNS int
LANGUAGE plpgsql VOLATILE SET search_path = lotwise, pg_temp AS $$
DECLARE
    until timestamptz;
    made  int;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'readings must be changed in READ COMMITTED transactions';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('lotwise.rollup_mark'));
    SELECT mark_until INTO until FROM rollup_state;
    INSERT INTO rollup_dirty (plant_id, sensor_id, hour)
    SELECT DISTINCT p, s, date_bin('1 hour', t, 'epoch') FROM unnest(plants, sensors, times) AS x (p, s, t)
    WHERE t < until;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END $$;

DO $$
DECLARE
    tables text := 'rollup_state, rollup_sensor, rollup_dirty, rollup_hour, rollup_run, rollup_run_done';
BEGIN
    REVOKE ALL ON FUNCTION rollup_mark(int[], int[], timestamptz[]) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO lotwise_writer', tables);
        GRANT EXECUTE ON FUNCTION rollup_mark(int[], int[], timestamptz[]) TO lotwise_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_reader') THEN
        EXECUTE format('GRANT SELECT ON %s TO lotwise_reader', tables);
    END IF;
END $$;
