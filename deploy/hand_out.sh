#!/bin/sh
# Hands each service the secrets that it needs, and no others; running it again changes nothing but what is new.
# usage: hand_out.sh FOLDER TO      FOLDER is what secrets.sh made, TO gets a folder a service
set -eu
umask 077

folder=${1:?usage: hand_out.sh FOLDER TO}
to=${2:?usage: hand_out.sh FOLDER TO}

# give SERVICE NAME...: copies of these files, for their owner only
give() {
  service=$1
  shift
  mkdir -p "$to/$service"
  for name in "$@"; do
    install -m 0600 "$folder/$name" "$to/$service/$name"
  done
}

viewers=$(cd "$folder" && echo viewers.v*.key)

# The collector is what the internet reaches: it writes keys and reads tombstones, and makes pseudonyms.
give collector writer.dsn $viewers
give stream writer.dsn
give monitor writer.dsn reader.dsn
give console writer.dsn reader.dsn console.key $viewers
give batch writer.dsn reader.dsn $viewers
give tables owner.dsn
give airflow writer.dsn reader.dsn airflow.dsn airflow_users.json airflow_fernet.key airflow_jwt.key airflow_api.key \
  $viewers
give grafana grafana.password grafana_admin.password grafana_secret.key
give postgres super.password
give roles super.password owner.password writer.password reader.password airflow.password grafana.password
