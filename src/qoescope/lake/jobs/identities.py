"""Looks up which events the lake holds already, by an index beside the lake that can be rebuilt from it."""

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
from qoescope.host.files import PRIVATE, replacing, write_private
from qoescope.lake import deduplication, session_seqs
from qoescope.lake.session_seqs import Ints, SeqRuns
from qoescope.settings import Settings

EPOCH = date(1970, 1, 1)
KEEP_GONE_S = 3600.0
"""How long the hashes of a deleted file are kept: a batch under way may need them."""
FILES_REMEMBERED = 1_024
READ_AT_ONCE = 16 * 1024 * 1024
"""Bytes of files that are read at once to index them."""


class KnownIdentities:
    """What a batch may find in the lake: its files, and the greatest event numbers of its sessions.

    It is loaded on first use: ticks need nothing. `runs` is None where the index cannot be read; then each event is
    looked up in all files of its bucket.
    """

    def __init__(
        self, look: Callable[[], tuple[Sequence[File], Sequence[Ints] | None]], *, for_others: bool = False
    ) -> None:
        self.for_others = for_others
        """Whether other processes will need the identities that are written here."""
        self._look: Callable[[], tuple[Sequence[File], Sequence[Ints] | None]] | None = look
        self._files: list[File] = []
        self._runs: list[Ints] | None = None

    @property
    def files(self) -> list[File]:
        """Files of `events`."""
        self._look_up()
        return self._files

    @property
    def runs(self) -> list[Ints] | None:
        """Runs of the index."""
        self._look_up()
        return self._runs

    def add(self, written: Sequence[File], run: Ints) -> None:
        """Adds what a part of the batch has written, for the next part."""
        self.files.extend(written)
        if self._runs is not None and run.shape[1]:
            self._runs.append(run)

    def _look_up(self) -> None:
        if self._look is not None:
            files, runs = self._look()
            self._files, self._runs, self._look = list(files), None if runs is None else list(runs), None


def find_known(
    settings: Settings, events: pa.Table, hashes: deduplication.Hashes, sessions: Ints, there: KnownIdentities
) -> pa.Table:
    """Stored rows (`JUDGING_COLUMNS`) that may have one of these identities.

    An event beyond the greatest number of its session is new. Others are looked up on all days of their session.
    """
    files = there.files
    if there.runs is not None:
        doubtful = events["seq"].to_numpy() <= session_seqs.greatest_seqs(there.runs, sessions)
        if not doubtful.any():
            return read_rows(settings, EVENTS, [], deduplication.JUDGING_COLUMNS)
        lies = {(EPOCH + timedelta(days=n)).isoformat() for n in session_seqs.days_of(there.runs, sessions[doubtful])}
        files = [f for f in files if f.session_day in lies]
        events, hashes = events.filter(pa.array(doubtful)), hashes[doubtful]
    buckets = set(events["bucket"].to_pylist())
    in_buckets = [f for f in files if f.bucket in buckets]
    suspicious, candidates = deduplication.find_suspects(
        events, hashes, [f.bucket for f in in_buckets], [_hashes(settings, f) for f in in_buckets]
    )
    suspected = [f for f, suspected in zip(in_buckets, suspicious, strict=True) if suspected]
    return read_session_rows(settings, EVENTS, suspected, candidates, deduplication.JUDGING_COLUMNS)


def _hashes(settings: Settings, file: File) -> deduplication.Hashes:
    """Sorted hashes of the identities in a file: cached by its writer, else computed from the file."""
    if (recent := _recent_hashes.get(file.path)) is not None:
        return recent
    with contextlib.suppress(FileNotFoundError, ValueError, EOFError):
        return _load_hashes(settings.var, file.path)
    hashes = np.sort(deduplication.identity_hashes(read_rows(settings, EVENTS, [file], deduplication.IDENTITY)))
    _save(_hash_file(settings.var, file.path), hashes)
    return hashes


@lru_cache(maxsize=4096)
def _load_hashes(var: Path, path: str) -> deduplication.Hashes:
    return np.load(_hash_file(var, path), mmap_mode="r")


_recent_hashes: dict[str, deduplication.Hashes] = {}
"""Hashes of the files that this process has written last."""


def keep_hashes(
    settings: Settings, written: Sequence[File], events: pa.Table, hashes: deduplication.Hashes, *, for_others: bool
) -> None:
    """Caches the hashes of these files' identities for the next batches, in memory or, `for_others`, on disk."""
    days, buckets = events["session_day"].to_numpy(), events["bucket"].to_numpy()
    for file in written:
        here = np.sort(hashes[(days == np.datetime64(file.session_day)) & (buckets == file.bucket)])
        if for_others:
            _save(_hash_file(settings.var, file.path), here)
        else:
            _recent_hashes[file.path] = here
    while len(_recent_hashes) > FILES_REMEMBERED:
        del _recent_hashes[next(iter(_recent_hashes))]


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, PRIVATE) as file:
        np.save(file, array)


def _hash_file(var: Path, path: str) -> Path:
    return folder(var) / f"{Path(path).stem}.npy"


def folder(var: Path) -> Path:
    """The folder of the cached hashes."""
    return var / "cache" / f"identities-duckdb-{duckdb.__version__}"


@dataclass(frozen=True, slots=True)
class SharedIndex:
    """The index as it is passed to tasks: the paths of its runs."""

    runs: tuple[str, ...]

    def load(self) -> list[Ints] | None:
        """The runs; None on a machine that cannot read them."""
        try:
            return [_open_run(name) for name in self.runs]
        except (FileNotFoundError, ValueError, EOFError):
            return None


@lru_cache(maxsize=64)
def _open_run(name: str) -> Ints:
    return np.load(name, mmap_mode="r")


@dataclass(slots=True)
class IdentityIndex:
    """The greatest event numbers of all sessions in the lake. It belongs to one driver.

    It is saved to files, for a restart and for tasks; files of the lake that it does not cover are read.
    """

    settings: Settings
    runs: SeqRuns = field(default_factory=SeqRuns)
    covered: set[str] = field(default_factory=set)
    """Paths of the files whose events are in it."""
    saved: list[tuple[Ints, str]] = field(default_factory=list)
    """Runs that are saved, with their file names."""

    @classmethod
    def load(cls, settings: Settings) -> "IdentityIndex":
        """The index as it was saved; empty when there is none."""
        index = cls(settings)
        with contextlib.suppress(FileNotFoundError, ValueError, EOFError, KeyError):
            left = json.loads((index.folder / "index.json").read_text())
            runs = [np.load(index.folder / name, mmap_mode="r") for name in left["runs"]]
            index.runs.items, index.covered = runs, set(left["covered"])
            index.saved = list(zip(runs, left["runs"], strict=True))
        return index

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return folder(self.settings.var) / "sessions"

    def update(self, files: Sequence[File]) -> None:
        """Adds files that it does not cover: at a start, and those of other writers."""
        unknown = [f for f in files if f.path not in self.covered]
        while unknown:
            some: list[File] = []
            size = 0
            while unknown and (not some or size + unknown[-1].size <= READ_AT_ONCE):
                some.append(unknown.pop())
                size += some[-1].size
            events = read_rows(self.settings, EVENTS, some, (*deduplication.IDENTITY, "session_day"))
            self.add(some, session_seqs.run_of(events, deduplication.identity_and_session_hashes(events)[1]))

    def add(self, written: Sequence[File], run: Ints) -> None:
        """Adds the run of these new files."""
        self.runs.add(run)
        self.covered.update(f.path for f in written)

    def replace(self, gone: Sequence[File], come: Sequence[File]) -> None:
        """Replaces files that were joined: their hashes are joined, and no event is new."""
        if all(f.path in self.covered for f in gone) and sum(f.rows for f in gone) == sum(f.rows for f in come):
            self.covered.update(f.path for f in come)
            if len(come) == 1:
                joined = np.concatenate([_hashes(self.settings, f) for f in gone])
                _save(_hash_file(self.settings.var, come[0].path), np.sort(joined))

    def shared(self) -> SharedIndex:
        """Saves the index, for tasks and the next start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self.saved
        self.saved = [(run, self._saved(run)) for run in self.runs.items]
        names = [name for _, name in self.saved]
        write_private(self.folder / "index.json", json.dumps({"runs": names, "covered": sorted(self.covered)}).encode())
        for old in {name for _, name in before} - set(names):
            (self.folder / old).unlink(missing_ok=True)
        return SharedIndex(tuple(str(self.folder / name) for name in names))

    def _saved(self, run: Ints) -> str:
        for known, name in self.saved:
            if known is run:
                return name
        name = f"{uuid.uuid4().hex}.npy"
        _save(self.folder / name, run)
        return name

    def tidy(self, files: Sequence[File], now: float) -> None:
        """Drops files that are gone, and saves the index."""
        self.covered &= {f.path for f in files}
        there = {Path(path).stem for path in self.covered}
        for path in folder(self.settings.var).glob("*.npy"):
            with contextlib.suppress(FileNotFoundError):
                if path.stem not in there and now - path.stat().st_mtime > KEEP_GONE_S:
                    path.unlink()
        self.shared()


def touched_parts(events: pa.Table) -> set[tuple[str, int]]:
    """(session_day, bucket) of each part of the lake that holds one of these events."""
    parts = events.select(["session_day", "bucket"]).group_by(["session_day", "bucket"]).aggregate([])
    return {(row["session_day"].isoformat(), row["bucket"]) for row in parts.to_pylist()}
