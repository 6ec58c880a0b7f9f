"""Scaling: how the cost of a session grows with their number, of a search with dimensions, of marts with properties.

Each step is ten times (dimensions: three times) the one before, in one process on one core; a cost that only grows with
its cause keeps the ratio at 1. Its last lines say what one viewer makes, from which docs/benchmarks.md sizes a million.
usage: python bench/scaling.py
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent / "monitor"))

import planted

from qoescope.catalog.marts import QUALITY_HOUR
from qoescope.compile.cube import cube
from qoescope.compile.fold import sessions
from qoescope.emit.events import blocks
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.monitor.search.explain import explain

SMALL, LARGE = 5_000, 50_000
PROPERTIES = 10
DAY_MS = 86_400_000


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of the better of two runs."""
    taken = []
    for _ in range(2):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def events(count: int) -> list[pa.Table]:
    """A day's simulated events, in blocks of whole sessions."""
    run = Scenario(sessions=count, begin_ms=1_762_000_000_000, length_ms=DAY_MS)
    load = Load(run)
    return [told for chunk in range(run.chunks) for told in blocks(simulated(run, load, run.numbers(chunk)))]


def grown(what: str, unit: str, small: float, large: float) -> str:
    """A line: cost of one at the small and at the large size."""
    return f"{what}: {small:.3f} {unit}, then {large:.3f} ({large / small:.2f} times)"


def by_sessions(few: list[pa.Table], many: list[pa.Table]) -> Iterator[tuple[str, list[pa.Table]]]:
    """Folding and counting, by the number of sessions; yields the rows that were folded, too."""
    costs, folded = [], []
    for blocks_ in (few, many):
        rows = [sessions(block) for block in blocks_]
        count = sum(map(len, rows))
        costs.append(
            (
                seconds(lambda blocks_=blocks_: [sessions(b) for b in blocks_]) / count * 1e3,  # type: ignore[misc]
                seconds(lambda rows=rows: [cube(r, QUALITY_HOUR) for r in rows]) / count * 1e3,
            )
        )  # type: ignore[misc]
        folded.append(rows)
    (fold_few, cube_few), (fold_many, cube_many) = costs
    yield grown(f"fold a session, {SMALL:,} to {LARGE:,} sessions", "ms", fold_few, fold_many), folded[1]
    yield grown(f"count a session into marts, {SMALL:,} to {LARGE:,} sessions", "ms", cube_few, cube_many), folded[1]


def by_dimensions() -> str:
    """The search for a slice, by the number of dimensions it looks at."""
    table = planted.planted(1, planted.Plan(1, history=0)).table
    few, all_ = planted.DIMS[:2], planted.DIMS
    costs = [seconds(lambda d=d: explain(table, d, *planted.COLUMNS)) / len(d) * 1e3 for d in (few, all_)]  # type: ignore[misc]
    return grown(f"explain, a dimension, {len(few)} to {len(all_)} dimensions three deep", "ms", *costs)


def by_properties(rows: list[pa.Table]) -> str:
    """Marts of the same sessions, as one property's and spread over several."""
    whole = pa.concat_tables(rows).slice(0, LARGE)
    place = whole.schema.get_field_index("property")
    names = pa.array([f"p{number % PROPERTIES}" for number in range(len(whole))])
    spread = whole.set_column(place, whole.schema.field(place), names.cast(whole.schema.field(place).type))
    one, several = (seconds(lambda t=t: cube(t, QUALITY_HOUR)) / len(whole) * 1e3 for t in (whole, spread))  # type: ignore[misc]
    return grown(f"count a session into marts, 1 to {PROPERTIES} properties", "ms", one, several)


def viewer(told: list[pa.Table]) -> str:
    """What a viewer makes while watching."""
    count = sum(map(len, told))
    hours = sum(sum(filter(None, block["state_ms"].to_pylist())) for block in told) / 3.6e6
    return f"a viewer makes {count / hours / 3600:.4f} events a second, {count / LARGE:.1f} a session"


def main() -> None:
    """Prints a line a measurement."""
    few, many = events(SMALL), events(LARGE)
    rows: list[pa.Table] = []
    for line, folded in by_sessions(few, many):
        print(line, flush=True)
        rows = folded
    print(by_dimensions(), flush=True)
    print(by_properties(rows), flush=True)
    print(viewer(many), flush=True)


if __name__ == "__main__":
    main()
