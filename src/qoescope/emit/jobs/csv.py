"""CSV: the data set, a row a session, with its answer key beside it."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

from qoescope.emit import chunks, files, pool, rows
from qoescope.emit.jobs.answer_key import KEY_NAME, KEY_TABLE_NAME, write_answer_key
from qoescope.emit.jobs.parts import collect_parts
from qoescope.emit.options import build_scenario
from qoescope.emit.scenario import DEFAULT_END
from qoescope.emit.summary import Summary

CSV_NAME = "streaming_telemetry.csv"


def write_csv(  # noqa: PLR0913 - each is an option of the command line
    out: Path = Path("output"),
    *,
    sessions: int = 100_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Summary:
    """Writes `streaming_telemetry.csv`, a row a session, and the answer key beside it; whole or not at all."""
    run = build_scenario(sessions, days, seed, end, faults, random_faults)
    folder = files.folder(out)
    with (
        files.tidy_when_ended(),
        files.whole(folder / KEY_NAME) as key,
        files.whole(folder / KEY_TABLE_NAME) as table,
        files.whole(folder / CSV_NAME) as file,
    ):
        file.write(rows.HEADER)
        summary = collect_parts(
            run,
            pool.parts(run, partial(chunks.csv_part, run), workers, progress),
            lambda _, part: file.write(part.data),
        )
        write_answer_key(summary.key, key, table)
    summary.paths = [folder / CSV_NAME, folder / KEY_NAME, folder / KEY_TABLE_NAME]
    return summary
