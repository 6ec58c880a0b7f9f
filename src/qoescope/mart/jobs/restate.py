"""Restatement: a day measured again from all of its events, checked and published."""

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
from qoescope.compile import spark as frames
from qoescope.compile import versions
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import File, open_table
from qoescope.connect.lake.writing import pack_files, replace_parts, unpack_files, write_files
from qoescope.connect.locks import Lease
from qoescope.connect.writing import crash
from qoescope.mart import restate as restatement
from qoescope.mart.jobs import lake_days
from qoescope.mart.jobs.publish import Folded, Restated, check_day, publish_day
from qoescope.settings import Settings


def restate_day(
    settings: Settings, day: date, spark: SparkSession | None = None, accepted: Collection[str] = ()
) -> Restated:
    """The day measured again from all of its events, late ones too; running it twice changes nothing.

    Properties whose day breaks a rule that is not `accepted` keep what people see of it; then it raises
    `gate.BrokenDay`, once the others are published.
    """
    folded = fold_day(settings, day, spark)
    check_day(settings, day, accepted)
    return publish_day(settings, folded)


def fold_day(settings: Settings, day: date, spark: SparkSession | None = None) -> Folded:
    """The lake's sessions of the day, each from all of its events. Spark gives each task a bucket."""
    if day < lake_days.kept_since(settings.events_days):
        raise Mistake(f"the events of {day} are past their {settings.events_days} days: its sessions stay as they are")
    with Lease(settings, f"the restatement of {day}"):
        return _fold(settings, day, spark)


def _fold(settings: Settings, day: date, spark: SparkSession | None) -> Folded:
    ensure_tables(settings)
    sessions = open_table(settings, SESSION_VERSIONS)
    found, before = lake_days.files_around(settings, day), list_files(sessions, [day])
    buckets = sorted({f.bucket for f in (*found, *before) if f.session_day == day.isoformat()})
    task = partial(_bucket, settings, day, found, before, lake_days.silent_since(settings), datetime.now(UTC))
    if spark is not None and len(buckets) > 1:
        rows = spark.createDataFrame([(bucket,) for bucket in buckets], "bucket bigint")
        spread = rows.repartitionById(len(buckets), F.dense_rank().over(Window.orderBy("bucket")) - 1)
        told = [json.loads(row.body) for row in spread.mapInArrow(frames.per_task(task), "body string").collect()]
    else:
        told = [json.loads(body) for b in buckets for body in task(pa.table({"bucket": [b]}))["body"].to_pylist()]
    renewed = [part for part in told if part["renewed"]]
    if renewed:
        added = [f for part in renewed for f in unpack_files(part["files"])]
        # who only leaves out older versions has nothing to publish, and nobody waits for it
        note = {"restated": day.isoformat()} if any(part["changed"] for part in renewed) else {}
        replace_parts(sessions, SESSION_VERSIONS, day, [part["bucket"] for part in renewed], added, note)
    crash(settings, "mart.after_fold")
    days = sorted({day, *(date.fromisoformat(d) for part in told for d in part["days"])})
    checksum = f"{sum(int(part['checksum'], 16) for part in told) % (1 << 128):032x}"
    totals = {name: sum(part[name] for part in told) for name in ("sessions", "changed", "events")}
    return Folded(day, totals["sessions"], totals["changed"], totals["events"], checksum, tuple(days))


def _bucket(
    settings: Settings, day: date, found: Sequence[File], before: Sequence[File],
    silent_since: datetime | None, now: datetime, given: pa.Table,
) -> pa.Table:  # fmt: skip
    """Folds buckets of a day and writes those that changed; answers what it found, a line a bucket."""
    lines = []
    for bucket in given["bucket"].to_pylist():
        events = lake_days.events_of(settings, day, [f for f in found if f.bucket == bucket])
        old = read_rows(settings, SESSION_VERSIONS, [f for f in before if f.bucket == bucket])
        part = restatement.restated(events, old, now, silent_since)
        renewed = bool(part.changed or part.squashed)
        days = {*pc.unique(part.rows["day"]).to_pylist(), *pc.unique(old["day"]).to_pylist()}
        files = pack_files(write_files(settings, SESSION_VERSIONS, part.rows)) if renewed else []
        lines.append(json.dumps(
            {"bucket": bucket, "renewed": renewed, "files": files, "sessions": len(part.rows), "changed": part.changed,
             "events": part.events, "checksum": versions.checksum(part.rows), "days": [d.isoformat() for d in days]}
        ))  # fmt: skip
    return pa.table({"body": pa.array(lines, pa.string())})
