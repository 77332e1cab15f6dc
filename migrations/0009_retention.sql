-- Retention of raw readings: they may go when all that they add up to is kept. Runs with
-- search_path = lotwise, as the owner role.

-- Before this time there are no readings any more, only rollups; null: nothing was dropped.
ALTER TABLE rollup_state ADD COLUMN readings_from timestamptz;

-- Drops whole chunks or partitions that end before a time, if the rollups of everything in them are
-- final: otherwise it says why not. In one transaction, with writers locked out: what they stored is
-- either marked, and then not final, or not there. The service's role may call it, but neither drop
-- anything else nor anything of the last week.
CREATE FUNCTION drop_readings(older_than timestamptz, only_say bool DEFAULT false)
RETURNS TABLE (until timestamptz, parts int, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = lotwise, pg_temp AS $$
DECLARE
    partitioned bool := EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'lotwise.reading'::regclass);
    names       text[];
BEGIN
    IF older_than > now() - interval '7 days' THEN
        RAISE EXCEPTION 'readings of the last 7 days are not dropped';
    END IF;
    IF NOT only_say THEN
        SET LOCAL lock_timeout = '2s';
        IF partitioned THEN
            LOCK TABLE ONLY reading IN ACCESS EXCLUSIVE MODE;
        ELSE
            LOCK TABLE ONLY reading IN EXCLUSIVE MODE;
        END IF;
    END IF;
    IF partitioned THEN
        SELECT to_timestamp((max(week) + 1) * 604800::float8), count(*), array_agg(name) INTO until, parts, names
        FROM (SELECT c.relname AS name, substr(c.relname, 10)::int AS week
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'lotwise.reading'::regclass AND c.relname ~ '^reading_w-?[0-9]+$') p
        WHERE to_timestamp((week + 1) * 604800::float8) <= older_than;
    ELSE
        EXECUTE 'SELECT max(range_end), count(*) FROM timescaledb_information.chunks
            WHERE hypertable_schema = ''lotwise'' AND hypertable_name = ''reading'' AND range_end <= $1'
            INTO until, parts USING older_than;
    END IF;
    IF parts = 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;
    reason := CASE
        WHEN EXISTS (SELECT FROM sensor s WHERE NOT EXISTS (SELECT FROM rollup_sensor x
                WHERE x.plant_id = s.plant_id AND x.sensor_id = s.id AND (x.kind, x.interval_s, x.max_gap_s, x.rollover)
                    IS NOT DISTINCT FROM (s.kind, s.interval_s, s.max_gap_s, s.rollover))
            AND EXISTS (SELECT FROM reading r WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id
                AND r.time < drop_readings.until))
            THEN 'some sensors are not rolled up yet by their present rules'
        WHEN EXISTS (SELECT FROM rollup_sensor x WHERE x.built_until < drop_readings.until)
            THEN 'some hours are not rolled up yet'
        WHEN EXISTS (SELECT FROM rollup_dirty d WHERE d.hour < drop_readings.until)
            THEN 'some hours changed and are not rolled up again yet'
        WHEN EXISTS (SELECT FROM run r WHERE r.started_at < drop_readings.until AND r.ended_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM rollup_run_done d WHERE d.run_id = r.id AND NOT d.again))
            THEN 'some runs are not added up yet' END;
    IF reason IS NULL AND NOT only_say THEN
        UPDATE rollup_state SET readings_from = greatest(readings_from, drop_readings.until);
        IF partitioned THEN
            EXECUTE (SELECT format('DROP TABLE %s', string_agg(format('lotwise.%I', name), ', ')) FROM unnest(names) AS name);
        ELSE
            EXECUTE 'SELECT public.drop_chunks(''lotwise.reading'', older_than => $1)' USING until;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

DO $$
BEGIN
    REVOKE ALL ON FUNCTION drop_readings(timestamptz, bool) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        GRANT EXECUTE ON FUNCTION drop_readings(timestamptz, bool) TO lotwise_writer;
    END IF;
END $$;
