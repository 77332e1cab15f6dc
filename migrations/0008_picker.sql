-- Lots found by any part of their key, while somebody types it. Without the extension (part of
-- PostgreSQL's contrib, as btree_gist is) they are found too, only more slowly. Runs with
-- search_path = lotwise, as the owner role.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
    CREATE INDEX IF NOT EXISTS lot_search ON lot USING gin (key public.gin_trgm_ops);
EXCEPTION
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE NOTICE 'pg_trgm is not available (%): pickers go through all lots', SQLERRM;
END $$;
