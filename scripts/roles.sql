-- Roles and database for development and for docker-compose.yaml, run by the superuser with psql
-- variables owner, ingest and grafana (passwords). The migration then finds the group roles, so that
-- the owner needs no right to create roles.
CREATE ROLE lotwise_writer NOLOGIN;
CREATE ROLE lotwise_reader NOLOGIN;
CREATE ROLE lotwise_plant_reader NOLOGIN;
CREATE ROLE lotwise_gate NOLOGIN;
CREATE ROLE lotwise LOGIN PASSWORD :'owner';
CREATE ROLE lotwise_ingest LOGIN PASSWORD :'ingest' IN ROLE lotwise_writer;
CREATE ROLE lotwise_grafana LOGIN PASSWORD :'grafana' IN ROLE lotwise_reader;
-- What `lotwise reader grant` needs of the owner.
GRANT lotwise_gate TO lotwise;
GRANT lotwise_plant_reader TO lotwise WITH ADMIN OPTION;
ALTER ROLE lotwise_grafana SET default_transaction_read_only = on;
-- template0: TimescaleDB's image puts extensions into template1 that would belong to the superuser.
CREATE DATABASE lotwise OWNER lotwise TEMPLATE template0;
REVOKE ALL ON DATABASE lotwise FROM PUBLIC;
