-- Readers that may see some plants or lines only, held to it by the database itself: row-level
-- security. Runs with search_path = lotwise, as the owner role.
--
-- Nothing is switched on here: `lotwise reader grant` calls build_walls(), and only then have the
-- tables policies. For other roles these are the constant `true`, which the planner drops.

-- What a login may see: a plant (line_id null), or one line of it. By name, not by oid, so that a
-- dump can be restored elsewhere.
CREATE TABLE reader_scope (
    role     text NOT NULL CHECK (role <> ''),
    plant_id int NOT NULL REFERENCES plant,
    line_id  int,
    UNIQUE NULLS NOT DISTINCT (role, plant_id, line_id),
    FOREIGN KEY (plant_id, line_id) REFERENCES line (plant_id, id)
);

-- The scope of the session's login (SET ROLE does not change it), as arrays that a statement fetches
-- once: one a policy, before the first row. SECURITY DEFINER, so that readers need no right on
-- reader_scope.
CREATE FUNCTION reader_plants() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = lotwise, pg_temp AS
$$ SELECT coalesce(array_agg(plant_id), '{}') FROM reader_scope WHERE role = session_user AND line_id IS NULL $$;

CREATE FUNCTION reader_some_plants() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = lotwise, pg_temp AS
$$ SELECT coalesce(array_agg(DISTINCT plant_id), '{}') FROM reader_scope WHERE role = session_user $$;

CREATE FUNCTION reader_lines() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = lotwise, pg_temp AS
$$ SELECT coalesce(array_agg(line_id), '{}') FROM reader_scope WHERE role = session_user AND line_id IS NOT NULL $$;

CREATE FUNCTION reader_sensors() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = lotwise, pg_temp AS
$$ SELECT coalesce(array_agg(s.id), '{}') FROM reader_scope r JOIN sensor s ON s.line_id = r.line_id
   WHERE r.role = session_user $$;

REVOKE ALL ON FUNCTION reader_plants(), reader_some_plants(), reader_lines(), reader_sensors() FROM PUBLIC;

-- Makes policies for every table that lotwise_reader may read, and the view of the readings; may be
-- repeated, and is after each migration once walls stand.
--
-- The readings are behind a view whose owner, lotwise_gate, is held to the policy: TimescaleDB hands
-- rights on a hypertable on to its chunks, which a reader could then read directly, without policy.
-- Schema lotwise_scoped comes first in the plugin's search_path; roles without rights on it skip it.
CREATE FUNCTION build_walls() RETURNS void LANGUAGE plpgsql SET search_path = lotwise, pg_temp AS $$
DECLARE
    t         record;
    plants    constant text := '(SELECT lotwise.reader_plants())::int[]';
    in_part   constant text := '(SELECT lotwise.reader_some_plants())::int[]';
    lines     constant text := '(SELECT lotwise.reader_lines())::int[]';
    sensors   constant text := '(SELECT lotwise.reader_sensors())::int[]';
    visible   text;
    held      text;
BEGIN
    GRANT USAGE ON SCHEMA lotwise TO lotwise_plant_reader, lotwise_gate;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO lotwise_plant_reader', current_database());
    GRANT EXECUTE ON FUNCTION reader_plants(), reader_some_plants(), reader_lines(), reader_sensors()
        TO lotwise_plant_reader, lotwise_gate;
    GRANT SELECT ON _sqlx_migrations, rollup_state TO lotwise_plant_reader;
    FOR t IN
        SELECT c.oid, c.relname AS name, c.relrowsecurity AS secure,
            ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
        FROM pg_class c WHERE c.relnamespace = 'lotwise'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND has_table_privilege('lotwise_reader', c.oid, 'SELECT')
        ORDER BY c.relname
    LOOP
        visible := CASE
            WHEN t.name = 'plant' THEN format('id = ANY (%s)', in_part)
            WHEN t.name = 'line' THEN format('plant_id = ANY (%s) OR id = ANY (%s)', plants, lines)
            WHEN NOT 'plant_id' = ANY (t.columns) THEN NULL
            WHEN 'sensor_id' = ANY (t.columns) THEN format('plant_id = ANY (%s) OR sensor_id = ANY (%s)', plants, sensors)
            WHEN 'line_id' = ANY (t.columns) THEN format('plant_id = ANY (%s) OR line_id = ANY (%s)', plants, lines)
            -- Of the plant as a whole, and needed to make sense of a line.
            WHEN t.name IN ('shift', 'reference', 'operator', 'lot', 'tariff', 'factor', 'target')
                THEN format('plant_id = ANY (%s)', in_part)
            ELSE format('plant_id = ANY (%s)', plants) END;
        CONTINUE WHEN visible IS NULL;
        IF NOT t.secure THEN
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.name);
        END IF;
        EXECUTE format('DROP POLICY IF EXISTS everyone ON %I', t.name);
        EXECUTE format('DROP POLICY IF EXISTS scope ON %I', t.name);
        EXECUTE format('CREATE POLICY everyone ON %I USING (true) WITH CHECK (true)', t.name);
        EXECUTE format('CREATE POLICY scope ON %I AS RESTRICTIVE TO lotwise_plant_reader, lotwise_gate USING (%s)', t.name, visible);
        IF t.name = 'reading' THEN
            EXECUTE 'GRANT SELECT ON reading TO lotwise_gate';
        ELSE
            EXECUTE format('GRANT SELECT ON %I TO lotwise_plant_reader', t.name);
        END IF;
    END LOOP;

    CREATE SCHEMA IF NOT EXISTS lotwise_scoped;
    IF to_regclass('lotwise_scoped.reading') IS NULL THEN
        CREATE VIEW lotwise_scoped.reading AS SELECT time, value, plant_id, sensor_id FROM lotwise.reading;
        IF NOT pg_has_role(current_user, 'lotwise_gate', 'MEMBER') THEN
            GRANT lotwise_gate TO CURRENT_USER;
        END IF;
        GRANT USAGE, CREATE ON SCHEMA lotwise_scoped TO lotwise_gate;
        ALTER VIEW lotwise_scoped.reading OWNER TO lotwise_gate;
        REVOKE CREATE ON SCHEMA lotwise_scoped FROM lotwise_gate;
    END IF;
    GRANT USAGE ON SCHEMA lotwise_scoped TO lotwise_plant_reader;
    -- As its owner: the one who made the view may have been somebody else than the one who repeats.
    SET LOCAL ROLE lotwise_gate;
    GRANT SELECT ON lotwise_scoped.reading TO lotwise_plant_reader;
    RESET ROLE;
END $$;
REVOKE ALL ON FUNCTION build_walls() FROM PUBLIC;

-- The group role of such logins, and the owner of the view. An owner who may not create roles gets
-- them made by a superuser (docs/admin.md).
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['lotwise_plant_reader', 'lotwise_gate'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = r);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', r);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN RAISE NOTICE 'role % could not be created: %', r, SQLERRM;
        END;
    END LOOP;
END $$;
