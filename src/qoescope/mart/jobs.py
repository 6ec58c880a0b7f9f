"""Jobs: the lake to Postgres, as a stream of closed sessions and as batches for what is settled.

Long because all that the marts read and write is here, and nowhere else.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.cmcd import OBSERVED, REQUESTS
from qoescope.catalog.errors import Mistake
from qoescope.catalog.marts import LIVE_LEAF, LIVE_WINDOW, MARTS, QUALITY_DAY, QUALITY_HOUR, SESSION_MARTS, Mart
from qoescope.catalog.operations import (
    ERASURES,
    IMPORT_QUARANTINE,
    IMPORTS,
    LATE,
    OUTCOMES,
    QUARANTINE,
    REPORTS,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.quality import CHECKS, USUAL_DAYS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.catalog.topics import BEACONS
from qoescope.compile import arrow, pseudonyms, versions
from qoescope.compile import spark as frames
from qoescope.compile.adding import added, negated
from qoescope.compile.cube import cube
from qoescope.compile.live import LIVE_COLUMNS, LIVE_TABLES, live
from qoescope.connect import days, kafka, lake, postgres, streams
from qoescope.connect.postgres import Connection, Write
from qoescope.connect.spark import Stream
from qoescope.connect.writing import Writer, crash, give_way, progress
from qoescope.mart import cubes, freshness, gate, imports
from qoescope.mart import ledger as accounts
from qoescope.mart import restate as restatement
from qoescope.settings import Settings

UNDER_WAY_S = 3.0
"""A batch is in one book and not yet in the next for less than that, mostly."""
LEDGER_DAYS = 3
"""Days of which sessions and marts are compared when no day is named."""


def mart_streams(spark: SparkSession, settings: Settings, stopping: Event) -> list[Stream]:
    """The quality of closed sessions, ready to be kept running."""
    return [Stream("quality", partial(_start_quality, spark, settings, stopping))]


def _start_quality(spark: SparkSession, settings: Settings, stopping: Event) -> StreamingQuery:
    writer = Writer(settings, stopping)
    lake.ensure(settings)
    streams.beginning(settings, writer, "quality", None, written=False)
    rows = streams.changes(spark, settings, SESSION_VERSIONS)
    return streams.written(rows, settings, "quality", settings.quality_every_s, _Quality(settings, writer, stopping))


class _Quality:
    """New versions of sessions into Postgres: their rows, and the marts by what changed."""

    def __init__(self, settings: Settings, writer: Writer, stopping: Event) -> None:
        self.settings, self.writer, self.stopping = settings, writer, stopping

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Writes one batch; its size is bounded by the settings."""
        give_way(self.writer, self.stopping, self.settings.give_way_s)
        query = streams.query_id(batch)
        rows = versions.latest(arrow.conform(batch.toArrow(), SESSION_VERSIONS))
        gone = rows.filter(
            pc.and_kleene(pc.is_valid(rows["replaces_day"]), pc.not_equal(rows["replaces_day"], rows["day"]))
        )
        moved = pa.table({"property": gone["property"], "day": gone["replaces_day"], "session_id": gone["session_id"]})
        new = arrow.conform(rows, SESSION_ROWS)
        self.writer.do(
            lambda connection: days.correct(
                connection, query, number, new, moved, _corrected, [progress("quality", None)]
            )
        )
        crash(self.settings, "mart.before_commit")


def _corrected(new: pa.Table, old: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, cubes.corrections(new, old, mart)) for mart in SESSION_MARTS]


def fresh(settings: Settings, since: datetime | None = None) -> freshness.Freshness:
    """How old events were when live numbers showed them, exact to a tenth of a second."""
    with postgres.connect(settings, "writer") as connection:
        rows = connection.execute(
            "select committed_at, first_at, tick_ms, sent, older from freshness where committed_at >= %s",
            (since or datetime(2000, 1, 1, tzinfo=UTC),),
        ).fetchall()
    return freshness.freshness([(a, b, c, d, e) for a, b, c, d, e in rows])


@dataclass(frozen=True, slots=True)
class Restated:
    """What a restatement found and did."""

    day: date
    sessions: int
    changed: int
    events: int
    checksum: str
    marts_changed: bool

    def __str__(self) -> str:
        """A line for people."""
        if not self.changed and not self.marts_changed:
            return f"{self.day}: {self.sessions} sessions of {self.events} events, nothing changed"
        return f"{self.day}: {self.sessions} sessions of {self.events} events, {self.changed} changed"


def restate(
    settings: Settings, day: date, spark: SparkSession | None = None, accepted: Collection[str] = ()
) -> Restated:
    """The day measured again from all of its events, late ones too; running it twice changes nothing.

    Properties whose day breaks a rule that is not `accepted` keep what people see of it; then it raises
    `gate.BrokenDay`, once the others are published.
    """
    folded = fold_day(settings, day, spark)
    check_day(settings, day, accepted)
    return publish_day(settings, folded)


@dataclass(frozen=True, slots=True)
class Folded:
    """A day's sessions in the lake after a fold."""

    day: date
    sessions: int
    changed: int
    events: int
    checksum: str
    days: tuple[date, ...]
    """Days in which its sessions started, by the events' clock: this day, and rarely its neighbours."""


def fold_day(settings: Settings, day: date, spark: SparkSession | None = None) -> Folded:
    """The lake's sessions of the day, each from all of its events. Spark gives each task a bucket."""
    if day < _kept_since(settings.events_days):
        raise Mistake(f"the events of {day} are past their {settings.events_days} days: its sessions stay as they are")
    lake.ensure(settings)
    sessions = lake.opened(settings, SESSION_VERSIONS)
    found, before = _files_around(settings, day), lake.files(sessions, [day])
    buckets = sorted({f.bucket for f in (*found, *before) if f.session_day == day.isoformat()})
    task = partial(_bucket, settings, day, found, before, _silent_since(settings), datetime.now(UTC))
    if spark is not None and len(buckets) > 1:
        rows = spark.createDataFrame([(bucket,) for bucket in buckets], "bucket bigint")
        spread = rows.repartitionById(len(buckets), F.dense_rank().over(Window.orderBy("bucket")) - 1)
        told = [json.loads(row.body) for row in spread.mapInArrow(frames.per_task(task), "body string").collect()]
    else:
        told = [json.loads(body) for b in buckets for body in task(pa.table({"bucket": [b]}))["body"].to_pylist()]
    renewed = [part for part in told if part["renewed"]]
    if renewed:
        added = [f for part in renewed for f in lake.unpacked(part["files"])]
        lake.replace_part(sessions, SESSION_VERSIONS, day, [part["bucket"] for part in renewed], added)
    crash(settings, "mart.after_fold")
    days = sorted({day, *(date.fromisoformat(d) for part in told for d in part["days"])})
    checksum = f"{sum(int(part['checksum'], 16) for part in told) % (1 << 128):032x}"
    totals = {name: sum(part[name] for part in told) for name in ("sessions", "changed", "events")}
    return Folded(day, totals["sessions"], totals["changed"], totals["events"], checksum, tuple(days))


def _silent_since(settings: Settings) -> datetime | None:
    """Sessions heard of later than this are open: the streams will close them."""
    with postgres.connect(settings, "writer") as connection:
        row = connection.execute("select complete_until from stream_progress where stream = 'events'").fetchone()
    return row[0] - timedelta(seconds=settings.session_gap_s) if row and row[0] else None


def _files_around(settings: Settings, day: date) -> list[lake.File]:
    """Files of events of the day, of the day before, and of those in which its sessions may go on."""
    return lake.files(
        lake.opened(settings, EVENTS), [day + timedelta(days=n) for n in range(-1, versions.GOES_ON_DAYS + 1)]
    )


def _events_of(settings: Settings, day: date, found: Sequence[lake.File]) -> pa.Table:
    """Events of the sessions that began in this day of the lake, out of some of the files around it.

    A beacon that does not say when its session began lies in the day of its own first event. Past midnight it belongs
    to the session all the same, as it does in the stream.
    """

    def on(n: int) -> list[lake.File]:
        return [f for f in found if f.session_day == (day + timedelta(days=n)).isoformat()]

    events, unsaid = lake.rows(settings, EVENTS, on(0)), pc.field("session_started_at").is_null()
    if events["session_started_at"].null_count:
        said, held = events.filter(~unsaid), events.filter(unsaid)
        begun = lake.rows_of(settings, EVENTS, on(-1), held, versions.KEY)
        events = pa.concat_tables([said, versions.without(held, begun)])
    parts, held = [events], events
    for n in range(1, versions.GOES_ON_DAYS + 1):
        on_that_day = lake.rows(settings, EVENTS, on(n), versions.KEY, unsaid)
        held = lake.rows_of(settings, EVENTS, on(n), versions.known(on_that_day, held)).filter(unsaid)
        if not len(held):
            break
        parts.append(held)
    return pa.concat_tables(parts)


def _bucket(
    settings: Settings, day: date, found: Sequence[lake.File], before: Sequence[lake.File],
    silent_since: datetime | None, now: datetime, given: pa.Table,
) -> pa.Table:  # fmt: skip
    """Folds buckets of a day and writes those that changed; answers what it found, a line a bucket."""
    lines = []
    for bucket in given["bucket"].to_pylist():
        events = _events_of(settings, day, [f for f in found if f.bucket == bucket])
        old = lake.rows(settings, SESSION_VERSIONS, [f for f in before if f.bucket == bucket])
        part = restatement.restated(events, old, now, silent_since)
        renewed = bool(part.changed or part.squashed)
        days = {*pc.unique(part.rows["day"]).to_pylist(), *pc.unique(old["day"]).to_pylist()}
        files = lake.packed(lake.write(settings, SESSION_VERSIONS, part.rows)) if renewed else []
        lines.append(json.dumps(
            {"bucket": bucket, "renewed": renewed, "files": files, "sessions": len(part.rows), "changed": part.changed,
             "events": part.events, "checksum": versions.checksum(part.rows), "days": [d.isoformat() for d in days]}
        ))  # fmt: skip
    return pa.table({"body": pa.array(lines, pa.string())})


def check_day(settings: Settings, day: date, accepted: Collection[str] = ()) -> None:
    """Holds the day's sessions in the lake to the catalog's rules and notes the outcome, by which they are published.

    Rules that a person has `accepted` by name are let pass, and noted so.
    """
    rows = _rows_of(settings, [day])
    there = _events_there(settings, rows)  # read after the sessions: what they were made of is among them
    with postgres.connect(settings, "writer") as connection:
        past = days.table(
            connection, f"select {', '.join(CHECKS.names)} from checks where day < %s and day >= %s", CHECKS,
            (day, day - timedelta(days=USUAL_DAYS)),
        )  # fmt: skip
        seen = connection.execute(
            "select property, count(*) from sessions where day = %s group by 1", (day,)
        ).fetchall()
        checks = gate.checked(rows, day, there, gate.usuals(past), dict(seen), accepted)
        with connection.transaction():
            connection.execute("delete from checks where day = %s", (day,))
            postgres.upsert(connection, Write(CHECKS, checks))


def _complaint(connection: Connection, day: date) -> str | None:
    """What the day's last check found broken."""
    question = f"select {', '.join(CHECKS.names)} from checks where day = %s and not passed order by property, rule"
    return gate.complaint(days.table(connection, question, CHECKS, (day,)))


def _events_there(settings: Settings, rows: pa.Table) -> pa.Table:
    """What `gate.stored` says of the parts of the lake in which the sessions' events lie, a bucket at a time."""
    events = lake.opened(settings, EVENTS)
    parts = rows.group_by(["session_day", "bucket"]).aggregate([]).to_pylist()
    found = [
        gate.stored(lake.rows(settings, EVENTS, lake.files(events, [p["session_day"]], [p["bucket"]]), gate.IDENTITY))
        for p in parts
    ]
    return pa.concat_tables(found) if found else gate.STORED.empty_table()


def _rows_of(settings: Settings, started: Sequence[date]) -> pa.Table:
    """The last version of each session that started on these days."""
    sessions = lake.opened(settings, SESSION_VERSIONS)
    rows = versions.latest(lake.rows(settings, SESSION_VERSIONS, lake.files(sessions, holding=started)))
    return rows.filter(pc.is_in(rows["day"], pa.array(started, pa.date32())))


def publish_day(settings: Settings, folded: Folded) -> Restated:
    """Postgres' sessions and marts of the day become what the lake holds, in one transaction.

    Raises `gate.BrokenDay` when the day broke a rule, once the properties that kept them all are published.
    """
    since = datetime.now(UTC)
    rows = arrow.conform(_rows_of(settings, folded.days), SESSION_ROWS)
    with postgres.connect(settings, "writer") as connection:
        changed = days.replace(connection, folded.days, rows, since, _cubed)
        crash(settings, "mart.after_publish")
        broken = _complaint(connection, folded.day)
        if changed or (folded.changed and not broken):
            connection.execute(
                "insert into restatements (day, version, sessions, changed, events, checksum, finished_at) "
                "select %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s, now() from restatements where day = %s",
                (folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, folded.day),
            )
    if broken:
        raise gate.BrokenDay(broken)
    return Restated(folded.day, folded.sessions, folded.changed, folded.events, folded.checksum, changed)


def publish(settings: Settings, day: date) -> Restated:
    """`publish_day` of what the lake holds of the day, without folding it again."""
    rows = versions.latest(lake.read(settings, SESSION_VERSIONS, [day]))
    events = sum(f.rows for f in lake.files(lake.opened(settings, EVENTS), [day]))
    started = tuple(sorted({day, *pc.unique(rows["day"]).to_pylist()}))
    return publish_day(settings, Folded(day, len(rows), 0, events, versions.checksum(rows), started))


def _cubed(rows: pa.Table) -> Sequence[Write]:
    return [Write(mart.table, added([cube(rows, mart)], mart.table)) for mart in SESSION_MARTS]


@dataclass(frozen=True, slots=True)
class Import:
    """What an import found and did."""

    rows: int
    sessions: int
    changed: int
    repeated: int
    quarantined: int
    days: int

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.rows} rows: {self.sessions} sessions of {self.days} days, {self.changed} of them new or changed, "
            f"{self.repeated} repeated, {self.quarantined} kept aside"
        )


def import_csv(settings: Settings, path: Path, tenant: str = "import") -> Import:
    """The data set's CSV into the lake and the marts; importing it again changes nothing.

    Its rows are held to the file's rules; the gate, which asks what is usual, is for days that are restated.
    """
    if not path.is_file():
        raise Mistake(f"no file {path}: make it with `python generate_telemetry.py`, or name another")
    lake.ensure(settings)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        found = imports.imported(file, tenant, settings.lake_buckets)
    rows = found.sessions
    placed = pa.table(
        {n: rows[n if n != "session_day" else "day"] for n in ("property", "session_id", "session_day", "bucket")}
    )
    started = pc.unique(rows["day"]).to_pylist()
    delta = lake.opened(settings, SESSION_VERSIONS)
    before = lake.rows(settings, SESSION_VERSIONS, lake.files(delta, started), where=versions.of_property(tenant))
    new = versions.changed(arrow.conform(rows, SESSIONS), placed, before, datetime.now(UTC))
    lake.append(delta, SESSION_VERSIONS, lake.write(settings, SESSION_VERSIONS, new), {"imported": path.name})
    since = datetime.now(UTC)
    with postgres.connect(settings, "writer") as connection:
        days.replace(connection, started, arrow.conform(_rows_of(settings, started), SESSION_ROWS), since, _cubed)
        with connection.transaction():
            _note_import(connection, found, tenant, path.name, digest)
    return Import(found.rows, len(rows), len(new), found.repeated, len(found.quarantined), len(started))


def _note_import(connection: Connection, found: imports.Imported, tenant: str, name: str, digest: str) -> None:
    note = {
        "checksum": digest, "property": tenant, "name": name, "rows": found.rows, "sessions": len(found.sessions),
        "repeated": found.repeated, "quarantined": len(found.quarantined), "finished_at": datetime.now(UTC),
    }  # fmt: skip
    kept = found.quarantined.append_column("property", pa.repeat(pa.scalar(tenant), len(found.quarantined)))
    kept = kept.append_column("checksum", pa.repeat(pa.scalar(digest), len(kept)))
    postgres.upsert(connection, Write(IMPORTS, pa.Table.from_pylist([note])))
    postgres.upsert(connection, Write(IMPORT_QUARANTINE, kept))


def ledger(settings: Settings, only: date | None = None, book: Path | None = None) -> accounts.LedgerResult:
    """The books compared from end to end. Sessions and marts of one day, or of the last days; the others whole.

    They are read one after the other while traffic flows from one to the next: what differs is looked at once more.
    """
    result = _compared(settings, only, book)
    if not result.ok:
        Event().wait(UNDER_WAY_S)
        before, result = result, _compared(settings, only, book)
        result.keep(before)
    return result


def _compared(settings: Settings, only: date | None, book: Path | None) -> accounts.LedgerResult:
    lake.ensure(settings)
    result = accounts.LedgerResult()
    with postgres.connect(settings, "writer") as connection:
        outcomes = days.table(connection, f"select {', '.join(OUTCOMES.names)} from outcomes", OUTCOMES)
        _count(settings, outcomes, book, result)
        _read_log(settings, connection, result)
        held = {date.fromisoformat(f.session_day) for f in lake.files(lake.opened(settings, EVENTS))}
        until = _silent_since(settings)
        for one in [only] if only else sorted(held)[-LEDGER_DAYS:]:
            events = _events_of(settings, one, _files_around(settings, one))
            rows = versions.latest(lake.read(settings, SESSION_VERSIONS, [one]))
            differences, still_open = accounts.sessions(events, rows, until)
            result.add("sessions", len(rows), differences)
            result.totals["open_sessions"] = result.totals.get("open_sessions", 0) + still_open
            _compare_marts(settings, connection, one, result)
    return result


def _count(settings: Settings, outcomes: pa.Table, book: Path | None, result: accounts.LedgerResult) -> None:
    result.add("door", len(outcomes), accounts.door(outcomes.to_pylist()))
    identity = ["property", "session_id", "seq", "received_at"]
    events = lake.read(settings, EVENTS, columns=identity)
    late = lake.read(settings, LATE, columns=identity)
    aside = lake.read(settings, QUARANTINE, columns=identity)
    reports = lake.read(settings, REPORTS, columns=["property", "received_at"])
    placed = ["property", "received_at"]
    stored = {"lake": pa.concat_tables([events.select(placed), reports]), "late": late.select(placed),
              "quarantined": aside.select(placed)}  # fmt: skip
    kept_since = datetime.combine(_kept_since(settings.events_days), time(), UTC)
    result.add("lake", len(events), [*accounts.lake(outcomes, stored, kept_since), *accounts.twice(events)])
    for name in (
        "received",
        "accepted",
        "duplicate",
        "invalid",
        "rate_limited",
        "filtered",
        "lake",
        "late",
        "quarantined",
    ):
        result.totals[name] = pc.sum(outcomes[name]).as_py() or 0
    if book is not None:
        if not book.is_file():
            raise Mistake(f"no sender's book {book}")
        sent = pq.read_table(book)
        kept_aside = pa.concat_tables([late, aside]).group_by(identity[:3]).aggregate([])  # there repeats are kept too
        stored_somewhere = pa.concat_tables([events.select(identity[:3]), kept_aside])
        result.add("sender", len(sent), accounts.sender(sent, stored_somewhere))


def _kept_since(for_days: int) -> date:
    """The first day that `maintain` leaves, were it to run now."""
    return datetime.now(UTC).date() - timedelta(days=for_days)


def _read_log(settings: Settings, connection: Connection, result: accounts.LedgerResult) -> None:
    there = kafka.offsets(settings, BEACONS.name)
    rows = connection.execute(
        "select kafka_partition, first_offset, next_offset, records, lost from stream_offsets where stream = 'events'"
    ).fetchall()
    read = {number: (first, following, records, lost) for number, first, following, records, lost in rows}
    partitions = {}
    for number, (low, end) in there.items():
        started, following, records, lost = read.get(number, (low, low, 0, 0))
        partitions[number] = accounts.Reading(low, end, started, following, records, lost)
        result.lag[number] = max(0, end - following)
    result.add("log", len(partitions), accounts.log(partitions))


def _compare_marts(settings: Settings, connection: Connection, day: date, result: accounts.LedgerResult) -> None:
    latest = _rows_of(settings, [day])
    identity = [*SESSION_ROWS.key, "version"]
    question = f"select {', '.join(identity)} from sessions where day = %s"
    columns = list(zip(*connection.execute(question.encode(), (day,)).fetchall(), strict=True)) or [()] * len(identity)
    stored = pa.table(
        [pa.array(c, latest.schema.field(n).type) for n, c in zip(identity, columns, strict=True)], identity
    )
    result.add("rows", len(latest), accounts.published(latest.select(identity), stored))
    rows = arrow.conform(latest, SESSIONS)
    tables = {}
    for mart in MARTS:
        names = ", ".join(f'"{name}"' for name in mart.table.names)
        tables[mart.name] = days.table(
            connection, f"select {names} from {mart.name} where day = %s", mart.table, (day,)
        )
        if mart is not LIVE_WINDOW:
            again = cube(rows, mart)
            result.add("marts", len(again), accounts.marts(tables[mart.name], again, mart))
    result.add("marts", 0, accounts.hours(tables[QUALITY_HOUR.name], tables[QUALITY_DAY.name], QUALITY_DAY))
    windows = (day - timedelta(days=1), day, day + timedelta(days=1))
    events = lake.read(settings, EVENTS, windows, columns=LIVE_COLUMNS)
    placed = pc.equal(events["at"].cast(pa.date32()), pa.scalar(day, pa.date32()))
    again = cube(events.filter(placed), LIVE_WINDOW)
    result.add("marts", len(again), accounts.marts(tables[LIVE_WINDOW.name], again, LIVE_WINDOW))


@dataclass(frozen=True, slots=True)
class Kept:
    """What maintenance did: small files joined, files deleted, rows deleted for their age."""

    joined: int
    deleted: int
    expired: int

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.joined} small files joined, {self.deleted} files deleted, {self.expired} rows past their retention"
        )


def maintain(settings: Settings, today: date) -> Kept:
    """The lake and the marts kept small: small files joined, what is past its retention deleted."""
    expired = joined = deleted = 0
    for table in (EVENTS, LATE, REPORTS, QUARANTINE, SESSION_VERSIONS):
        kept_days = settings.sessions_days if table is SESSION_VERSIONS else settings.events_days
        expired += lake.expire(settings, table, today - timedelta(days=kept_days))
        joined += lake.compact(settings, table, 1)
        deleted += len(lake.vacuum(settings, table))
    with postgres.connect(settings, "writer") as connection:
        kept = {SESSION_ROWS.name: settings.sessions_days, LIVE_LEAF.name: settings.live_days}
        for name, kept_days in (kept | {mart.name: _kept_days(settings, mart) for mart in MARTS}).items():
            expired += days.expire(connection, name, today - timedelta(days=kept_days))
        expired += days.expire_rows(connection, "outcomes", "minute_at", today - timedelta(days=settings.marts_days))
        expired += days.expire_rows(connection, "dead_letters", "received_at", today - timedelta(days=30))
        expired += days.expire_rows(connection, "freshness", "committed_at", today - timedelta(days=7))
        expired += days.expire_rows(connection, "epochs", "committed_at", today - timedelta(days=30))
        for name in (OBSERVED.name, REQUESTS.name):
            expired += days.expire_rows(connection, name, "last_at", today - timedelta(days=settings.sessions_days))
    return Kept(joined, deleted, expired)


def _kept_days(settings: Settings, mart: Mart) -> int:
    if mart.personal:
        return settings.sessions_days
    return settings.live_days if mart.source == "events" else settings.marts_days


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure took, and the day by which no byte is left."""

    property: str
    viewers: tuple[str, ...]
    """The pseudonyms."""
    events: int
    sessions: int
    marts: int
    gone_by: date

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.property}: {self.events} events, {self.sessions} sessions and {self.marts} rows of Postgres "
            f"erased; "
            f"no byte is left by {self.gone_by}"
        )


def forget(settings: Settings, tenant: str, viewer: str) -> Receipt:
    """Erases a viewer, by the id that players send, from lake and Postgres, and answers the receipt.

    Tombstones make the door filter what still comes. Deleted files are gone after a week, the log after its retention.
    Again, it finds nothing and erases nothing.
    """
    lake.ensure(settings)
    names = tuple(pseudonyms.of(settings.var / "secrets", tenant, viewer))
    asked_at = datetime.now(UTC)
    total = {"events": 0, "sessions": 0, "marts": 0}
    gone_by = asked_at.date() + timedelta(days=38)
    with postgres.connect(settings, "writer") as connection:
        for name in names:
            connection.execute(
                "insert into forgotten (property, viewer_id, forgotten_at) values (%s, %s, %s) on conflict do nothing",
                (tenant, name, asked_at),
            )
            found = _forgotten(settings, connection, tenant, name)
            receipt = {"property": tenant, "viewer_id": name, "asked_at": asked_at, "gone_by": gone_by, **found}
            with connection.transaction():
                postgres.upsert(connection, Write(ERASURES, pa.Table.from_pylist([receipt])))
            total = {key: total[key] + found[key] for key in total}
    return Receipt(tenant, names, total["events"], total["sessions"], total["marts"], gone_by)


def _forgotten(settings: Settings, connection: Connection, tenant: str, name: str) -> dict[str, int]:
    erased = {t.name: lake.erase(settings, t, tenant, name) for t in (EVENTS, LATE, QUARANTINE, SESSION_VERSIONS)}
    events, sessions = erased[EVENTS.name], versions.latest(erased[SESSION_VERSIONS.name])
    taken = [Write(LIVE_TABLES[n], negated(t, LIVE_TABLES[n])) for n, t in live(events).items() if len(events)]
    with connection.transaction():
        for write in (Write(OUTCOMES, accounts.erased(erased)), *taken):
            postgres.upsert(connection, write)
        personal = (SESSION_ROWS, *(mart.table for mart in MARTS if mart.personal))
        gone = sum(days.erase(connection, table, tenant, name) for table in personal)
    started = pc.unique(sessions["day"]).to_pylist()
    if started:
        since = datetime.now(UTC)
        days.replace(connection, started, arrow.conform(_rows_of(settings, started), SESSION_ROWS), since, _cubed)
    return {"events": len(events), "sessions": len(sessions), "marts": gone}


def day(text: str) -> date:
    """The day that a text names; raises `Mistake` when it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Mistake(f"'{text}' is no day: say it like 2026-01-02") from error
