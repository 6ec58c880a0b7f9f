"""Identities: which events the lake holds already, whatever clocks say. An index beside the lake, made from it anew."""

import contextlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qoescope.catalog.tables import EVENTS
from qoescope.connect.lake.reading import read_rows, read_session_rows
from qoescope.connect.lake.tables import File
from qoescope.host.files import PRIVATE, replacing
from qoescope.lake import events as product
from qoescope.lake import session_seqs
from qoescope.lake.session_seqs import Ints, Runs
from qoescope.settings import Settings

EPOCH = date(1970, 1, 1)
KEPT_S = 3600.0
"""Hashes of a file that is gone stay for so long: a batch under way may ask for them."""
FILES_REMEMBERED = 1_024
READ_AT_ONCE = 16 * 1024 * 1024
"""Bytes of files whose identities are read at once, when the index does not know them."""


class Known:
    """What a batch may find in the lake: its files, and how far the numbers of its sessions have come.

    It is looked up when it is first asked for: ticks ask for nothing. `runs` is None where the index is out of reach;
    then each event is looked for in all files of its bucket.
    """

    def __init__(
        self, look: Callable[[], tuple[Sequence[File], Sequence[Ints] | None]], *, for_others: bool = False
    ) -> None:
        self.for_others = for_others
        """Whether other processes ask next for the identities that are written here."""
        self._look: Callable[[], tuple[Sequence[File], Sequence[Ints] | None]] | None = look
        self._files: list[File] = []
        self._runs: list[Ints] | None = None

    @property
    def files(self) -> list[File]:
        """Files of `events`."""
        self._found()
        return self._files

    @property
    def runs(self) -> list[Ints] | None:
        """Runs of the index."""
        self._found()
        return self._runs

    def add(self, written: Sequence[File], run: Ints) -> None:
        """What a part has written is known to the next one."""
        self.files.extend(written)
        if self._runs is not None and run.shape[1]:
            self._runs.append(run)

    def _found(self) -> None:
        if self._look is not None:
            files, runs = self._look()
            self._files, self._runs, self._look = list(files), None if runs is None else list(runs), None


def known(settings: Settings, events: pa.Table, hashes: product.Hashes, sessions: Ints, there: Known) -> pa.Table:
    """What the lake holds of these identities.

    An event beyond the greatest number of its session is new. Others are looked for wherever their session lies.
    """
    files = there.files
    if there.runs is not None:
        doubtful = events["seq"].to_numpy() <= session_seqs.reached(there.runs, sessions)
        if not doubtful.any():
            return read_rows(settings, EVENTS, [], product.KNOWN)
        lies = {(EPOCH + timedelta(days=n)).isoformat() for n in session_seqs.days(there.runs, sessions[doubtful])}
        files = [f for f in files if f.session_day in lies]
        events, hashes = events.filter(pa.array(doubtful)), hashes[doubtful]
    buckets = set(events["bucket"].to_pylist())
    met = [f for f in files if f.bucket in buckets]
    suspicious, held = product.suspects(events, hashes, [f.bucket for f in met], [_hashes(settings, f) for f in met])
    suspected = [f for f, suspected in zip(met, suspicious, strict=True) if suspected]
    return read_session_rows(settings, EVENTS, suspected, held, product.KNOWN)


def _hashes(settings: Settings, file: File) -> product.Hashes:
    """Hashes of the identities in a file, in order: as its writer left them, else from the file."""
    if (mine := _written.get(file.path)) is not None:
        return mine
    with contextlib.suppress(FileNotFoundError, ValueError, EOFError):
        return _loaded(settings.var, file.path)
    found = np.sort(product.hashes(read_rows(settings, EVENTS, [file], product.IDENTITY)))
    _save(_kept(settings.var, file.path), found)
    return found


@lru_cache(maxsize=4096)
def _loaded(var: Path, path: str) -> product.Hashes:
    return np.load(_kept(var, path), mmap_mode="r")


_written: dict[str, product.Hashes] = {}
"""Hashes of the files that this process has written last."""


def keep(
    settings: Settings, written: Sequence[File], events: pa.Table, hashes: product.Hashes, *, for_others: bool
) -> None:
    """Keeps the hashes of these files' identities for the next batches, of this process or of others."""
    days, buckets = events["session_day"].to_numpy(), events["bucket"].to_numpy()
    for file in written:
        here = np.sort(hashes[(days == np.datetime64(file.session_day)) & (buckets == file.bucket)])
        if for_others:
            _save(_kept(settings.var, file.path), here)
        else:
            _written[file.path] = here
    while len(_written) > FILES_REMEMBERED:
        del _written[next(iter(_written))]


def _save(kept: Path, found: npt.NDArray[Any]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept, PRIVATE) as file:
        np.save(file, found)


def _kept(var: Path, path: str) -> Path:
    return folder(var) / f"{Path(path).stem}.npy"


def folder(var: Path) -> Path:
    """Where the hashes lie."""
    return var / "cache" / f"identities-duckdb-{duckdb.__version__}"


@dataclass(frozen=True, slots=True)
class Shared:
    """The index as a task is told of it: names of its runs."""

    runs: tuple[str, ...]

    def opened(self) -> list[Ints] | None:
        """The runs; None on a machine that cannot see them."""
        try:
            return [_opened(name) for name in self.runs]
        except (FileNotFoundError, ValueError, EOFError):
            return None


@lru_cache(maxsize=64)
def _opened(name: str) -> Ints:
    return np.load(name, mmap_mode="r")


@dataclass(slots=True)
class Index:
    """How far the numbers of each session have come, for all files of the lake. It belongs to one driver.

    It is kept in files, for a start and for tasks; what they do not cover is read from the lake.
    """

    settings: Settings
    runs: Runs = field(default_factory=Runs)
    covered: set[str] = field(default_factory=set)
    """Paths of the files whose events it knows."""
    saved: list[tuple[Ints, str]] = field(default_factory=list)
    """Runs that lie in files, and the files' names."""

    @classmethod
    def opened(cls, settings: Settings) -> "Index":
        """The index as it was left; empty when there is none."""
        index = cls(settings)
        with contextlib.suppress(FileNotFoundError, ValueError, EOFError, KeyError):
            left = json.loads((index.folder / "index.json").read_text())
            held = [np.load(index.folder / name, mmap_mode="r") for name in left["runs"]]
            index.runs.held, index.covered = held, set(left["covered"])
            index.saved = list(zip(held, left["runs"], strict=True))
        return index

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return folder(self.settings.var) / "sessions"

    def update(self, found: Sequence[File]) -> None:
        """Learns the files that it does not know: at a start, and what somebody else has written."""
        unknown = [f for f in found if f.path not in self.covered]
        while unknown:
            some: list[File] = []
            size = 0
            while unknown and (not some or size + unknown[-1].size <= READ_AT_ONCE):
                some.append(unknown.pop())
                size += some[-1].size
            events = read_rows(self.settings, EVENTS, some, (*product.IDENTITY, "session_day"))
            self.add(some, session_seqs.run_of(events, product.both_hashes(events)[1]))

    def add(self, written: Sequence[File], run: Ints) -> None:
        """Learns what was written into these files."""
        self.runs.add(run)
        self.covered.update(f.path for f in written)

    def replaced(self, gone: Sequence[File], come: Sequence[File]) -> None:
        """Files of one part were joined: hashes are joined alike, and no event is new."""
        if all(f.path in self.covered for f in gone) and sum(f.rows for f in gone) == sum(f.rows for f in come):
            self.covered.update(f.path for f in come)
            if len(come) == 1:
                joined = np.concatenate([_hashes(self.settings, f) for f in gone])
                _save(_kept(self.settings.var, come[0].path), np.sort(joined))

    def shared(self) -> Shared:
        """The index in files, for tasks and the next start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self.saved
        self.saved = [(run, self._saved(run)) for run in self.runs.held]
        names = [name for _, name in self.saved]
        half = self.folder / "index.half"
        half.write_text(json.dumps({"runs": names, "covered": sorted(self.covered)}))
        half.replace(self.folder / "index.json")
        for old in {name for _, name in before} - set(names):
            (self.folder / old).unlink(missing_ok=True)
        return Shared(tuple(str(self.folder / name) for name in names))

    def _saved(self, run: Ints) -> str:
        for known, name in self.saved:
            if known is run:
                return name
        name = f"{uuid.uuid4().hex}.npy"
        _save(self.folder / name, run)
        return name

    def tidy(self, found: Sequence[File], now: float) -> None:
        """Forgets files that are gone, and saves what there is."""
        self.covered &= {f.path for f in found}
        there = {Path(path).stem for path in self.covered}
        for kept in folder(self.settings.var).glob("*.npy"):
            with contextlib.suppress(FileNotFoundError):
                if kept.stem not in there and now - kept.stat().st_mtime > KEPT_S:
                    kept.unlink()
        self.shared()


def places(events: pa.Table) -> set[tuple[str, int]]:
    """(session_day, bucket) of each part of the lake that holds one of these events."""
    parts = events.select(["session_day", "bucket"]).group_by(["session_day", "bucket"]).aggregate([])
    return {(row["session_day"].isoformat(), row["bucket"]) for row in parts.to_pylist()}
