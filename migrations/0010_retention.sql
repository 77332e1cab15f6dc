-- Retention of readings: `lotwise retention` drops old ones and keeps what they add up to in each hour
-- and run. src/retention/mod.rs says what stays true. Runs with search_path = lotwise, as the owner role.

-- Readings before this time (the start of an hour) are dropped or will be, and writers may add none;
-- null: all are there.
ALTER TABLE rollup_state ADD COLUMN raw_from timestamptz;

-- The kind by which the hours before raw_from were made: they cannot be made again by another one.
ALTER TABLE rollup_sensor ADD COLUMN kept_kind text;

-- As in 0007, and refuses what is older than raw_from: an hour without its readings cannot be made
-- again. The lock makes a move of raw_from wait for writers that have looked at it.
CREATE OR REPLACE FUNCTION rollup_mark(plants int[], sensors int[], times timestamptz[]) RETURNS int
LANGUAGE plpgsql VOLATILE SET search_path = lotwise, pg_temp AS $$
DECLARE
    until timestamptz;
    since timestamptz;
    made  int;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'readings must be changed in READ COMMITTED transactions';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('lotwise.rollup_mark'));
    SELECT mark_until, raw_from INTO until, since FROM rollup_state;
    IF EXISTS (SELECT FROM unnest(times) t WHERE t < since) THEN
        RAISE EXCEPTION 'readings before % are not kept any more: none can be added or changed there', since;
    END IF;
    INSERT INTO rollup_dirty (plant_id, sensor_id, hour)
    SELECT DISTINCT p, s, date_bin('1 hour', t, 'epoch') FROM unnest(plants, sensors, times) AS x (p, s, t)
    WHERE t < until;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END $$;
