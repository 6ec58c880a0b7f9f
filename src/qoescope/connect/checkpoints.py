"""Checkpoints of streams: where they are, who owns them, whether they are readable, how a damaged one is set aside."""

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic

from qoescope.catalog.errors import Mistake
from qoescope.connect import locks
from qoescope.connect.causes import Cause, Explained
from qoescope.settings import Settings

RUNBOOK_ANCHOR = "a-checkpoint-is-damaged"
LATEST = 2
"""A starting stream reads its last batch, and the one before."""
CHUNK, MAGIC = 512, b"crc\0"
"""Hadoop keeps beside each file a checksum of each so many bytes."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a checkpoint that cannot be read, and why."""

    file: Path
    why: str

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.file.parent.name}/{self.file.name} {self.why}"


@dataclass(frozen=True, slots=True)
class Repair:
    """The outcome of a repair."""

    stream: str
    damages: tuple[str, ...]
    set_aside: str
    at: str


def location(settings: Settings, name: str) -> str:
    """The stream's checkpoint: a folder or a URL."""
    root = settings.checkpoints or str((settings.var / "checkpoints").absolute())
    return f"{root.rstrip('/')}/{name}"


def own(settings: Settings, name: str) -> AbstractContextManager[object]:
    """Owns the checkpoint while the block runs; raises `Owned` at once when another process does."""
    where = location(settings, name)
    what = f"the checkpoint of stream '{name}'"
    return locks.Lease(settings, f"{what} {where}") if "://" in where else locks.own(Path(f"{where}.lock"), what)


@contextmanager
def own_soon(settings: Settings, name: str, within_s: float) -> Iterator[None]:
    """As `own`, but waits up to `within_s` for the owner: a failing stream releases it between attempts."""
    deadline, pause = monotonic() + within_s, Event()
    with ExitStack() as owned:
        while True:
            try:
                owned.enter_context(own(settings, name))
                break
            except locks.Owned:
                if monotonic() > deadline:
                    raise
                pause.wait(0.05)
        yield


def list_names(settings: Settings) -> list[str]:
    """Streams that have a checkpoint in a folder."""
    folders = Path(location(settings, "x")).parent.glob("*/offsets")
    return sorted(damages.parent.name for damages in folders if ".damaged-" not in damages.parent.name)


def remove_leftovers(where: str) -> None:
    """Removes files of a first batch that was never planned: Spark cannot start beside them."""
    for kind in ("offsets", "commits"):
        files = [] if "://" in where else list(Path(where, kind).glob("*"))
        if not any(file.name.isdecimal() for file in files):
            for file in files:
                file.unlink()


def check(settings: Settings, name: str) -> None:
    """Raises `Explained` when a file of the checkpoint is damaged, naming the file and the repair."""
    remove_leftovers(location(settings, name))
    damages = list(find_damages(location(settings, name)))
    if damages:
        sentence = f"the checkpoint is damaged: {damages[0]}; run `qoescope repair {name}`"
        raise Explained(Cause(sentence, RUNBOOK_ANCHOR))


def find_damages(where: str) -> Iterator[Damage]:
    """Files that would stop the stream from starting; none where the checkpoint is not in a local folder."""
    folder = Path(where)
    if "://" in where or not folder.is_dir():
        return
    metadata = folder / "metadata"
    if metadata.exists():
        yield from _damage_of(metadata, _why_metadata(metadata.read_bytes()))
    for kind, lines in (("offsets", 3), ("commits", 2)):
        numbers = sorted(int(file.name) for file in (folder / kind).glob("[0-9]*") if file.name.isdecimal())
        for number in numbers[-LATEST:]:
            file = folder / kind / str(number)
            yield from _damage_of(file, _why_log(file.read_bytes(), lines))


def _damage_of(file: Path, why: str) -> Iterator[Damage]:
    why = why or _why_checksum(file)
    if why:
        yield Damage(file, why)


def _why_metadata(content: bytes) -> str:
    try:
        return "" if json.loads(content)["id"] else "does not say which stream it is"
    except (ValueError, KeyError, TypeError):
        return "is cut or unreadable" if content.strip(b"\0 \n") else "is empty"


def _why_log(content: bytes, least: int) -> str:
    """Why a file of offsets or commits cannot be read: it has a version, a JSON line, and offsets of each source."""
    if not content.strip(b"\0 \n"):
        return "is empty"
    try:
        version, *lines = content.decode().splitlines()
        if not version.startswith("v") or not version[1:].isdecimal():
            return "does not begin with a version"
        for line in lines:
            if line != "-" and not isinstance(json.loads(line), dict | int):
                return "is unreadable"
    except ValueError:
        return "is cut or unreadable"
    return "" if len(lines) >= least - 1 else "lacks its last line"


def _why_checksum(file: Path) -> str:
    beside = file.with_name(f".{file.name}.crc")
    if not beside.exists():
        return ""
    content, sums = file.read_bytes(), beside.read_bytes()
    if not sums.startswith(MAGIC) or len(sums) < len(MAGIC) + 4:
        return f"has an unreadable checksum beside it ({beside.name})"
    (size,) = struct.unpack(">I", sums[4:8])
    chunks = [content[at : at + size] for at in range(0, len(content), max(size, 1))]
    good = b"".join(struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return "" if good == sums[8:] else "is not what was written: its checksum differs"


def set_aside(settings: Settings, name: str) -> Repair:
    """Renames the stream's damaged checkpoint, permits a new one once, and logs the repair in a file.

    Raises `Mistake` where the checkpoint is not in a local folder.
    """
    where = location(settings, name)
    if "://" in where:
        raise Mistake(f"{where} is not a folder: move it away yourself, and set QOESCOPE_NEW_CHECKPOINT=true once")
    now = datetime.now(UTC)
    aside = Path(f"{where}.damaged-{now:%Y%m%dT%H%M%S}")
    done = Repair(name, tuple(map(str, find_damages(where))), str(aside), now.isoformat())
    line = json.dumps({"stream": name, "damages": done.damages, "set_aside": done.set_aside, "at": done.at})
    with (Path(where).parent / "repairs.jsonl").open("a") as books:
        books.write(line + "\n")
    _permit(where).write_text(line)
    Path(where).rename(aside)
    return done


def may_begin_anew(settings: Settings, name: str) -> bool:
    """Whether a repair permits the stream to begin a new checkpoint."""
    return _permit(location(settings, name)).exists()


def use_up_permit(settings: Settings, name: str) -> None:
    """Removes the permit of a repair once the stream has a new checkpoint."""
    where = location(settings, name)
    if "://" not in where and Path(where, "metadata").exists():
        _permit(where).unlink(missing_ok=True)


def _permit(where: str) -> Path:
    return Path(f"{where}.repaired")
