-- Secrets from before `lotwise key rotate`, which go on working for a while under their key's name,
-- scopes, plants and expiry. Rows stay, so that a sender with an old secret is told that it was
-- replaced. Runs with search_path = lotwise, as the owner role.

CREATE TABLE api_key_old_secret (
    hash        bytea PRIMARY KEY,
    api_key_id  int NOT NULL REFERENCES api_key,
    works_until timestamptz NOT NULL
);
CREATE INDEX api_key_old_secret_key ON api_key_old_secret (api_key_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'lotwise_writer') THEN
        GRANT SELECT ON api_key_old_secret TO lotwise_writer;
    END IF;
END $$;
