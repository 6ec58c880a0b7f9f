"""Writes output/streaming_telemetry.csv: 100,000 simulated viewing sessions over 30 days, with injected faults."""

import sys
from datetime import datetime, time
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parent / "src"))  # this clone, installed or not
try:
    import typer

    from qoescope.catalog.errors import Mistake
    from qoescope.emit.jobs.csv import write_csv
    from qoescope.emit.scenario import DEFAULT_END
    from qoescope.emit.summary import print_summary
except ImportError as error:
    sys.exit(f"generate_telemetry.py: {error}. Run `make setup` once, then .venv/bin/python generate_telemetry.py")

END = datetime.combine(DEFAULT_END, time())


def main(
    sessions: Annotated[int, typer.Option(help="How many presses of play.")] = 100_000,
    days: Annotated[float, typer.Option(help="Over how many days.")] = 30.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("output"),
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The period ends before this day, UTC.")] = END,
    faults: Annotated[
        list[str] | None, typer.Option("--faults", "--fault", help="Names of faults, `all` or `none`.")
    ] = None,
    random_faults: Annotated[
        int, typer.Option(help="Draw so many random faults (instead of all, unless --faults says which).")
    ] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; never changes the bytes.")] = None,
) -> None:
    """Simulate viewing sessions and write one row for each."""
    try:
        made = write_csv(
            out, sessions=sessions, days=days, seed=seed, end=end.date(), faults=faults or ["all"],
            random_faults=random_faults, workers=workers,
        )  # fmt: skip
    except Mistake as mistake:
        typer.echo(f"generate_telemetry.py: {mistake}", err=True)
        raise typer.Exit(2) from None
    print_summary(made)


if __name__ == "__main__":
    typer.run(main)
