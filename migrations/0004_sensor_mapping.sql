-- Which sensor a field of line protocol is. Lines that no mapping fits keep the rule without
-- mappings: tag `sensor`, else the measurement, and the field.
CREATE TABLE sensor_mapping (
    plant_id    int NOT NULL REFERENCES plant,
    measurement text NOT NULL,               -- '*': any
    tags        jsonb NOT NULL DEFAULT '{}', -- tags that a line must have, with their values
    field       text NOT NULL,               -- '*': any
    sensor      text,                        -- key, or template of one; null: the field is left out
    factor      float8 NOT NULL DEFAULT 1,   -- reading = value * factor + addend
    addend      float8 NOT NULL DEFAULT 0,
    PRIMARY KEY (plant_id, measurement, tags, field)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON sensor_mapping TO lotwise_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_reader') THEN
        GRANT SELECT ON sensor_mapping TO lotwise_reader;
    END IF;
END $$;
