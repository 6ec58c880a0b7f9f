"""Health of a process: what each of its streams and loops last did, written to a file every second."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from qoescope.connect.causes import Cause, explain
from qoescope.connect.disks import free_bytes, name_full_disk
from qoescope.settings import Settings

log = logging.getLogger("qoescope.health")
State = Literal["starting", "running", "stopping", "stopped"]
HEARTBEAT_S = 1.0
ENDS_KEPT = 10


@dataclass(frozen=True, slots=True)
class LoopHealth:
    """Health of one stream or loop. Times are epoch seconds of the machine it runs on."""

    name: str
    succeeded_at: float | None = None
    """End of the last good batch, or of the last check that found no work."""
    waiting_since: float | None = None
    """Since when there has been work without a good batch; None when there is no work."""
    failures: int = 0
    """Failures since the last good batch."""
    failed_at: float | None = None
    failing_since: float | None = None
    """The first failure since the last good batch; None when there was none."""
    cause: str = ""
    """Why it last failed, in one line; kept after it recovers."""
    anchor: str = ""
    """The runbook's section about that cause."""
    restarts: int = 0
    lag_records: int | None = None
    lag_s: float | None = None
    oldest_open_at: float | None = None
    """Arrival of the oldest event whose session is not folded yet."""
    set_aside: int = 0
    """Records that broke their batch and were set aside; counted over restarts."""
    set_aside_at: float | None = None
    set_aside_why: str = ""
    """The last of them, and how it broke, in one line."""


@dataclass(frozen=True, slots=True)
class PartHealth:
    """Health of one process: its state, and its loops."""

    part: str
    host: str
    pid: int
    since: float
    written_at: float
    state: State
    ends: tuple[float, ...] = ()
    """When earlier processes of this part ended without stopping in order."""
    free_bytes: Mapping[str, int] = field(default_factory=dict)
    loops: tuple[LoopHealth, ...] = ()


class Loop:
    """Receives the outcomes of a loop's batches; any thread may call it."""

    def __init__(self, health: LoopHealth, lock: threading.Lock, settings: Settings) -> None:
        self._lock, self.health, self._settings = lock, health, settings

    def succeeded(self) -> None:
        """A batch was written, or there was nothing to do."""
        with self._lock:
            self.health = replace(
                self.health, succeeded_at=time.time(), waiting_since=None, failures=0, failing_since=None
            )

    def working(self) -> None:
        """There is work; a good batch is due."""
        with self._lock:
            if self.health.waiting_since is None:
                self.health = replace(self.health, waiting_since=time.time())

    def resting(self) -> None:
        """There is no work; whether the next batch will succeed is unknown."""
        with self._lock:
            self.health = replace(self.health, waiting_since=None)

    def failed(self, error: BaseException | str) -> Cause:
        """A batch, or an attempt to start one, failed; returns the cause."""
        cause, now = name_full_disk(explain(error), self._settings), time.time()
        with self._lock:
            self.health = replace(
                self.health,
                failures=self.health.failures + 1,
                failed_at=now,
                failing_since=self.health.failing_since or now,
                cause=cause.sentence,
                anchor=cause.anchor,
            )
        return cause

    def restarted(self) -> None:
        """It was started again."""
        with self._lock:
            self.health = replace(self.health, restarts=self.health.restarts + 1)

    def set_aside(self, records: int, why: str) -> None:
        """So many records broke their batch and were set aside, the last for this reason; the others are stored."""
        with self._lock:
            self.health = replace(
                self.health,
                set_aside=self.health.set_aside + records,
                set_aside_at=time.time(),
                set_aside_why=" ".join(why.split()),
            )

    def lags(
        self, *, records: int | None = None, seconds: float | None = None, oldest_open_at: float | None = None
    ) -> None:
        """How far it is behind: in records, in seconds of arrival, and the oldest event in no session row."""
        age = None if seconds is None else max(0.0, seconds)
        with self._lock:
            self.health = replace(self.health, lag_records=records, lag_s=age, oldest_open_at=oldest_open_at)


class HealthBoard:
    """The health of this process, written every second while it is open.

    To a file, which can be read while Postgres is down, and by `health_rows` to Postgres, for other machines.
    """

    def __init__(self, settings: Settings, part: str, loops: Sequence[str]) -> None:
        self._lock, self._settings = threading.Lock(), settings
        self._path = path(settings, part)
        before = read_file(self._path)
        self._loops = {name: Loop(_initial_health(name, before), self._lock, settings) for name in loops}
        self._done = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="health", daemon=True)
        now = time.time()
        self._part = PartHealth(
            part, socket.gethostname(), os.getpid(), now, now, "starting", _unclean_ends(before, now)
        )

    def __getitem__(self, name: str) -> Loop:
        return self._loops[name]

    def __enter__(self) -> Self:
        """Starts to write."""
        self._write()
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Marks the process as stopped; after an exception its silence shows that it failed."""
        self._done.set()
        self._heart.join(5)
        if kind is None:
            self.set_state("stopped")

    @property
    def state(self) -> State:
        """The state of the process."""
        return self._part.state

    def set_state(self, state: State) -> None:
        """Sets and writes the state of the process."""
        with self._lock:
            self._part = replace(self._part, state=state)
        self._write()

    def snapshot(self) -> PartHealth:
        """The health of the process at this moment."""
        with self._lock:
            loops = tuple(loop.health for loop in self._loops.values())
            return replace(self._part, written_at=time.time(), loops=loops, free_bytes=dict(free_bytes(self._settings)))

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_S):
            self._write()

    def _write(self) -> None:
        text = dump(self.snapshot())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            beside.write_text(text)
            beside.replace(self._path)
        except OSError as error:  # a full disk still takes what replaces as many bytes
            with suppress(OSError), self._path.open("r+") as file:
                size = self._path.stat().st_size
                file.write(text.ljust(size)[: max(size, len(text))])
                return
            log.warning("health is not written: %s", error)


def _unclean_ends(before: PartHealth | None, now: float) -> tuple[float, ...]:
    """When earlier processes ended without stopping in order, the one that wrote `before` among them."""
    if before is None:
        return ()
    fresh = () if before.state == "stopped" else (min(now, before.written_at),)
    return (*before.ends, *fresh)[-ENDS_KEPT:]


def _initial_health(name: str, before: PartHealth | None) -> LoopHealth:
    """A loop's health at its start; only records that an earlier process set aside are known."""
    known = next((loop for loop in before.loops if loop.name == name), None) if before else None
    if known is None:
        return LoopHealth(name)
    kept = {key: getattr(known, key) for key in ("set_aside", "set_aside_at", "set_aside_why")}
    return LoopHealth(name, **kept)


def folder(settings: Settings) -> Path:
    """The folder of processes' health files."""
    return settings.var / "run" / "health"


def path(settings: Settings, part: str) -> Path:
    """The health file of a part."""
    return folder(settings) / f"{part}.json"


def dump(part: PartHealth) -> str:
    """The health as JSON."""
    return json.dumps(asdict(part))


def load(text: str) -> PartHealth:
    """The health in the JSON; members unknown to this version are dropped."""
    members = json.loads(text)
    loops = tuple(LoopHealth(**_known(LoopHealth, loop)) for loop in members.pop("loops"))
    ends = tuple(members.pop("ends"))
    return PartHealth(**_known(PartHealth, members), ends=ends, loops=loops)


def shift_times(part: PartHealth, by_s: float) -> PartHealth:
    """The health with its times shifted to another clock."""

    def at(time_: float | None) -> float | None:
        return None if time_ is None else time_ + by_s

    loops = tuple(
        replace(
            loop,
            succeeded_at=at(loop.succeeded_at),
            waiting_since=at(loop.waiting_since),
            failed_at=at(loop.failed_at),
            failing_since=at(loop.failing_since),
            set_aside_at=at(loop.set_aside_at),
            oldest_open_at=at(loop.oldest_open_at),
        )
        for loop in part.loops
    )
    ends = tuple(end + by_s for end in part.ends)
    return replace(part, since=part.since + by_s, written_at=part.written_at + by_s, ends=ends, loops=loops)


def _known(kind: type[LoopHealth | PartHealth], members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name in kind.__dataclass_fields__}


def read_file(file: Path) -> PartHealth | None:
    """The health in the file; None when there is none, or it is unreadable."""
    try:
        return load(file.read_text())
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read(settings: Settings) -> list[PartHealth]:
    """The health of all processes that share this folder."""
    parts = (read_file(file) for file in sorted(folder(settings).glob("*.json")))
    return [part for part in parts if part is not None]
