"""Events: what the sessions' players say, as files."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

from qoescope.catalog.errors import UnknownName
from qoescope.emit import chunks, files, pool
from qoescope.emit.chunks import Part
from qoescope.emit.jobs.answer_key import KEY_NAME, KEY_TABLE_NAME, write_answer_key
from qoescope.emit.jobs.parts import collect_parts
from qoescope.emit.options import build_scenario
from qoescope.emit.scenario import DEFAULT_END, Scenario
from qoescope.emit.summary import Summary


def write_events(  # noqa: PLR0913 - each is an option of the command line
    out: Path = Path("output"),
    *,
    format: Literal["ndjson", "parquet"] = "ndjson",
    sessions: int = 10_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
    device_clocks: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Summary:
    """Writes the sessions' events: `events.ndjson`, a beacon a line, or the folder `events.parquet`, as in the lake."""
    if format not in ("ndjson", "parquet"):
        raise UnknownName("format", format, ["ndjson", "parquet"])
    run = build_scenario(sessions, days, seed, end, faults, random_faults)
    folder = files.folder(out)
    with (
        files.tidy_when_ended(),
        files.whole(folder / KEY_NAME) as key,
        files.whole(folder / KEY_TABLE_NAME) as table,
    ):
        if format == "ndjson":
            path = folder / "events.ndjson"
            with files.whole(path) as file, files.scratch(path) as place:
                job = partial(_part, chunks.ndjson_part, run, device_clocks, str(place))
                parts = pool.parts(run, job, workers, progress)
                summary = collect_parts(run, parts, lambda n, _: files.moved_into(file, place / f"part-{n:05d}"))
        else:
            path = folder / "events.parquet"
            with files.whole_folder(path) as place:
                job = partial(_part, chunks.parquet_part, run, device_clocks, str(place))
                summary = collect_parts(run, pool.parts(run, job, workers, progress), lambda _, __: None)
        write_answer_key(summary.key, key, table)
    summary.paths = [path, folder / KEY_NAME, folder / KEY_TABLE_NAME]
    return summary


def _part(
    make: Callable[[Scenario, int, bool, str], Part], run: Scenario, clocks: bool, place: str, chunk: int
) -> Part:
    suffix = ".parquet" if make is chunks.parquet_part else ""
    return make(run, chunk, clocks, f"{place}/part-{chunk:05d}{suffix}")
