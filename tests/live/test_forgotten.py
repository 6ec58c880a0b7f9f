"""Forgotten: after an erasure no byte under `var/` says who asked for it, also when their player goes on sending.

Long because one stack, which takes a minute to come up, is looked through by all of them.
"""

import base64
import contextlib
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import brotli
import duckdb
import httpx
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from backports import zstd
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from until import until
from whole_stack import Stack

from qoescope.catalog.doors import FORGOTTEN
from qoescope.catalog.erasures import ERASURES
from qoescope.catalog.operations import LAKE_TABLES, SESSION_ROWS, SESSION_VERSIONS
from qoescope.catalog.topics import DEAD_LETTERS_TOPIC, TOPICS
from qoescope.compile import arrow, pseudonyms
from qoescope.compile.viewer_ids import find_viewer_ids
from qoescope.connect import days, kafka, postgres, viewer_keys, write_access
from qoescope.connect.lake.compaction import vacuum_table
from qoescope.connect.lake.reading import list_files
from qoescope.connect.lake.tables import open_table
from qoescope.connect.writing import Writer
from qoescope.emit.jobs.csv import write_csv
from qoescope.ingest import keys
from qoescope.ingest.jobs import manage_keys
from qoescope.mart.jobs import lake_days, quality
from qoescope.mart.jobs.ledger import check_books
from qoescope.settings import Settings, environment
from qoescope.stack import assembly, demo
from qoescope.stack import kafka as broker

pytestmark = pytest.mark.live
UP_S, SETTLED_S = 600, 300
ADA, BOB, OLD = "ada.lovelace@example.com", "bob.builder@example.com", "old.visitor@example.com"
CARL, CARLS_ID = "carl.mended@example.com", "carl.mended@example.com\t\x85" + 600 * "C"
"""What stands at the beginning of an id that the door changes, and the id."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own, whose log drops what is over within a second."""
    folder = tmp_path_factory.mktemp("forgotten")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, door_refresh_s=0.5,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "RETENTION_CHECK_MS", 500)
        key = demo.door_key(settings)
        with assembly.run_parts(settings, ["collect", "stream"]) as (placed, children):
            children.wait([child.name for child in children], UP_S)
            yield Stack(placed, children, key, folder)


def beacon(viewer: object, session: str, *events: dict[str, Any]) -> bytes:
    """A beacon of this viewer."""
    at = int(datetime.now(UTC).timestamp() * 1000)
    begun = {"seq": 1, "at": at, "type": "playback_request", "state": "idle", "state_ms": 0}
    return json.dumps({"session": {"session_id": session, "viewer_id": viewer}, "events": events or [begun]}).encode()


def bad(viewer: str) -> list[tuple[bytes, dict[str, str]]]:
    """What cannot be understood, whole or in part, and names the viewer."""
    whole = beacon(viewer, "bad")
    return [
        (beacon(viewer, "bad", {"seq": -1}), {}),
        (whole[: whole.index(b'"events"')], {}),
        (whole.replace(b'"session_id": "bad"', b'"session_id": 7'), {}),
        (gzip.compress(whole[:-2]), {"Content-Encoding": "gzip"}),
        (gzip.compress(whole)[:-9], {"Content-Encoding": "gzip"}),
        (whole, {"Content-Encoding": "compress"}),
    ]


def send(stack: Stack, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(
        f"{stack.door}/v1/beacons", content=body, headers=headers | {"Authorization": f"Bearer {stack.key}"}, timeout=30
    )


def letters(stack: Stack) -> int:
    return int(stack.rows("select count(*) from dead_letters")[0][0])


def newest(stack: Stack) -> int:
    """The greatest offset of a dead letter; -1 for none."""
    return int(stack.rows("select coalesce(max(kafka_offset), -1) from dead_letters")[0][0])


def bodies(stack: Stack, after: int) -> list[bytes]:
    """Bytes of the dead letters behind this offset."""
    rows = stack.rows("select body from dead_letters where kafka_offset > %s order by kafka_offset", after)
    return [bytes(body) for (body,) in rows]


def spoken(stack: Stack, text: str, *arguments: str) -> str:
    """What a command says that reads this from its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "qoescope.cli.app", *arguments], input=f"{text}\n", capture_output=True, text=True,
        env=environment({"QOESCOPE_VAR": str(stack.settings.var)}), check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def forms(text: str) -> list[bytes]:
    """How the id can stand in bytes: as it is, in UTF-16, as hex, and in base64 wherever it begins."""
    plain = text.encode()
    turned = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, text.encode("utf-16-le"), plain.hex().encode(), *turned]


def in_files(stack: Stack, text: str) -> list[str]:
    """Files under `var/` with the id, also inside Parquet's packed pages."""
    found, wanted = [], forms(text)
    with duckdb.connect() as engine:
        for path in sorted(p for p in stack.settings.var.rglob("*") if p.is_file()):
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # a stream beside us removes what it needs no more
                continue
            packed = path.suffix == ".parquet" and engine.execute(
                "select count(*) from read_parquet($path, hive_partitioning = false) t "
                "where contains(t::varchar, $text)",
                {"path": str(path), "text": text},
            ).fetchall() != [(0,)]
            if packed or any(form in data for form in wanted):
                found.append(str(path.relative_to(stack.settings.var)))
    return found


def in_log(stack: Stack, text: str) -> list[str]:
    """Records with the id, unpacked."""
    found = []
    for topic in TOPICS:
        for message in kafka.records(stack.settings, topic.name):
            value = message.value() or b""
            bodies = [value]
            if topic is DEAD_LETTERS_TOPIC:
                body = base64.b64decode(json.loads(value)["body_base64"])
                bodies += [body, *map(str.encode, find_viewer_ids(body).ids)]
            if any(form in one for form in forms(text) for one in bodies):
                found.append(f"{topic.name} {message.partition()} {message.offset()}")
    return found


def in_tables(stack: Stack, text: str) -> list[str]:
    """Tables of Postgres with the id, also in bytes and in what is packed."""
    names = stack.rows("select table_name from information_schema.tables where table_schema = 'qoescope'")
    asked = [(name, f"select count(*) from {name} t where t::text ~ %s") for (name,) in names]
    wanted = "|".join(form.decode("latin-1").replace("+", "\\+").replace("\0", "") for form in forms(text))
    return [name for name, sql in asked if stack.rows(sql, wanted) != [(0,)]]


def force_the_end(stack: Stack) -> None:
    """Brings about at once what retention, vacuum and checkpoints do in time."""
    settings = stack.settings
    for table in LAKE_TABLES:
        vacuum_table(settings, table, hours=0)
    admin = AdminClient({"bootstrap.servers": settings.brokers})
    short = {"retention.ms": "1", "file.delete.delay.ms": "1"}
    entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType.SET) for n, v in short.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, DEAD_LETTERS_TOPIC.name, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)
    password = (settings.var / "secrets" / "super.password").read_text()
    where = f"host=127.0.0.1 port={settings.postgres_port} dbname=qoescope user=super password={password}"
    with psycopg.connect(where, autocommit=True) as connection:
        for command in ("alter system set wal_recycle = off", "select pg_reload_conf()", "vacuum full"):
            connection.execute(command.encode())
        for _ in range(10):  # also through the segments that were taken for later before that
            connection.execute("select pg_switch_wal()")
            connection.execute("checkpoint")
    log = settings.var / "kafka" / "data" / f"{DEAD_LETTERS_TOPIC.name}-0"
    until(lambda: not any(p.stat().st_size for p in log.glob("*.log*")), SETTLED_S, "the log drops its dead letters")


def test_erased_letters_stay_erased_when_the_stream_starts_again(stack: Stack) -> None:
    """A viewer whose id the door mends, and whose letters are the newest."""
    before = letters(stack)
    assert send(stack, beacon(CARLS_ID, "carl"), {}).json()["accepted"] == 1
    for number in range(3):
        assert send(stack, beacon(CARLS_ID, f"bad{number}", {"seq": -1}), {}).status_code == 200
    until(lambda: letters(stack) == before + 3, SETTLED_S, "dead letters are in Postgres")
    stack.settled()
    (receipt,) = json.loads(spoken(stack, CARLS_ID, "batch", "forget", "--property", "demo", "--json"))
    assert (receipt["events"], receipt["sessions"], receipt["letters"]) == (1, 1, 3)
    stack.children["stream"].restart({})
    assert send(stack, b"[1", {}).status_code == 400
    until(lambda: letters(stack) == before + 1, SETTLED_S, "the stream goes on behind them")
    assert in_tables(stack, CARL) == []
    assert stack.rows("select records from stream_offsets where stream = 'dead_letters'") == [
        (next(iter(kafka.offsets(stack.settings, DEAD_LETTERS_TOPIC.name).values()))[1],)
    ]
    assert check_books(stack.settings).ok


def test_a_forgotten_viewers_player_leaves_nothing_however_it_packs_and_writes(stack: Stack) -> None:
    until(lambda: forgotten(stack, CARLS_ID), 60, "the door filters his beacons")
    broken = beacon(CARLS_ID, "carl", {"seq": -1})
    before = newest(stack)
    unread = [
        (zstd.compress(broken) + b"junk", {"Content-Encoding": "zstd"}),
        (brotli.compress(broken)[:-4], {"Content-Encoding": "br"}),
        (brotli.compress(broken + bytes(5_000_000)), {"Content-Encoding": "br"}),
    ]
    for body, headers in unread:
        assert send(stack, body, headers).status_code in (400, 413)
    for body, headers in (
        (broken.replace(b"CC", b"\\u0043\\u0000C"), {}),
        (zstd.compress(broken[:-1]), {"Content-Encoding": "zstd"}),
        (broken.replace(json.dumps(CARLS_ID).encode(), json.dumps([CARLS_ID]).encode()), {}),
        (broken.replace(json.dumps(CARLS_ID).encode(), json.dumps({"id": CARLS_ID}).encode()), {}),
    ):
        assert send(stack, body, headers).status_code in (200, 400)
    assert send(stack, b"[2", {}).status_code == 400
    until(lambda: bodies(stack, before)[-1:] == [b"[2"], SETTLED_S, "the last letter is in Postgres")
    assert set(bodies(stack, before)) <= {b"", b"[2"}
    assert in_tables(stack, CARL) == []


def test_no_byte_says_who_was_forgotten_also_when_their_player_goes_on(stack: Stack) -> None:
    before = letters(stack)
    for number, viewer in enumerate((ADA, BOB)):
        assert send(stack, beacon(viewer, f"s{number}"), {}).json()["accepted"] == 1
        for body, headers in bad(viewer):
            assert send(stack, body, headers).status_code in (200, 400, 413, 415)
    until(lambda: letters(stack) == before + 12, SETTLED_S, "dead letters are in Postgres")
    stack.settled()
    assert in_tables(stack, ADA) == ["dead_letters"]
    assert len(in_log(stack, ADA)) >= 4
    (name,) = spoken(stack, ADA, "batch", "pseudonyms", "--property", "demo").split()
    said = spoken(stack, ADA, "batch", "forget", "--property", "demo", "--json")
    assert ADA not in said
    (receipt,) = json.loads(said)
    assert (receipt["viewers"], receipt["events"], receipt["sessions"], receipt["letters"]) == ([name], 1, 1, 6)
    known = manage_keys.keys_path(stack.settings)
    until(lambda: ("demo", name) in keys.decode(known.read_bytes()).forgotten, 60, "the door knows the tombstone")
    answer = until(lambda: forgotten(stack, ADA), 60, "the door filters her beacons")
    assert answer["accepted"] == 0
    for body, headers in bad(ADA):
        assert send(stack, body, headers).status_code in (200, 400, 413, 415)
    assert send(stack, b"{", {}).status_code == 400  # somebody's, told apart by nothing
    until(lambda: letters(stack) == before + 7, SETTLED_S, "the last letter is in Postgres")
    stack.settled()
    assert [in_tables(stack, viewer) for viewer in (ADA, BOB)] == [[], ["dead_letters"]]
    assert check_books(stack.settings).ok  # also while the log has what was erased
    force_the_end(stack)
    assert in_log(stack, ADA) == []
    assert in_files(stack, ADA) == []
    assert in_tables(stack, ADA) == []
    assert any("postgres/data/base" in path for path in in_files(stack, BOB))  # what is there is found
    assert check_books(stack.settings).ok


def forgotten(stack: Stack, viewer: str) -> dict[str, Any] | None:
    """The answer to a beacon of theirs, once it is filtered."""
    answer: dict[str, Any] = send(stack, beacon(viewer, "again"), {}).json()
    return answer if answer["filtered"] else None


def test_an_id_that_an_older_version_kept_gives_way_to_its_pseudonym(stack: Stack) -> None:
    settings, at = stack.settings, datetime(2026, 1, 2, tzinfo=UTC)
    (name,) = pseudonyms.all_pseudonyms(viewer_keys.read(settings), "demo", OLD)
    receipt = {"property": "demo", "asked_at": at, "events": 1, "sessions": 2, "marts": 3, "letters": 0, "gone_by": at}
    write_access.put(
        settings, ERASURES, [receipt | {"viewer_id": viewer, "gone_by": at.date()} for viewer in (OLD, name)]
    )
    write_access.put(
        settings, FORGOTTEN, [{"property": "demo", "viewer_id": v, "forgotten_at": at} for v in (OLD, name)]
    )
    until(lambda: in_tables(stack, OLD) == [], 60, "pseudonyms stand in its place")
    told = stack.rows("select events, sessions, marts from erasures where viewer_id = %s and asked_at = %s", name, at)
    assert told == [(2, 4, 6)]
    assert stack.rows("select count(*) from forgotten where viewer_id = %s", name) == [(1,)]
    known = keys.decode(manage_keys.keys_path(settings).read_bytes()).forgotten
    assert (("demo", name) in known, ("demo", OLD) in known) == (True, False)


def named_in_tables(stack: Stack, viewer: str) -> list[str]:
    """Postgres' tables about viewers that have this one in a row."""
    tables = ("sessions", "viewer_day", "forgotten", "erasures")
    named = f"\\m{viewer}\\M"
    return [name for name in tables if stack.rows(f"select 1 from {name} t where t::text ~ %s limit 1", named)]


def publish_after(stack: Stack, version: int) -> None:
    """As a stream does that was at this version of the lake when the erasure began, and comes to it now."""
    stack.rows("update stream_progress set version = %s where stream = 'quality' returning 1", version)
    with contextlib.closing(Writer(stack.settings, Event())) as writer:
        quality.Publisher(stack.settings, writer, Event(), Event()).publish()


def test_an_import_brings_nobody_back(stack: Stack, tmp_path: Path) -> None:
    version = open_table(stack.settings, SESSION_VERSIONS).version()
    file = write_csv(tmp_path, sessions=300, seed=5, progress=False).paths[0]
    said = json.loads(spoken(stack, "", "batch", "import", str(file), "--property", "archive", "--json"))
    assert said[0]["sessions"] == 300
    viewer, count = stack.rows(
        "select viewer_id, count(*) from sessions where property = 'archive' group by 1 order by 2 desc, 1 limit 1"
    )[0]
    (receipt,) = json.loads(spoken(stack, viewer, "batch", "forget", "--property", "archive", "--json"))
    assert (receipt["sessions"], viewer in str(receipt)) == (count, False)
    publish_after(stack, version)
    assert named_in_tables(stack, viewer) == []
    again = json.loads(spoken(stack, "", "batch", "import", str(file), "--property", "archive", "--json"))
    assert again[0]["changed"] == 0
    assert stack.rows("select count(*) from sessions where property = 'archive'") == [(300 - count,)]
    assert named_in_tables(stack, viewer) == []


def test_who_was_erased_meanwhile_is_not_written(stack: Stack) -> None:
    """Rows that were read before an erasure are read again, by a stream and by a batch."""
    (rows,) = quality.read_latest(stack.settings, list_files(open_table(stack.settings, SESSION_VERSIONS)))
    asked: list[int] = []

    def read() -> pa.Table:
        if not asked:
            spoken(stack, "somebody", "batch", "forget", "--property", "archive")
        asked.append(len(rows))
        return arrow.conform(rows, SESSION_ROWS)

    with postgres.connect(stack.settings, "writer") as connection:
        before = days.count_erasures(connection)
        days.replace(connection, pc.unique(rows["day"]).to_pylist(), read, lake_days.mart_writes)
        assert len(asked) == 2
        with pytest.raises(days.ErasedMeanwhile):
            days.correct(connection, arrow.conform(rows, SESSION_ROWS), rows.slice(0, 0), lambda *_: [], before)
