#!/bin/sh
# Makes the roles and the database at the first start of the database's container.
set -eu
psql -v ON_ERROR_STOP=1 -q -U postgres -d postgres -v owner="$LOTWISE_OWNER_PASSWORD" \
    -v ingest="$LOTWISE_INGEST_PASSWORD" -v grafana="$LOTWISE_READER_PASSWORD" -f /lotwise/roles.sql
