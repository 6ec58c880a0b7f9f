"""Jobs of the door: serve it, and make, revoke and list its keys."""

import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from qoescope.catalog.doors import KEYS, PROPERTIES
from qoescope.catalog.errors import Mistake
from qoescope.connect import doors, kafka, letters, postgres, viewer_keys
from qoescope.ingest import keys, records, rejudged
from qoescope.ingest.app import App
from qoescope.ingest.forgotten import Forgotten
from qoescope.ingest.http import Server
from qoescope.ingest.limits import Limits
from qoescope.ingest.workers import Duties, Workers, orphaned
from qoescope.settings import Settings

log = logging.getLogger(__name__)
GARBAGE = (50_000, 20, 50)
"""Collections are rarer than Python's default: what a request makes is freed by reference counts."""


def serve(settings: Settings) -> None:
    """Runs the collector until SIGTERM or SIGINT, then drains; blocks."""
    refuse_open_door(settings)
    viewer_secret(settings)
    others = Workers(partial(_work, settings, os.getpid()), settings.door_workers)
    try:
        _run(settings, 0, Duties(others.look, partial(synchronise, settings), others.leave))
    finally:
        others.leave()
        others.wait()


def _work(settings: Settings, parent: int, number: int) -> None:
    """One of the other processes; ends when the first one does."""

    def look() -> None:
        if orphaned(parent):
            os.kill(os.getpid(), signal.SIGTERM)

    _run(settings, number, Duties(look, _nothing, _nothing))


def _nothing() -> None:
    """What is the first process' work."""


def _run(settings: Settings, number: int, duties: Duties) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_served(settings, number, duties))


async def _served(settings: Settings, number: int, duties: Duties) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    app = App(settings, keys_path(settings), viewer_secret(settings), number)
    app.server = server = Server(app.handle, settings)
    try:
        await server.start()
    except OSError as error:
        raise Mistake(f"port {settings.door_port} is taken: set QOESCOPE_DOOR_PORT to another one") from error

    def look() -> None:
        server.look()
        duties.look()

    gc.collect()
    gc.freeze()  # what is here stays: no collection looks at it again
    gc.set_threshold(*GARBAGE)
    keeping = asyncio.create_task(app.keep(stop, duties.synchronise))
    await app.live(stop, look)
    duties.leave()
    server.stop()
    await app.drain(settings.door_stop_s - 1)
    await keeping


def refuse_open_door(settings: Settings) -> None:
    """Raises `Mistake` when the door would listen beyond this machine without TLS or a named proxy."""
    try:
        local = ipaddress.ip_address(settings.door_address).is_loopback
    except ValueError:
        local = settings.door_address == "localhost"
    tls = settings.door_tls_certificate is not None and settings.door_tls_key is not None
    if not (local or tls or settings.door_proxy):
        raise Mistake(
            f"the door would listen on {settings.door_address} in the clear: set QOESCOPE_DOOR_TLS_CERTIFICATE and "
            "QOESCOPE_DOOR_TLS_KEY, or name the proxy that speaks TLS in QOESCOPE_DOOR_PROXY"
        )


def keys_path(settings: Settings) -> Path:
    """The file of keys that the door reads."""
    return settings.door_keys or settings.var / "door" / "keys.json"


def new_key(settings: Settings, property_id: str) -> str:
    """Makes a key for the property and returns its secret, which is stored nowhere; raises `Mistake` beyond two."""
    now = datetime.now(UTC)
    secret, row = keys.made(property_id, now)
    with _changing(settings) as known:
        _write_snapshot(settings, keys.with_key(known, row))
    synchronise(settings)
    return secret


def revoke(settings: Settings, prefix: str) -> None:
    """Revokes the key of this prefix: the door refuses it within a few seconds."""
    with _changing(settings) as known:
        _write_snapshot(settings, keys.without_key(known, prefix, datetime.now(UTC)))
    synchronise(settings)


def synchronise(settings: Settings) -> None:
    """Brings the file of keys and the tables in Postgres to what either knows; without Postgres the file stays."""
    try:
        theirs = keys.from_rows(*doors.known(settings))
        with _changing(settings) as ours:
            both = keys.merged(ours, theirs)
            if not keys.is_digested(both):
                both = keys.digested(both, viewer_keys.read(settings))
            if both != ours:
                _write_snapshot(settings, both)
        if not keys.is_digested(theirs):
            doors.digest_forgotten(settings, viewer_keys.read(settings))
        doors.put(settings, KEYS, [msgspec.structs.asdict(key) for key in both.keys if key not in theirs.keys])
        new = [found for found in both.properties if found not in theirs.properties]
        doors.put(settings, PROPERTIES, [msgspec.structs.asdict(found) for found in new])
    except doors.AWAY as error:
        log.info("keys come from the file alone: %s", error)


@contextlib.contextmanager
def _changing(settings: Settings) -> Iterator[keys.Snapshot]:
    """What the door knows, while nobody else changes it."""
    path = keys_path(settings)
    _private_folder(path.parent)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield snapshot(settings)


def listed(settings: Settings) -> list[keys.Key]:
    """All keys, oldest first; secrets are not among what is known of them."""
    return sorted(snapshot(settings).keys, key=lambda key: key.created_at)


def snapshot(settings: Settings) -> keys.Snapshot:
    """What the door knows; empty before the first key."""
    path = keys_path(settings)
    return keys.decoded(path.read_bytes()) if path.exists() else keys.Snapshot()


def _write_snapshot(settings: Settings, known: keys.Snapshot) -> None:
    _replace(keys_path(settings), keys.encoded(known))


def replay(
    settings: Settings, property_id: str, only: Sequence[letters.Place] = (), reason: str = "", *,
    dry_run: bool = False, tell: Callable[[rejudged.Replayed], object] = lambda _: None,
) -> rejudged.Replayed:  # fmt: skip
    """The property's dead letters judged again, and what is accepted of them written to the log; blocks.

    A letter is marked once Kafka has it. Replayed twice, it adds nothing: the lake knows its events. Raises `Mistake`
    when Kafka is away; what it acknowledged until then is marked.
    """
    known, secret = keys.Keyring(_all_known(settings)), viewer_secret(settings)
    limits = Limits(**{name: getattr(settings, name) for name in Limits.__slots__})
    told, out = rejudged.Replayed(), kafka.Log(settings)
    forgotten = Forgotten(viewer_keys.read(settings), known.forgotten)
    with postgres.connect(settings, "writer") as connection:
        for found in letters.waiting(connection, property_id, only, reason):
            now = datetime.now(UTC)
            again = [rejudged.letter(one, known, int(now.timestamp() * 1000), secret, limits) for one in found]
            told.count(again)
            tell(told)
            if dry_run:
                continue
            sent = [forgotten.without_letters(one.outgoing) for one in again]
            kept = _acknowledged(out, sent, settings.kafka_delivery_ms / 1000 + 1)
            places = [(one["kafka_partition"], one["kafka_offset"]) for one in found]
            letters.mark(connection, [place for place, there in zip(places, kept, strict=True) if there], now)
            lost = sum(map(bool, sent)) - sum(kept)
            if lost:
                raise Mistake(f"Kafka did not acknowledge {lost} of the letters: replay again when it is back")
    return told


def _all_known(settings: Settings) -> keys.Snapshot:
    """What the file and Postgres know: a console has no file, and must not let in who is forgotten."""
    return keys.merged(snapshot(settings), keys.from_rows(*doors.known(settings)))


def _acknowledged(out: kafka.Log, sent: Sequence[Sequence[records.Outgoing]], within_s: float) -> list[bool]:
    """For each of these, whether it had records and Kafka has them all."""
    missing = [len(one) for one in sent]

    def told(number: int, error: object | None, _: object) -> None:
        missing[number] -= error is None

    for number, one in enumerate(sent):
        for record in one:
            out.send(record.topic, record.value, partial(told, number), record.key)
    out.flush(within_s)
    return [bool(one) and not missing[number] for number, one in enumerate(sent)]


def viewer_secret(settings: Settings) -> tuple[int, bytes]:
    """Version and key of the viewers' pseudonyms, the newest there is, made on first use.

    Raises `Mistake` when others may read one.
    """
    viewer_keys.ensure(settings)
    kept = viewer_keys.read(settings)
    return max(kept), kept[max(kept)]


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _create(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _replace(path: Path, data: bytes) -> None:
    """Writes the file so that a reader sees the old or the new, whole."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    _create(beside, data)
    beside.replace(path)
