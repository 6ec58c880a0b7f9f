"""Stream = batch: repeats and disorder cost a session nothing, whether it is measured as it comes or all at once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from until import until

from qoescope.catalog.operations import SESSION_ROWS
from qoescope.catalog.tables import SESSIONS
from qoescope.catalog.topics import BEACONS_TOPIC, TICK_PROPERTY
from qoescope.compile import fold
from qoescope.compile.records.parsing import RECORDS, parse_events
from qoescope.connect import days, kafka, postgres
from qoescope.mart.jobs.ledger import check_books
from qoescope.mart.jobs.restate import restate_day
from qoescope.settings import Settings
from qoescope.stack import assembly

pytestmark = pytest.mark.live
UP_S, SETTLED_S = 900, 600
MINUTE_MS = 60_000
SESSIONS_SENT = 150
Sent = tuple[int, str, dict[str, Any]]
"""(received_at, key, record)."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Postgres, Kafka and the streams; sessions close after 5 s of silence."""
    folder = tmp_path_factory.mktemp("streams")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, give_way_s=0,
    )  # fmt: skip
    with assembly.run_parts(settings, ["stream"]) as (placed, children):
        children.wait([child.name for child in children], UP_S)
        yield placed


def session(random: Random, number: int, pressed_ms: int) -> list[Sent]:
    """A viewer's beacons, in order, each received as it was sent."""
    context = {
        "session_id": f"s{number:04d}", "viewer_id": f"v{number % 40}", "started_at": pressed_ms, "source": "simulator",
        "device_type": random.choice(["smart_tv", "mobile", "web"]), "isp": random.choice(["kt", "cox"]), "cdn": "a",
        "content_duration_ms": 600_000,
    }  # fmt: skip
    at, told = (
        pressed_ms,
        [("playback_request", "idle", 0), ("playback_start", "starting", random.randrange(200, 4000))],
    )
    for _ in range(random.randrange(2, 9)):
        told.append(("heartbeat", "playing", random.randrange(1000, 10_000)))
        if random.random() < 0.3:
            told += [("playback_stall", "playing", 500), ("playback_start", "stalled", random.randrange(100, 3000))]
    told.append(
        random.choice(
            [("playback_finish", "playing", 700), ("playback_fail", "playing", 300), ("heartbeat", "paused", 5000)]
        )
    )
    events: list[dict[str, Any]] = []
    for seq, (kind, state, ms) in enumerate(told, 1):
        at += ms
        events.append({"seq": seq, "at": at, "type": kind, "state": state, "state_ms": ms, "bitrate_kbps": 4000})
    parts = [events[i : i + 3] for i in range(0, len(events), 3)]
    return [(part[-1]["at"], f"s{number:04d}", record(part[-1]["at"], context, part)) for part in parts]


def record(received_at: int, context: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {"received": len(events), "accepted": len(events), "duplicate": 0, "invalid": 0, "filtered": 0}
    return {"property": "app", "received_at": received_at, "sent_at": received_at, "counts": counts, "session": context,
            "events": events}  # fmt: skip


def disturbed(random: Random, sent: list[Sent]) -> list[Sent]:
    """Each beacon up to a minute late, and one in twenty twice, in the order in which they are received."""
    late = []
    for at, key, told in sent:
        for _ in range(2 if random.random() < 0.05 else 1):
            arrived = at + random.randrange(MINUTE_MS)
            late.append((arrived, key, told | {"received_at": arrived}))
    return sorted(late, key=lambda one: one[0])


def write(settings: Settings, sent: list[Sent]) -> None:
    log = kafka.RecordProducer(settings)
    failed: list[object] = []
    for _, key, told in sent:
        log.send(
            BEACONS_TOPIC.name,
            msgspec.json.encode(told),
            lambda error, _: failed.append(error) if error else None,
            key.encode(),
        )
        log.poll()
    assert log.flush(30) == 0
    assert failed == []


def tick(settings: Settings, received_at: int) -> None:
    """Time goes on in silence, in each partition."""
    log = kafka.RecordProducer(settings)
    told = msgspec.json.encode(
        {"tick": True, "property": TICK_PROPERTY, "received_at": received_at, "rate_limited": []}
    )
    for partition in log.partitions(BEACONS_TOPIC.name, 10):
        log.send(BEACONS_TOPIC.name, told, lambda *_: None, partition=partition)
    log.flush(30)


def table_of(sent: list[Sent]) -> pa.Table:
    rows = [
        {"key": key.encode(), "value": msgspec.json.encode(told), "kafka_partition": 0, "kafka_offset": i}
        for i, (_, key, told) in enumerate(sent)
    ]
    return pa.Table.from_pylist(rows, RECORDS)


def folded(settings: Settings, sent: list[Sent]) -> list[dict[str, Any]]:
    return ordered(fold.sessions(parse_events(table_of(sent), settings.lake_buckets)))


def ordered(rows: pa.Table) -> list[dict[str, Any]]:
    return rows.select(list(SESSIONS.names)).sort_by("session_id").to_pylist()


def in_postgres(settings: Settings, property_id: str = "app") -> pa.Table:
    names = ", ".join(SESSION_ROWS.names)
    with postgres.connect(settings, "writer") as connection:
        return days.query_table(
            connection, f"select {names} from sessions where property = %s", SESSION_ROWS, (property_id,)
        )


def test_repeats_and_disorder_change_no_session(running: Settings) -> None:
    random = Random(7)  # noqa: S311
    pressed = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)
    began = int(pressed.timestamp() * 1000)
    plain = [one for n in range(SESSIONS_SENT) for one in session(random, n, began + random.randrange(2 * MINUTE_MS))]
    sent = disturbed(random, plain)
    expected = folded(running, sent)
    half = len(sent) // 2

    def written(some: list[Sent]) -> bool:
        with postgres.connect(running, "writer") as connection:
            row = connection.execute(
                "select coalesce(sum(received), 0) from outcomes where property = 'app'"
            ).fetchone()
        return bool(row and row[0] == sum(len(told["events"]) for _, _, told in some))

    write(running, sent[:half])
    tick(running, sent[half - 1][0] + 30_000)
    until(lambda: written(sent[:half]), SETTLED_S, "the first half is in the lake", every_s=0.5)
    until(
        lambda: len(in_postgres(running)) > 0,
        SETTLED_S,
        "sessions closed that the second half opens again",
        every_s=0.5,
    )
    write(running, sent[half:])
    clock = sent[-1][0]

    def all_equal() -> bool:
        nonlocal clock
        clock += 10_000
        tick(running, clock)
        return ordered(in_postgres(running)) == expected

    until(all_equal, SETTLED_S, "the stream measures what the fold does", every_s=1)
    assert max(in_postgres(running)["version"].to_pylist()) > 1, "no session was opened again: the test tests little"

    received = {"first_received_at", "last_received_at"}
    undisturbed = folded(running, plain)
    assert [{k: v for k, v in row.items() if k not in received} for row in expected] == [
        {k: v for k, v in row.items() if k not in received} for row in undisturbed
    ]
    again = restate_day(running, pressed.date())
    assert (again.changed, again.sessions) == (0, SESSIONS_SENT)
    assert not restate_day(running, pressed.date()).marts_changed
    until(lambda: check_books(running).ok, SETTLED_S, "the books agree", every_s=2)
    ledger = check_books(running)
    assert ledger.totals["duplicate"] == ledger.totals["received"] - ledger.totals["accepted"] > 0


def test_clocks_retries_and_ticks_far_ahead_cost_no_session_anything(running: Settings) -> None:
    """Two doors whose clocks differ by a minute, a producer that tries for ten seconds, and one tick an hour ahead."""
    random = Random(23)  # noqa: S311
    pressed = datetime.now(UTC).replace(hour=15, minute=0, second=0, microsecond=0) - timedelta(days=1)
    began = int(pressed.timestamp() * 1000)
    ahead = {True: MINUTE_MS, False: 0}
    sent: list[tuple[int, Sent]] = []
    for n in range(1000, 1000 + SESSIONS_SENT // 3):
        for at, key, told in session(random, n, began + random.randrange(MINUTE_MS)):
            received = at + ahead[random.random() < 0.5]
            retried = random.randrange(10_000) if random.random() < 0.2 else 0
            sent.append((at + retried, (received, key, told | {"property": "doors", "received_at": received})))
    arrived = [one for _, one in sorted(sent, key=lambda one: one[0])]
    expected = folded(running, arrived)
    third = len(arrived) // 3
    write(running, arrived[:third])
    tick(running, arrived[third][0] + 60 * MINUTE_MS)
    until(lambda: len(in_postgres(running, "doors")) > 0, SETTLED_S, "sessions closed that go on", every_s=0.5)
    for start in (third, 2 * third):
        write(running, arrived[start : start + third if start == third else None])
        tick(running, arrived[start][0])
    until(
        lambda: ordered(in_postgres(running, "doors")) == expected,
        SETTLED_S,
        "the stream measures what the fold does, and no clock has gone on meanwhile",
        every_s=1,
    )
    assert max(in_postgres(running, "doors")["version"].to_pylist()) > 1
    assert restate_day(running, pressed.date()).changed == 0


def test_a_poison_record_is_kept_aside_and_stops_nothing(running: Settings) -> None:
    log = kafka.RecordProducer(running)
    for poison in (b"no json", b"\xff\xfe", b"{}", b"[1]", b'{"property":"app","received_at":"soon"}'):
        log.send(BEACONS_TOPIC.name, poison, lambda *_: None, b"poison")
    log.flush(30)

    def kept() -> bool:
        with postgres.connect(running, "writer") as connection:
            row = connection.execute("select sum(quarantined) from outcomes").fetchone()
        return bool(row and row[0] == 5)

    until(kept, SETTLED_S, "all five are booked as quarantined", every_s=0.5)
