"""Identities: which events the lake holds already; hashes of each file's identities are kept beside it."""

import contextlib
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from qoescope.catalog.tables import EVENTS
from qoescope.connect import lake
from qoescope.connect.lake import File
from qoescope.lake import events as product
from qoescope.settings import Settings


def known(
    settings: Settings, events: pa.Table, hashes: product.Hashes, found: Sequence[File], since: datetime | None
) -> pa.Table:
    """What the lake holds of these identities: all that came since then, and all of the day for old events."""
    parts = places(events)
    met = [f for f in found if (f.session_day, f.bucket) in parts]
    recent = [f for f in met if not since or not f.until or f.until >= since]
    files, held = product.suspects(events, hashes, [f.bucket for f in recent], [_hashes(settings, f) for f in recent])
    suspected = [f for f, suspicious in zip(recent, files, strict=True) if suspicious]
    tables = [lake.rows_of(settings, EVENTS, suspected, held, product.KNOWN)]
    if since and len(old := product.old(events, timedelta(seconds=settings.repeats_within_s))):
        parts, looked = places(old), {f.path for f in recent}
        others = [f for f in met if (f.session_day, f.bucket) in parts and f.path not in looked]
        tables.append(lake.rows_of(settings, EVENTS, others, old, product.KNOWN))
    return pa.concat_tables(tables)


def _hashes(settings: Settings, file: File) -> product.Hashes:
    """Hashes of the identities in a file, in order: as its writer left them, else from the file."""
    with contextlib.suppress(FileNotFoundError, ValueError, EOFError):
        return _loaded(settings.var, file.path)
    found = np.sort(product.hashes(lake.rows(settings, EVENTS, [file], product.IDENTITY)))
    _save(_kept(settings.var, file.path), found)
    return found


@lru_cache(maxsize=4096)
def _loaded(var: Path, path: str) -> product.Hashes:
    return np.load(_kept(var, path), mmap_mode="r")


def keep(settings: Settings, written: Sequence[File], events: pa.Table, hashes: product.Hashes) -> None:
    """Leaves the hashes of these files' identities for the tasks of the next batches."""
    days, buckets = events["session_day"].to_numpy(), events["bucket"].to_numpy()
    for file in written:
        here = (days == np.datetime64(file.session_day)) & (buckets == file.bucket)
        _save(_kept(settings.var, file.path), np.sort(hashes[here]))


def _save(kept: Path, found: product.Hashes) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as half:
        np.save(half, found)
    Path(half.name).replace(kept)


def _kept(var: Path, path: str) -> Path:
    return folder(var) / f"{Path(path).stem}.npy"


def folder(var: Path) -> Path:
    """Where the hashes lie."""
    return var / "cache" / f"identities-duckdb-{duckdb.__version__}"


def places(events: pa.Table) -> set[tuple[str, int]]:
    """(session_day, bucket) of each part of the lake that holds one of these events."""
    parts = events.select(["session_day", "bucket"]).group_by(["session_day", "bucket"]).aggregate([])
    return {(row["session_day"].isoformat(), row["bucket"]) for row in parts.to_pylist()}
