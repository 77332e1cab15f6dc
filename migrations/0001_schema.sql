-- Lotwise schema. Runs with search_path = lotwise, as the owner role.
--
-- Three kinds of database get the same tables: TimescaleDB (community or Apache edition) stores
-- `reading` as a hypertable, plain PostgreSQL as a table partitioned by week. Which one is chosen
-- here, once; the setting `lotwise.timescaledb` (auto, require or off) comes from `lotwise migrate`.

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

DO $$
DECLARE
    wanted text := coalesce(nullif(current_setting('lotwise.timescaledb', true), ''), 'auto');
BEGIN
    IF wanted <> 'off' THEN
        BEGIN
            -- Without the preloaded library CREATE EXTENSION ends the whole session; the library's
            -- own setting tells, and unlike shared_preload_libraries every role may read it.
            IF current_setting('timescaledb.disable_load', true) IS NULL THEN
                RAISE EXCEPTION 'the timescaledb library is not preloaded';
            END IF;
            CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public;
        EXCEPTION WHEN OTHERS THEN
            IF wanted = 'require' THEN
                RAISE EXCEPTION 'TimescaleDB was required but could not be enabled: %', SQLERRM
                    USING HINT = 'Install the timescaledb package, add it to shared_preload_libraries, restart PostgreSQL, or migrate with --timescaledb off.';
            END IF;
            RAISE NOTICE 'TimescaleDB is not available (%); using native partitions', SQLERRM;
        END;
    END IF;
END $$;

-- Places ------------------------------------------------------------------------------------------

CREATE TABLE plant (
    id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key       text NOT NULL UNIQUE CHECK (key <> ''),
    name      text NOT NULL,
    time_zone text NOT NULL,                 -- IANA name; buckets follow it
    currency  text NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    locale    text NOT NULL DEFAULT 'en'
);

CREATE TABLE line (
    id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id int NOT NULL REFERENCES plant,
    key      text NOT NULL CHECK (key <> ''),
    name     text NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, id)
);

CREATE TABLE machine (
    id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id int NOT NULL,
    line_id  int NOT NULL,
    key      text NOT NULL CHECK (key <> ''),
    name     text NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, line_id, id),
    FOREIGN KEY (plant_id, line_id) REFERENCES line (plant_id, id)
);

-- A measuring point. line_id is set for a sensor of a machine too.
CREATE TABLE sensor (
    id               int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id         int NOT NULL REFERENCES plant,
    line_id          int,
    machine_id       int,
    key              text NOT NULL CHECK (key <> ''),
    name             text NOT NULL,
    quantity         text NOT NULL CHECK (quantity <> ''),   -- temperature, power, energy, count, ...
    unit             text NOT NULL,                          -- degC, kW, kWh, ...
    kind             text NOT NULL CHECK (kind IN ('gauge', 'counter', 'delta')),
    interval_s       float8 NOT NULL DEFAULT 60 CHECK (interval_s > 0),   -- nominal; for a delta, the time its value covers
    max_gap_s        float8 NOT NULL DEFAULT 300 CHECK (max_gap_s > 0),   -- a longer gap is not covered
    rollover         float8 CHECK (rollover > 0),            -- value at which a counter starts again from 0; null: a fall is a reset
    parent_sensor_id int REFERENCES sensor,                  -- meter tree: the meter that this one is a part of
    UNIQUE (plant_id, key),
    FOREIGN KEY (plant_id, line_id) REFERENCES line (plant_id, id),
    FOREIGN KEY (plant_id, line_id, machine_id) REFERENCES machine (plant_id, line_id, id),
    CHECK (machine_id IS NULL OR line_id IS NOT NULL)
);
CREATE INDEX sensor_line ON sensor (line_id);
CREATE INDEX sensor_machine ON sensor (machine_id);

-- Named working shifts; a shift lasts until the next one starts. Local wall-clock time of the plant.
CREATE TABLE shift (
    id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id  int NOT NULL REFERENCES plant,
    key       text NOT NULL CHECK (key <> ''),
    name      text NOT NULL,
    starts_at time NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, starts_at)
);

-- Production context ------------------------------------------------------------------------------

CREATE TABLE reference (
    id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id int NOT NULL REFERENCES plant,
    key      text NOT NULL CHECK (key <> ''),
    name     text NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, id)
);

CREATE TABLE operator (
    id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id int NOT NULL REFERENCES plant,
    key      text NOT NULL CHECK (key <> ''),
    name     text NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, id)
);

CREATE TABLE lot (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id     int NOT NULL REFERENCES plant,
    key          text NOT NULL CHECK (key <> ''),
    reference_id int NOT NULL,
    UNIQUE (plant_id, key),
    UNIQUE (plant_id, id),
    FOREIGN KEY (plant_id, reference_id) REFERENCES reference (plant_id, id)
);
CREATE INDEX lot_reference ON lot (reference_id);

-- An interval in which one lot is made on a line (machine_id null) or on one machine.
CREATE TABLE run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id    int NOT NULL REFERENCES plant,
    key         text NOT NULL CHECK (key <> ''),
    line_id     int NOT NULL,
    machine_id  int,
    lot_id      int NOT NULL,
    operator_id int,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,                 -- null while it lasts
    good_units  float8 NOT NULL DEFAULT 0 CHECK (good_units >= 0),
    scrap_units float8 NOT NULL DEFAULT 0 CHECK (scrap_units >= 0),
    UNIQUE (plant_id, key),
    FOREIGN KEY (plant_id, line_id) REFERENCES line (plant_id, id),
    FOREIGN KEY (plant_id, line_id, machine_id) REFERENCES machine (plant_id, line_id, id),
    FOREIGN KEY (plant_id, lot_id) REFERENCES lot (plant_id, id),
    FOREIGN KEY (plant_id, operator_id) REFERENCES operator (plant_id, id),
    CHECK (ended_at > started_at),
    CONSTRAINT run_no_overlap EXCLUDE USING gist (
        line_id WITH =, coalesce(machine_id, 0) WITH =, tstzrange(started_at, ended_at) WITH &&)
);
CREATE INDEX run_lot ON run (lot_id);
CREATE INDEX run_operator ON run (operator_id);
CREATE INDEX run_time ON run (plant_id, started_at);

-- What a machine was doing.
CREATE TABLE state (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id   int NOT NULL,
    line_id    int NOT NULL,
    machine_id int NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'idle', 'setup', 'stopped', 'off')),
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    UNIQUE (machine_id, started_at),
    FOREIGN KEY (plant_id, line_id, machine_id) REFERENCES machine (plant_id, line_id, id),
    CHECK (ended_at > started_at),
    CONSTRAINT state_no_overlap EXCLUDE USING gist (
        machine_id WITH =, tstzrange(started_at, ended_at) WITH &&)
);

-- Ingest keys. Only the SHA-256 of a high-entropy secret is kept.
CREATE TABLE api_key (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    hash       bytea NOT NULL UNIQUE,
    scopes     text[] NOT NULL,              -- readings, context, admin
    plants     text[],                       -- plant keys; null: all
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- Readings ----------------------------------------------------------------------------------------

-- No foreign keys and no triggers on the hot path; plant_id is in the key so that the table can be
-- distributed by plant, and costs no bytes (both tuple and index entry stay within their alignment).
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        CREATE TABLE reading (
            time timestamptz NOT NULL, value float8 NOT NULL, plant_id int NOT NULL, sensor_id int NOT NULL);
        PERFORM public.create_hypertable('lotwise.reading', 'time',
            chunk_time_interval => interval '7 days', create_default_indexes => false);
    ELSE
        CREATE TABLE reading (
            time timestamptz NOT NULL, value float8 NOT NULL, plant_id int NOT NULL, sensor_id int NOT NULL
        ) PARTITION BY RANGE (time);
    END IF;
END $$;
CREATE UNIQUE INDEX reading_sensor_time ON reading (plant_id, sensor_id, time) INCLUDE (value);

-- Creates the weekly partitions that [lo, hi] needs; nothing to do on a hypertable. Runs as the
-- owner, so that the writer needs no right to create tables.
CREATE FUNCTION ensure_partitions(lo timestamptz, hi timestamptz) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lotwise, pg_temp AS $$
DECLARE
    week int;
    made int := 0;
    part text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'lotwise.reading'::regclass) THEN
        RETURN 0;
    END IF;
    IF hi - lo > interval '30 years' THEN
        RAISE EXCEPTION 'readings from % to % span more than 30 years', lo, hi;
    END IF;
    FOR week IN floor(date_part('epoch', lo) / 604800)::int .. floor(date_part('epoch', hi) / 604800)::int LOOP
        part := 'reading_w' || week;
        IF to_regclass('lotwise.' || part) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext('lotwise.ensure_partitions'));
            IF to_regclass('lotwise.' || part) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF reading FOR VALUES FROM (%L) TO (%L)', part,
                    to_timestamp(week::float8 * 604800), to_timestamp((week + 1)::float8 * 604800));
                made := made + 1;
            END IF;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Roles -------------------------------------------------------------------------------------------

-- Group roles: grant them to the login roles that ingest and the plugin use. An owner who may not
-- create roles gets a notice, and grants by hand (docs/admin.md).
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['lotwise_writer', 'lotwise_reader'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = r);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', r);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN RAISE NOTICE 'role % could not be created: %', r, SQLERRM;
        END;
    END LOOP;
    REVOKE ALL ON FUNCTION ensure_partitions(timestamptz, timestamptz) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        -- Temporary tables are what COPY fills before the upsert.
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO lotwise_writer', current_database());
        GRANT USAGE ON SCHEMA lotwise TO lotwise_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON
            plant, line, machine, sensor, shift, reference, operator, lot, run, state, reading TO lotwise_writer;
        GRANT SELECT ON api_key, _sqlx_migrations TO lotwise_writer;
        GRANT EXECUTE ON FUNCTION ensure_partitions(timestamptz, timestamptz) TO lotwise_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_reader') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO lotwise_reader', current_database());
        GRANT USAGE ON SCHEMA lotwise TO lotwise_reader;
        GRANT SELECT ON
            plant, line, machine, sensor, shift, reference, operator, lot, run, state, reading, _sqlx_migrations
            TO lotwise_reader;
    END IF;
END $$;
