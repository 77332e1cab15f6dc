-- What a key may have of its own in place of the service's settings: time windows, rates, and the
-- registration of sensors that are new. Null: the service's; Infinity: no limit.
ALTER TABLE api_key
    ADD COLUMN future_window_s float8 CHECK (future_window_s >= 0),
    ADD COLUMN past_window_s float8 CHECK (past_window_s > 0),
    ADD COLUMN readings_per_s float8 CHECK (readings_per_s > 0),
    ADD COLUMN requests_per_s float8 CHECK (requests_per_s > 0),
    ADD COLUMN burst_s float8 CHECK (burst_s > 0 AND burst_s < 'Infinity'),
    -- Null: the key registers nothing.
    ADD COLUMN max_incomplete_sensors int CHECK (max_incomplete_sensors > 0),
    ADD COLUMN max_new_sensors_per_hour int CHECK (max_new_sensors_per_hour > 0),
    ADD CHECK ((max_incomplete_sensors IS NULL) = (max_new_sensors_per_hour IS NULL));

-- Of a sensor that came with its first reading. It is incomplete as long as its quantity is
-- 'unknown', which POST /v1/sensors changes.
ALTER TABLE sensor
    ADD COLUMN registered_by int REFERENCES api_key,
    ADD COLUMN registered_at timestamptz;
CREATE INDEX sensor_registered ON sensor (registered_by, registered_at) WHERE registered_by IS NOT NULL;

-- The readings that wait: of an unknown sensor, from the future, too old.
CREATE INDEX quarantine_reason ON quarantine (plant_id, reason);
