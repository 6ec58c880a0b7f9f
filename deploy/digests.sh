#!/bin/sh
# Asks the registries which bytes the versions in compose.yaml and Dockerfile are today, and writes deploy/.env with the
# answers: from then on exactly those run. Read what it prints before you trust it; keep the file under version control.
# usage: deploy/digests.sh     needs docker with buildx
set -eu
cd "$(dirname "$0")"

# digest VARIABLE IMAGE: a line for .env
digest() {
  found=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$2")
  case $found in
  sha256:????????????????????????????????????????????????????????????????) echo "$1=$found" ;;
  *) echo "digests.sh: no digest for $2: $found" >&2 && exit 1 ;;
  esac
}

{
  digest DEBIAN_DIGEST debian:12.12-slim
  digest KAFKA_DIGEST apache/kafka:4.4.0
  digest POSTGRES_DIGEST postgres:18.6
  digest GRAFANA_DIGEST grafana/grafana:12.2.0
} >.env.new
mv .env.new .env
cat .env
