#!/bin/sh
# Makes every secret that is missing, in files that only their owner may read; running it again changes nothing.
# usage: secrets.sh FOLDER [POSTGRES_HOST [POSTGRES_PORT]]
set -eu
umask 077

folder=${1:?usage: secrets.sh FOLDER [POSTGRES_HOST [POSTGRES_PORT]]}
host=${2:-postgres}
port=${3:-5432}
mkdir -p "$folder"

# random NAME BYTES: so many random bytes as URL-safe base64, unless the file is there
random() {
  [ -s "$folder/$1" ] || head -c "$2" /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_' >"$folder/$1"
}

# text NAME: what comes in, unless the file is there
text() {
  if [ -s "$folder/$1" ]; then cat >/dev/null; else cat >"$folder/$1"; fi
}

for name in super owner writer reader airflow grafana airflow_admin grafana_admin; do random "$name.password" 32; done
for role in owner writer reader; do
  printf 'host=%s port=%s dbname=qoescope user=qoescope_%s password=%s' \
    "$host" "$port" "$role" "$(cat "$folder/$role.password")" | text "$role.dsn"
done
printf 'postgresql+psycopg://airflow:%s@%s:%s/airflow' "$(cat "$folder/airflow.password")" "$host" "$port" |
  text airflow.dsn
printf '{"admin": "%s"}' "$(cat "$folder/airflow_admin.password")" | text airflow_users.json
random airflow_fernet.key 32
random airflow_jwt.key 64
random airflow_api.key 32
random grafana_secret.key 32
[ -s "$folder/viewers.v1.key" ] || head -c 32 /dev/urandom >"$folder/viewers.v1.key"
[ -s "$folder/console.key" ] || head -c 32 /dev/urandom >"$folder/console.key"
