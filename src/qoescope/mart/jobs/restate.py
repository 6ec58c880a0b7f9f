"""Restatement: folds a day again from all of its events, checks and publishes it."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from qoescope.catalog.errors import Mistake
from qoescope.catalog.operations import (
    SESSION_VERSIONS,
)
from qoescope.compile import frames, versions
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import pack_files, replace_parts, unpack_files, write_files
from qoescope.connect.locks import Lease
from qoescope.connect.writing import crash
from qoescope.mart import restatement
from qoescope.mart.jobs import lake_days
from qoescope.mart.jobs.publish import FoldedDay, RestatedDay, check_day, publish_day
from qoescope.settings import Settings


def restate_day(
    settings: Settings, day: date, spark: SparkSession | None = None, accepted: Collection[str] = ()
) -> RestatedDay:
    """Folds the day again from all of its events, also late ones, and publishes it. Idempotent.

    Properties whose day breaks a rule that is not `accepted` keep their published version; then it raises
    `gate.BrokenDay`, after the others are published.
    """
    folded = fold_day(settings, day, spark)
    check_day(settings, day, accepted)
    return publish_day(settings, folded)


def fold_day(settings: Settings, day: date, spark: SparkSession | None = None) -> FoldedDay:
    """Folds the lake's sessions of the day from all of their events; with Spark one task a bucket.

    Raises `Mistake` when the day's events are past their retention, and `Owned` while it is being restated.
    """
    if day < lake_days.retained_since(settings.events_days):
        raise Mistake(f"the events of {day} are past their {settings.events_days} days: its sessions stay as they are")
    with Lease(settings, f"the restatement of {day}"):
        return _fold(settings, day, spark)


def _fold(settings: Settings, day: date, spark: SparkSession | None) -> FoldedDay:
    ensure_tables(settings)
    sessions = open_table(settings, SESSION_VERSIONS)
    files, before = lake_days.files_around(settings, day), list_files(sessions, [day])
    buckets = sorted({f.bucket for f in (*files, *before) if f.session_day == day.isoformat()})
    task = partial(_fold_bucket, settings, day, files, before, lake_days.silent_before(settings), datetime.now(UTC))
    if spark is not None and len(buckets) > 1:
        rows = spark.createDataFrame([(bucket,) for bucket in buckets], "bucket bigint")
        spread = rows.repartitionById(len(buckets), F.dense_rank().over(Window.orderBy("bucket")) - 1)
        parts = [json.loads(row.body) for row in spread.mapInArrow(frames.per_task(task), "body string").collect()]
    else:
        parts = [json.loads(body) for b in buckets for body in task(pa.table({"bucket": [b]}))["body"].to_pylist()]
    renewed = [part for part in parts if part["renewed"]]
    if renewed:
        added = [f for part in renewed for f in unpack_files(part["files"])]
        # who only leaves out older versions has nothing to publish, and nobody waits for it
        note = {"restated": day.isoformat()} if any(part["changed"] for part in renewed) else {}
        replace_parts(sessions, SESSION_VERSIONS, day, [part["bucket"] for part in renewed], added, note)
    crash(settings, "mart.after_fold")
    days = sorted({day, *(date.fromisoformat(d) for part in parts for d in part["days"])})
    checksum = f"{sum(int(part['checksum'], 16) for part in parts) % (1 << 128):032x}"
    totals = {name: sum(part[name] for part in parts) for name in ("sessions", "changed", "events")}
    return FoldedDay(day, totals["sessions"], totals["changed"], totals["events"], checksum, tuple(days))


def _fold_bucket(
    settings: Settings,
    day: date,
    files: Sequence[File],
    before: Sequence[File],
    silent_since: datetime | None,
    now: datetime,
    given: pa.Table,
) -> pa.Table:
    """Folds buckets of a day and writes those that changed; one JSON line a bucket."""
    lines = []
    for bucket in given["bucket"].to_pylist():
        events = lake_days.read_day_events(settings, day, [f for f in files if f.bucket == bucket])
        old = read_rows(settings, SESSION_VERSIONS, [f for f in before if f.bucket == bucket])
        part = restatement.restate_bucket(events, old, now, silent_since)
        renewed = bool(part.changed or part.squashed)
        days = {*pc.unique(part.rows["day"]).to_pylist(), *pc.unique(old["day"]).to_pylist()}
        written = pack_files(write_files(settings, SESSION_VERSIONS, part.rows)) if renewed else []
        lines.append(
            json.dumps(
                {
                    "bucket": bucket,
                    "renewed": renewed,
                    "files": written,
                    "sessions": len(part.rows),
                    "changed": part.changed,
                    "events": part.events,
                    "checksum": versions.checksum(part.rows),
                    "days": [d.isoformat() for d in days],
                }
            )
        )
    return pa.table({"body": pa.array(lines, pa.string())})
