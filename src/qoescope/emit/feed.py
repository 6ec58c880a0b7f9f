"""Feed: the beacons of a live run in the order in which they are due, made shortly before they are needed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from qoescope.emit import beacons, counterfactual, draws, events, simulation
from qoescope.emit.connection import Beacon
from qoescope.emit.counterfactual import Effect
from qoescope.emit.draws import Floats
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import Sessions
from qoescope.emit.spans import Rows

PILOT = 2_000
BATCH = 400
"""Sessions made at a time."""
LEAVING_MS = 180_000
"""The last viewers leave within so much of the simulated clock."""


class Batch:
    """The beacons of some sessions, by the moment at which they are due (ms of the simulated clock)."""

    def __init__(self, tables: list[pa.Table], until_ms: int) -> None:
        table = pa.concat_tables([t.set_column(3, "session_id", t["session_id"].cast(pa.string())) for t in tables])
        due = table["received_at"].to_numpy()
        order = np.argsort(due, kind="stable")
        self.due = due[order]
        self.end = int(np.searchsorted(self.due, until_ms))
        self._table = table.take(pa.array(order[: self.end])).combine_chunks()
        self._error = self._table["clock_error_ms"].to_numpy()
        self.at = 0

    def up_to(self, moment_ms: float) -> Iterator[Beacon]:
        """What is due by now and was not given out before."""
        end = min(int(np.searchsorted(self.due, moment_ms, side="right")), self.end)
        if end <= self.at:
            return
        part = self._table.slice(self.at, end - self.at)
        begin, self.at = self.at, end
        columns = [part[name].to_pylist() for name in ("session_id", "first_seq", "last_seq", "events")]
        for i, (body, session, first, last, count) in enumerate(
            zip(part["body"].cast(pa.binary()).to_pylist(), *columns, strict=True)
        ):
            yield Beacon(body, int(self._error[begin + i]), session, first, last, count)

    @property
    def empty(self) -> bool:
        """Whether all of it was given out."""
        return self.at >= self.end


def sessions_for(run: Scenario, events_wanted: float) -> int:
    """How many sessions say about so many events before the run's end."""
    pilot = Scenario(PILOT, run.begin_ms, run.length_ms, run.seed, ())
    s = simulation.simulated(pilot, Load(pilot), np.arange(PILOT))
    until = np.minimum(s.timeline.length_ms, np.maximum(run.end_ms - s.viewing.started_ms, 0))
    inside = s.timeline.end_ms <= until[s.timeline.session]
    said = inside.sum() + (until / 10_000).sum() * 0.9
    return max(1, round(events_wanted / max(said / PILOT, 0.1)))


def batches(
    run: Scenario, note: Callable[[dict[str, Effect]], None], device_clocks: bool = True
) -> Iterator[tuple[int, Callable[[], Batch]]]:
    """For each batch the simulated moment by which it is needed, and how to make it."""
    load = Load(run)
    for begin in range(0, run.sessions, BATCH):
        numbers = np.arange(begin, min(begin + BATCH, run.sessions), dtype=np.int64)
        first = int(load.times(numbers[:1] / run.sessions)[0])

        def made(numbers: "np.ndarray" = numbers) -> Batch:
            s, _, effects = counterfactual.with_and_without(run, load, numbers)
            note(effects)
            s = replace(s, timeline=s.timeline.left_by(_leaves(run, s) - s.viewing.started_ms))
            return Batch([_with_error(block) for block in events.blocks(s, device_clocks=device_clocks)], run.end_ms)

        yield first, made


def _leaves(run: Scenario, s: Sessions) -> Rows:
    """When those who still watch at the end of the run leave: one after the other, so that none just falls silent."""
    within = min(LEAVING_MS, run.length_ms // 8)
    return run.end_ms - within // 8 - (draws.uniform(s.viewing.key, 64) * within).astype(np.int64)


def _with_error(block: pa.Table) -> pa.Table:
    """A block's beacons, with by how much each device's clock is wrong."""
    table = beacons.beacons(block)
    first = np.flatnonzero(block["position"].to_numpy() == 0)
    started, shown = (block[name].cast(pa.int64()).to_numpy()[first] // 1000 for name in ("received_at", "sent_at"))
    error: Floats = np.round((shown - started) / 3_600_000) * 3_600_000
    return table.append_column("clock_error_ms", pa.array(error.astype(np.int64)))
