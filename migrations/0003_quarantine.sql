-- Readings of sensors that are not registered yet. They are kept for 30 days, and stored when the
-- sensor is registered and a replay is asked for.
CREATE TABLE quarantine (
    plant_id    int NOT NULL REFERENCES plant,
    sensor      text NOT NULL,
    time        timestamptz NOT NULL,
    value       float8 NOT NULL,
    reason      text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plant_id, sensor, time)
);
CREATE INDEX quarantine_received ON quarantine (received_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON quarantine TO lotwise_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_reader') THEN
        GRANT SELECT ON quarantine TO lotwise_reader;
    END IF;
END $$;
