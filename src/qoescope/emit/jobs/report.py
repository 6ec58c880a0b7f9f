"""Report: the data set on one page that needs nothing else."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from qoescope.catalog.errors import Mistake
from qoescope.emit import chunks, counterfactual, files
from qoescope.emit import key as answers
from qoescope.emit.options import build_scenario
from qoescope.emit.scenario import CHUNK, DEFAULT_END


def write_report(
    out: Path = Path("output"),
    *,
    sessions: int = 20_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
) -> Path:
    """Writes `report.html`: the data set on one page that needs nothing else. Shows at most one chunk of sessions."""
    if sessions > CHUNK:
        raise Mistake(f"the report shows at most {CHUNK:,} sessions, not {sessions:,}; use --sessions {CHUNK}")
    try:
        from qoescope.emit import report
    except ImportError as error:
        raise Mistake(f"the report needs plotly ({error}); run `make setup`") from error
    run = build_scenario(sessions, days, seed, end, faults, random_faults)
    s, m, effects = counterfactual.with_and_without(run, chunks.load_of(run), run.numbers(0))
    path = files.folder(out) / "report.html"
    with files.whole(path) as file:
        file.write(report.page(run, s, m, answers.answer_key(run, effects)).encode())
    return path
