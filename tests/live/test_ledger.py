"""The ledger: beside live traffic it finds nothing; each kind of damage that is planted is named, and nothing else.

Long because every kind of damage stands in one table, with the lines that name it.
"""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from until import until
from whole_stack import Stack

from qoescope.catalog.operations import LATE, QUARANTINE, SESSION_VERSIONS
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres
from qoescope.connect.lake.reading import list_files, read_table
from qoescope.connect.lake.tables import open_table, table_uri
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.lake.jobs.import_cdn_log import import_log
from qoescope.mart.jobs.ledger import check_books
from qoescope.mart.jobs.restate import restate_day
from qoescope.mart.ledger_result import LedgerResult
from qoescope.settings import Settings
from qoescope.stack import assembly, demo

pytestmark = pytest.mark.live
UP_S, BACK_S = 600, 600
DAY_MS = 86_400_000
OLD = "an old session"
CMCD = "cmcd-1"


class Books(Stack):
    """The stack, and its books in the hands of somebody careless."""

    def compare(self) -> LedgerResult:
        """What the ledger says."""
        return check_books(self.settings)

    def post(self, session_id: str, *events: dict[str, Any]) -> None:
        """A beacon that is answered."""
        sent_at = time.time_ns() // 1_000_000  # by it an old event is one that waited, not one of a clock behind
        session = {"session_id": session_id, "device_type": "web"}
        body = {"session": session, "events": list(events), "sent_at": sent_at}
        answer = httpx.post(f"{self.door}/v1/beacons", json=body, timeout=60, trust_env=False,
                            headers={"authorization": f"Bearer {self.key}"})  # fmt: skip
        assert answer.status_code == 200, answer.text

    def signalled(self, number: signal.Signals) -> None:
        """Sends the stream a signal, and all that it started."""
        process = self.children["stream"].process
        assert process is not None
        os.killpg(process.pid, number)

    def change(self, sql: str, *parameters: object) -> None:
        """Changes a row of Postgres, and no more than one."""
        with postgres.connect(self.settings, "writer") as connection, connection.transaction():
            assert connection.execute(sql.encode(), parameters).rowcount == 1

    def file(self, table: Table) -> Path:
        """The largest file of a table of the lake."""
        found = max(list_files(open_table(self.settings, table)), key=lambda f: f.rows)
        return Path(table_uri(self.settings, table), found.path)


def event(seq: int, **more: Any) -> dict[str, Any]:
    at = time.time_ns() // 1_000_000
    return {"seq": seq, "at": at, "type": "heartbeat", "state": "playing", "state_ms": 1000, **more}


def cdn_log(path: Path) -> Path:
    """A CDN's log of one session that ended some time ago, on two hosts."""
    at = datetime.now(UTC) - timedelta(minutes=30)
    lines = [
        {"at": (at + timedelta(seconds=n)).isoformat(), "status": 200, "url": f"https://cdn{n % 2}.example/{n}.m4s?"
         f"CMCD=bl%3D9000%2Cbr%3D3200%2Cd%3D4000%2Cmtp%3D9000%2Cot%3Dv%2Csid%3D%22{CMCD}%22"}
        for n in range(6)
    ]  # fmt: skip
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Postgres, Kafka, door and streams, with something in each of the books."""
    folder = tmp_path_factory.mktemp("ledger")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, sessions_every_s=1, quality_every_s=1, give_way_s=0, door_refresh_s=0.5,
        budget_events=100_000, budget_bytes=1e9,
    )  # fmt: skip
    key = demo.door_key(settings)
    with assembly.run_parts(settings, ["collect", "stream"]) as (placed, parts):
        parts.wait(["postgres", "kafka", "collect", "stream"], UP_S)
        made = Books(placed, parts, key, folder)
        old = time.time_ns() // 1_000_000 - 9 * DAY_MS
        made.post(OLD, event(1, state="idle", state_ms=0, type="playback_request"), event(2), event(3, at=old))
        for _ in range(3):
            made.post(OLD, event(4, state="no such state"))
        made.post(OLD, event(2, state_ms=999))
        made.traffic(rate=150, seconds=10).finished()
        made.settled()
        import_log(made.settings, cdn_log(folder / "cdn.json"), "cdn")
        made.settled()
        yield made
        made.signalled(signal.SIGCONT)


def test_beside_live_traffic_every_book_agrees_and_a_lost_row_is_named(books: Books) -> None:
    traffic, looks = books.traffic(rate=100, seconds=40), list[LedgerResult]()
    until(lambda: traffic.sent.acknowledged > 200, BACK_S, "traffic flows")
    while traffic.done is None and len(looks) < 12:
        looks.append(books.compare())
    assert [look.lines for look in looks if not look.ok] == []
    assert any(look.open["open sessions"] + look.open["records to be read"] for look in looks)

    kept = saved(books, "sessions")
    books.change("delete from sessions where session_id = %s", OLD)
    found = books.compare()
    restored(books, "sessions", *kept, only=OLD)
    assert [str(d) for d in found.differences] == [f"rows: demo session {OLD}: expected version 1, found no row"]
    traffic.finished()
    books.settled()
    assert books.compare().lines[0].startswith("all books agree")


def test_a_row_is_missed_also_after_a_restatement_that_had_nothing_to_publish(books: Books) -> None:
    for seq in (1, 2):
        books.post("twice measured", event(seq))
        books.settled()
    ((day,),) = books.rows("select day from sessions where session_id = 'twice measured' and version = 2")
    restated = restate_day(books.settings, day)
    assert restated.changed == 0
    assert "twice measured" in (ids := read_table(books.settings, SESSION_VERSIONS)["session_id"].to_pylist())
    assert len(ids) == len(set(ids))  # it left out the older version

    kept = saved(books, "sessions")
    books.change("delete from sessions where session_id = 'twice measured'")
    found = books.compare()
    restored(books, "sessions", *kept, only="twice measured")
    assert [str(d) for d in found.differences] == [
        "rows: demo session twice measured: expected version 2, found no row"
    ]


Saved = tuple[str, bytes]


def saved(books: Books, table: str) -> Saved:
    """The table's columns and rows, to be put back."""
    text = BytesIO()
    with postgres.connect(books.settings, "writer") as connection, connection.cursor() as cursor:
        with cursor.copy(f"copy (select * from {table}) to stdout".encode()) as copy:
            for block in copy:
                text.write(block)
        cursor.execute(f"select * from {table} limit 0".encode())
        columns = ", ".join(f'"{column.name}"' for column in cursor.description or ())
    return columns, text.getvalue()


def restored(books: Books, table: str, columns: str, text: bytes, only: str = "") -> None:
    """Puts them back; those that name `only`, which is gone, or all in place of what is there."""
    if only:
        text = b"".join(line + b"\n" for line in text.splitlines() if only.encode() in line)
    with postgres.connect(books.settings, "writer") as connection, connection.transaction():
        if not only:
            connection.execute(f"truncate {table}".encode())
        connection.execute(
            f"create temp table put_back on commit drop as select {columns} from {table} limit 0".encode()
        )
        with connection.cursor().copy(b"copy put_back from stdin") as copy:
            copy.write(text)
        connection.execute(f"insert into {table} ({columns}) select {columns} from put_back".encode())


@dataclass(frozen=True, slots=True)
class Damage:
    """A kind of damage: where it is done, how, and the lines by which it is named, each as a pattern."""

    kind: str
    where: str
    """A table of Postgres, or `lake`."""
    do: Callable[[Books], None]
    named: tuple[str, ...]


def of_postgres(kind: str, table: str, sql: str, *named: str) -> Damage:
    return Damage(kind, table, lambda books: books.change(sql), named)


def of_lake(kind: str, do: Callable[[Books], None], *named: str) -> Damage:
    return Damage(kind, "lake", do, named)


def gone(table: Table, where: str) -> Callable[[Books], None]:
    def do(books: Books) -> None:
        assert open_table(books.settings, table).delete(where)["num_deleted_rows"] == 1

    return do


def altered(table: Table, where: str, column: str) -> Callable[[Books], None]:
    def do(books: Books) -> None:
        told = open_table(books.settings, table).update({column: f"{column} + 1"}, predicate=where)
        assert told["num_updated_rows"] == 1

    return do


def doubled(books: Books) -> None:
    rows = read_table(books.settings, EVENTS)
    one = rows.filter([session == OLD and seq == 2 for session, seq in
                       zip(rows["session_id"].to_pylist(), rows["seq"].to_pylist(), strict=True)])  # fmt: skip
    assert len(one) == 1
    append_files(open_table(books.settings, EVENTS), EVENTS, write_files(books.settings, EVENTS, one), {})


def cut(books: Books) -> None:
    path = books.file(EVENTS)
    os.truncate(path, path.stat().st_size // 2)


ONE_EVENT = f"session_id = '{OLD}' and seq = 2"
MINUTE = r"demo \d{4}-\d\d-\d\d \d\d:\d\d"
WINDOW = rf"marts: live_window {MINUTE}:\d\d total .*"
LEAF = rf"marts: live_leaf {MINUTE}:\d\d leaf .*"
FILE = r"lake: {} file session_day=.* of \d+ rows: expected \d+ bytes, found {}"
ONE_CELL = "(select ctid, tableoid from {} where grouping = '' order by starts_at limit 1)"


def cell(mart: str, measure: str) -> str:
    one = ONE_CELL.format(mart)
    return f"update {mart} set {measure} = {measure} + 1 where (ctid, tableoid) in {one}"


DAMAGES = (
    of_lake("row of the lake removed", gone(EVENTS, ONE_EVENT), rf"lake: {MINUTE} lake: expected (\d+), found \d+",
            rf"sessions: demo session {OLD} playing ms: expected 0, found 1000", WINDOW, LEAF),
    of_lake("row of the lake doubled", doubled, rf"lake: demo session {OLD} seq 2: expected 1, found 2",
            rf"lake: {MINUTE} lake: .*", WINDOW, LEAF),
    of_lake("row of the lake changed", altered(EVENTS, ONE_EVENT, "state_ms"),
            rf"sessions: demo session {OLD} playing ms: expected 1001, found 1000", WINDOW, LEAF),
    of_lake("file of events removed", lambda books: books.file(EVENTS).unlink(), FILE.format("events", "no file"),
            rf"lake: {MINUTE} lake: .*"),
    of_lake("file of events cut", cut, FILE.format("events", r"\d+ bytes"), rf"lake: {MINUTE} lake: .*"),
    of_lake("session's row in the lake removed", gone(SESSION_VERSIONS, f"session_id = '{OLD}'"),
            rf"sessions: demo session {OLD} playing ms: expected 1000, found 0"),
    of_lake("session's row in the lake changed", altered(SESSION_VERSIONS, f"session_id = '{OLD}'", "play_ms"),
            rf"sessions: demo session {OLD} playing ms: expected 1000, found 1001"),
    of_lake("file of sessions removed", lambda books: books.file(SESSION_VERSIONS).unlink(),
            FILE.format("sessions", "no file")),
    of_lake("late row removed", gone(LATE, f"session_id = '{OLD}'"), rf"lake: {MINUTE} late: expected 1, found 0"),
    of_lake("quarantined row removed", gone(QUARANTINE, f"session_id = '{OLD}'"),
            rf"lake: {MINUTE} quarantined: expected 1, found 0"),
    of_postgres("session's row in Postgres removed", "sessions", f"delete from sessions where session_id = '{OLD}'",
                rf"rows: demo session {OLD}: expected version 1, found no row"),
    of_postgres("session's row in Postgres changed", "sessions",
                f"update sessions set play_ms = play_ms + 1 where session_id = '{OLD}'",
                rf"rows: demo session {OLD} play_ms: expected 1000, found 1001"),
    of_postgres("outcome of the door changed", "outcomes",
                "update outcomes set received = received + 1 where ctid in (select ctid from outcomes "
                "where property = 'demo' limit 1)",
                rf"door: {MINUTE} received: expected \d+, found \d+"),
    of_postgres("outcome of the lake changed", "outcomes",
                "update outcomes set lake = lake + 1, accepted = accepted + 1, received = received + 1 "
                "where ctid in (select ctid from outcomes where lake > 0 limit 1)",
                rf"lake: {MINUTE} lake: expected \d+, found \d+"),
    of_postgres("newest epoch rolled back", "epochs", "delete from epochs where (query, batch) in (select query, batch "
                "from epochs where batch = (select max(batch) from epochs e join freshness f using (query, batch)))",
                r"epochs: batch \d+ of .*: expected booked, found not booked"),
    of_postgres("epoch before it rolled back", "epochs", "delete from epochs where (query, batch) in (select query, "
                "batch from epochs join freshness using (query, batch) order by batch desc offset 3 limit 1)",
                r"epochs: batch \d+ of .*: expected booked, found not booked"),
    of_postgres("offset rolled back", "stream_offsets", "update stream_offsets set next_offset = next_offset - 1 "
                "where ctid in (select ctid from stream_offsets where topic = 'beacons' limit 1)",
                r"log: partition \d records read: expected \d+, found \d+"),
    of_postgres("cell of an hour off by one", "quality_hour", cell("quality_hour", "attempts"),
                rf"marts: quality_hour {MINUTE}:\d\d total attempts: .*", r"marts: demo .* attempts: sum of hours: .*"),
    of_postgres("cell of a day off by one", "quality_day", cell("quality_day", "attempts"),
                rf"marts: quality_day {MINUTE}:\d\d total attempts: .*", r"marts: demo .* attempts: sum of hours: .*"),
    of_postgres("cell of a viewer off by one", "viewer_day", "update viewer_day set plays = plays + 1 where "
                "(ctid, tableoid) in (select ctid, tableoid from viewer_day limit 1)",
                rf"marts: viewer_day {MINUTE}:\d\d .* plays: .*"),
    of_postgres("cell of a live window off by one", "live_window", cell("live_window", "live_events"),
                rf"marts: live_window {MINUTE}:\d\d total live_events: .*"),
    of_postgres("cell of a leaf off by one", "live_leaf", "update live_leaf set events = events + 1 where "
                "(ctid, tableoid) in (select ctid, tableoid from live_leaf where property = 'demo' limit 1)",
                rf"marts: live_leaf {MINUTE}:\d\d leaf \d+ events: expected \d+, found \d+"),
    of_postgres("leaf removed", "live_leaf", "delete from live_leaf where (ctid, tableoid) in "
                "(select ctid, tableoid from live_leaf where property = 'demo' limit 1)",
                rf"marts: live_leaf {MINUTE}:\d\d leaf \d+: expected a row, found no row"),
    of_postgres("CMCD session removed", "cmcd_sessions", f"delete from cmcd_sessions where session_id = '{CMCD}'",
                rf"delivery: cmcd_sessions cdn session {CMCD}: expected a row, found no row"),
    of_postgres("CMCD session changed", "cmcd_sessions", "update cmcd_sessions set media_ms = media_ms + 1 "
                f"where session_id = '{CMCD}'", rf"delivery: cmcd_sessions cdn session {CMCD} media_ms: .*"),
    of_postgres("CMCD host removed", "cmcd_requests", "delete from cmcd_requests where host = 'cdn1.example'",
                rf"delivery: cmcd_requests cdn session {CMCD} cdn1.example: expected a row, found no row"),
    of_postgres("CMCD host changed", "cmcd_requests", "update cmcd_requests set request_count = request_count + 1 "
                "where host = 'cdn0.example'",
                rf"delivery: cmcd_requests cdn session {CMCD} cdn0.example request_count: expected 3, found 4"),
    of_postgres("dead letter lost", "dead_letters", "delete from dead_letters where kafka_offset = "
                "(select max(kafka_offset) - 1 from dead_letters)",
                r"letters: dead_letters partition 0 offset \d+: expected a row, found no row"),
)  # fmt: skip


@pytest.fixture(scope="module")
def still(books: Books) -> Books:
    """The same, with a stream that stands still while the log ticks on."""
    books.settled()
    until(lambda: books.compare().ok, BACK_S, "the books agree")
    books.signalled(signal.SIGSTOP)
    assert books.compare().lines[0].startswith("all books agree")
    return books


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.kind)
def test_each_kind_of_damage_is_named_and_nothing_else(still: Books, damage: Damage) -> None:
    folder = Path(table_uri(still.settings, EVENTS)).parent
    kept = saved(still, damage.where) if damage.where != "lake" else None
    if kept is None:
        shutil.copytree(folder, still.folder / "kept")
    try:
        damage.do(still)
        found = [str(difference) for difference in still.compare().differences]
    finally:
        if kept is not None:
            restored(still, damage.where, *kept)
        else:
            shutil.rmtree(folder)
            (still.folder / "kept").rename(folder)
    print(f"{damage.kind} → {found}")  # noqa: T201
    for pattern in damage.named:
        assert any(re.fullmatch(pattern, line) for line in found), f"nothing says {pattern}: {found}"
    strange = [line for line in found if not any(re.fullmatch(pattern, line) for pattern in damage.named)]
    assert strange == []


def test_a_topic_that_vanished_is_named_with_the_answered_records_that_are_gone(still: Books) -> None:
    """The last one here: nothing brings it back."""
    before = kafka.topic_ids(still.settings, BEACONS_TOPIC.name)
    admin = AdminClient({"bootstrap.servers": still.settings.brokers})
    still.post("never read", event(1))
    answered = "select max(written_at) > now() - interval '2 seconds' from log_answered"
    until(lambda: still.rows(answered) == [(True,)], BACK_S, "the door notes what it answered")
    admin.delete_topics([BEACONS_TOPIC.name])[BEACONS_TOPIC.name].result()

    def again() -> bool:
        made = admin.create_topics([NewTopic(BEACONS_TOPIC.name, num_partitions=2)])[BEACONS_TOPIC.name]
        return made.exception() is not None and kafka.describe(still.settings, BEACONS_TOPIC.name).topic_id not in (
            "", before[1]
        )  # fmt: skip

    until(again, BACK_S, "another topic has its name")
    (line,) = [str(difference) for difference in still.compare().differences]
    assert re.fullmatch(r"log: topic 'beacons' is another one .*: expected 0, found [1-9]\d*", line), line
