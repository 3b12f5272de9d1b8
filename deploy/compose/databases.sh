#!/bin/sh
# Run once by the postgres image on an empty data folder: one database and one role for each service that WEFT_DATABASES names; no
# role can open another's database.
set -eu
for service in $WEFT_DATABASES; do
  psql --set ON_ERROR_STOP=1 --set service="$service" --set password="$WEFT_SERVICE_PASSWORD" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT, TEMPORARY ON DATABASE :"service" FROM PUBLIC;
SQL
done
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
  --command 'REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC'
