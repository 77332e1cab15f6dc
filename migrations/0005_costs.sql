-- Production counts, and what energy costs and emits: tariffs, emission factors, targets. And the
-- answers of requests with an Idempotency-Key. Runs with search_path = lotwise, as the owner role.

-- Units made on a line (machine_id null) or machine: of an interval, or a register's totals.
CREATE TABLE production_count (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id    int NOT NULL,
    line_id     int NOT NULL,
    machine_id  int,
    started_at  timestamptz,                 -- null: totals of a register at ended_at
    ended_at    timestamptz NOT NULL,
    good_units  float8 NOT NULL CHECK (good_units >= 0),
    scrap_units float8 NOT NULL CHECK (scrap_units >= 0),
    FOREIGN KEY (plant_id, line_id) REFERENCES line (plant_id, id),
    FOREIGN KEY (plant_id, line_id, machine_id) REFERENCES machine (plant_id, line_id, id),
    CHECK (ended_at > started_at),
    CONSTRAINT production_count_no_overlap EXCLUDE USING gist (
        line_id WITH =, coalesce(machine_id, 0) WITH =, tstzrange(started_at, ended_at) WITH &&)
        WHERE (started_at IS NOT NULL)
);
CREATE UNIQUE INDEX production_count_interval ON production_count (line_id, coalesce(machine_id, 0), started_at)
    WHERE started_at IS NOT NULL;
CREATE UNIQUE INDEX production_count_register ON production_count (line_id, coalesce(machine_id, 0), ended_at)
    WHERE started_at IS NULL;

-- A run's units are what was reported for it; null: nothing was. So far 0 stood for both.
ALTER TABLE run ALTER good_units DROP NOT NULL, ALTER good_units DROP DEFAULT,
    ALTER scrap_units DROP NOT NULL, ALTER scrap_units DROP DEFAULT;
UPDATE run SET good_units = NULL, scrap_units = NULL WHERE good_units = 0 AND scrap_units = 0;

-- Dates are days of the plant's clock, from valid_from up to, and not including, valid_to.
CREATE TABLE tariff (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id   int NOT NULL REFERENCES plant,
    key        text NOT NULL CHECK (key <> ''),
    name       text NOT NULL,
    valid_from date NOT NULL,
    valid_to   date,                         -- null: until further notice
    periods    jsonb NOT NULL,               -- prices and contracted power by period
    calendar   jsonb NOT NULL,               -- rules from local time to period; the first that fits
    holidays   date[] NOT NULL DEFAULT '{}',
    UNIQUE (plant_id, key),
    CHECK (valid_to > valid_from),
    CONSTRAINT tariff_no_overlap EXCLUDE USING gist (plant_id WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Emissions of electrical energy, by method of the GHG Protocol's Scope 2 Guidance.
CREATE TABLE factor (
    id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id       int NOT NULL REFERENCES plant,
    kind           text NOT NULL CHECK (kind IN ('location_based', 'market_based')),
    valid_from     date NOT NULL,
    valid_to       date,
    kg_co2_per_kwh float8 NOT NULL CHECK (kg_co2_per_kwh >= 0),
    source         text,
    UNIQUE (plant_id, kind, valid_from),
    CHECK (valid_to > valid_from),
    CONSTRAINT factor_no_overlap EXCLUDE USING gist (
        plant_id WITH =, kind WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Specific energy consumption that a product should not exceed.
CREATE TABLE target (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plant_id     int NOT NULL,
    reference_id int NOT NULL,
    valid_from   date NOT NULL,
    valid_to     date,
    kwh_per_unit float8 NOT NULL CHECK (kwh_per_unit > 0),
    UNIQUE (plant_id, reference_id, valid_from),
    FOREIGN KEY (plant_id, reference_id) REFERENCES reference (plant_id, id),
    CHECK (valid_to > valid_from),
    CONSTRAINT target_no_overlap EXCLUDE USING gist (reference_id WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Answers of requests with an Idempotency-Key, for repeats within a day.
CREATE TABLE idempotency (
    api_key     text NOT NULL,               -- its name, which rotation keeps
    key         text NOT NULL,
    fingerprint bytea NOT NULL,              -- SHA-256 of method, path and body
    status      int2 NOT NULL,
    answer      text NOT NULL,               -- the answer's body
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (api_key, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON production_count, tariff, factor, target, idempotency TO lotwise_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_reader') THEN
        GRANT SELECT ON production_count, tariff, factor, target TO lotwise_reader;
    END IF;
END $$;
