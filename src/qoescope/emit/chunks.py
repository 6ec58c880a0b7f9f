"""Chunks: what is made of some thousand sessions at a time, wherever that runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qoescope.emit import beacons, counterfactual, events, rows, simulation
from qoescope.emit.counterfactual import Effect
from qoescope.emit.measures import Measures
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.slices import DIMENSIONS
from qoescope.emit.viewers import DEVICE_TYPES, NETWORK_TYPES, Viewing

SAMPLE = 5
STARTUP_EDGES_MS = np.array([0, *np.geomspace(100, 100_000, 61)])


@dataclass
class Tally:
    """Counts of sessions that describe a data set; they add up."""

    sessions: int
    by: dict[str, NDArray[np.int64]]
    """For some dimensions and hours, how many sessions had each value."""
    startup: NDArray[np.int64]
    sums: NDArray[np.int64]
    stalled: int

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        by = {name: self.by[name] + other.by[name] for name in self.by}
        return Tally(
            self.sessions + other.sessions,
            by,
            self.startup + other.startup,
            self.sums + other.sums,
            self.stalled + other.stalled,
        )


@dataclass
class Part:
    """What a chunk gives: its bytes, and what the answer key and the summary need of it."""

    data: bytes
    tally: Tally
    effects: dict[str, Effect]
    sample: list[dict[str, Any]]
    events: int = 0


@lru_cache(maxsize=2)
def load_of(run: Scenario) -> Load:
    """The run's load, made once a process."""
    return Load(run)


def tally(v: Viewing, m: Measures) -> Tally:
    """Counts of these sessions."""
    countries = len(DIMENSIONS["country_code"][1])
    by = {
        "device_type": np.bincount(v.device_type, minlength=len(DEVICE_TYPES)),
        "network_type": np.bincount(v.network, minlength=len(NETWORK_TYPES)),
        "country_code": np.bincount(v.country, minlength=countries),
        "hour": np.bincount((v.started_ms // 3_600_000 % 24).astype(np.int64), minlength=24),
        "resolution": np.bincount(
            np.searchsorted((720, 1080, 2160), m.main_height[m.main_height > 0], side="right"), minlength=4
        ),
    }
    startup = np.histogram(m.startup_ms[m.startup_ms >= 0], STARTUP_EDGES_MS)[0]
    return Tally(len(v), by, startup, counterfactual.sums(m), int((m.stall_count > 0).sum()))


def csv_part(run: Scenario, chunk: int) -> Part:
    """A chunk's rows of the CSV."""
    s, m, effects = counterfactual.with_and_without(run, load_of(run), run.numbers(chunk))
    table = rows.rows(s.viewing, m)
    sample = table.slice(0, SAMPLE).to_pylist() if chunk == 0 else []
    return Part(rows.csv_bytes(table), tally(s.viewing, m), effects, sample)


def sessions_part(run: Scenario, chunk: int) -> tuple[pa.Table, dict[str, Effect]]:
    """A chunk's sessions as rows of dimensions and measures, and what each fault did: for scoring."""
    s, m, effects = counterfactual.with_and_without(run, load_of(run), run.numbers(chunk))
    return rows.sessions(s.viewing, m), effects


def ndjson_part(run: Scenario, chunk: int, device_clocks: bool, path: str) -> Part:
    """Writes a chunk's beacons as NDJSON."""
    s, m, effects = counterfactual.with_and_without(run, load_of(run), run.numbers(chunk))
    count = 0
    with Path(path).open("wb") as file:
        for block in events.blocks(s, device_clocks):
            file.write(beacons.lines(block))
            count += len(block)
    return Part(b"", tally(s.viewing, m), effects, [], count)


def parquet_part(run: Scenario, chunk: int, device_clocks: bool, path: str) -> Part:
    """Writes a chunk's events as a Parquet file in the shape of the lake's table."""
    import pyarrow.parquet as pq

    s, m, effects = counterfactual.with_and_without(run, load_of(run), run.numbers(chunk))
    count, writer = 0, None
    try:
        for block in events.blocks(s, device_clocks):
            writer = writer or pq.ParquetWriter(path, block.schema, compression="zstd", store_schema=False)
            writer.write_table(block)
            count += len(block)
    finally:
        if writer is not None:
            writer.close()
    return Part(b"", tally(s.viewing, m), effects, [], count)


def event_tables(run: Scenario, chunk: int) -> Iterator[pa.Table]:
    """A chunk's events, each once, exactly as the catalog declares them."""
    s = simulation.simulated(run, load_of(run), run.numbers(chunk))
    for block in events.blocks(s, repeated=False):
        yield events.plain(block)
