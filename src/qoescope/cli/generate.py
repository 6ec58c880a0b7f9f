"""Simulates viewers: a CSV, events, or live traffic."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli.terminal import AsJson, print_json, print_line, settings

if TYPE_CHECKING:
    from qoescope.emit.jobs.live import Live
    from qoescope.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Simulate viewers: a CSV, events, live traffic.", rich_markup_mode=None)

Sessions = Annotated[int, typer.Option(help="How many presses of play.")]
Days = Annotated[float, typer.Option(help="Over how many days.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same bytes.")]
End = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The period ends before this day, UTC.")]
Faults = Annotated[list[str] | None, typer.Option("--fault", "--faults", help="Names of faults, all, demo or none.")]
Random = Annotated[int, typer.Option(help="Draw so many random faults.")]
Workers = Annotated[int | None, typer.Option(help="Processes; never changes the bytes.")]
Out = Annotated[Path, typer.Option(help="Folder to write into.")]
OUTPUT = Path("output")


@app.command()
def csv(
    out: Out = OUTPUT,
    sessions: Sessions = 100_000,
    days: Days = 30.0,
    seed: Seed = 42,
    end: End = None,
    faults: Faults = None,
    random_faults: Random = 0,
    workers: Workers = None,
) -> None:
    """Write streaming_telemetry.csv and its answer key."""
    from qoescope.emit.jobs.csv import write_csv
    from qoescope.emit.scenario import DEFAULT_END
    from qoescope.emit.summary import print_summary

    print_summary(
        write_csv(
            out,
            sessions=sessions,
            days=days,
            seed=seed,
            end=end.date() if end else DEFAULT_END,
            faults=faults or ["all"],
            random_faults=random_faults,
            workers=workers,
        )
    )


@app.command()
def events(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    out: Out = OUTPUT,
    form: Annotated[Literal["ndjson", "parquet"], typer.Option("--format", help="What to write.")] = "ndjson",
    sessions: Sessions = 10_000,
    days: Days = 30.0,
    seed: Seed = 42,
    end: End = None,
    faults: Faults = None,
    random_faults: Random = 0,
    workers: Workers = None,
    device_clocks: Annotated[bool, typer.Option(help="Let some devices' clocks be wrong.")] = False,
    master: Annotated[str, typer.Option(help="Run as a job on this Spark master, straight to the lake.")] = "",
) -> None:
    """Write the sessions' events as files, or as a Spark job to the lake."""
    from qoescope.emit.jobs.events import write_events
    from qoescope.emit.scenario import DEFAULT_END
    from qoescope.emit.summary import print_summary

    if master:
        from qoescope.emit.jobs.events_to_lake import write_to_lake

        run = write_to_lake(
            settings().model_copy(update={"spark_master": master}),
            sessions=sessions,
            days=days,
            seed=seed,
            faults=faults or ["all"],
            end=end.date() if end else DEFAULT_END,
            random_faults=random_faults,
        )
        print_line(f"{run.sessions:,} sessions lie in the lake; `qoescope batch backfill` brings them to the marts")
        return
    written = write_events(
        out,
        format=form,
        sessions=sessions,
        days=days,
        seed=seed,
        faults=faults or ["all"],
        end=end.date() if end else DEFAULT_END,
        random_faults=random_faults,
        workers=workers,
        device_clocks=device_clocks,
    )
    print_summary(written)


@app.command()
def live(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[str, typer.Option(help="The collector; by default the one of the stack here.")] = "",
    key_file: Annotated[Path | None, typer.Option(help="File that holds the write key; by default the demo's.")] = None,
    rate: Annotated[float, typer.Option(help="Events a second.")] = 500.0,
    seconds: Annotated[float, typer.Option(help="For how long.")] = 90.0,
    speed: Annotated[float, typer.Option(help="How much faster than life.")] = 10.0,
    seed: Seed = 42,
    faults: Faults = None,
    random_faults: Random = 0,
    out: Out = OUTPUT,
    book: Annotated[Path | None, typer.Option(help="Write each beacon with its answer into this Parquet file.")] = None,
    property_id: Annotated[str, typer.Option("--property", help="The app or site.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Send live traffic to the collector, and write the answer key."""
    from qoescope.emit.jobs.live import send_live

    here = settings()
    done = send_live(
        url or f"http://127.0.0.1:{here.door_port}",
        _write_key(here, key_file, property_id),
        rate=rate,
        duration=seconds,
        speed=speed,
        seed=seed,
        faults=faults or ["demo"],
        random_faults=random_faults,
        out=out,
        book=book,
        property=property_id,
        progress=not as_json,
    )
    _print_sent(done, as_json)


def _write_key(here: "Settings", key_file: Path | None, property_id: str) -> str:
    """The key in the file, the demo's own, or a new one; raises `Mistake` when there is no such file."""
    from qoescope.ingest.jobs import manage_keys
    from qoescope.stack import demo

    if key_file is not None:
        if not key_file.exists():
            raise Mistake(f"no such file: {key_file}")
        return key_file.read_text().strip()
    return demo.door_key(here) if property_id == demo.PROPERTY else manage_keys.create_key(here, property_id)


def _print_sent(done: "Live", as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "sessions": done.run.sessions,
                "events": done.sent.events,
                "acknowledged": done.sent.acknowledged,
                "sent_again": done.sent.retries,
                "unanswered": done.sent.unanswered,
                "seconds": done.sent.seconds,
                "paths": [str(p) for p in done.paths],
            }
        )
    else:
        print_line(
            f"{done.run.sessions:,} sessions, {done.sent.events:,} events in {done.sent.seconds:.0f} s, "
            f"{done.sent.acknowledged:,} acknowledged, {done.sent.retries:,} beacons sent again"
        )


@app.command()
def report(
    out: Out = OUTPUT,
    sessions: Sessions = 20_000,
    days: Days = 30.0,
    seed: Seed = 42,
    end: End = None,
    faults: Faults = None,
    random_faults: Random = 0,
) -> None:
    """Write report.html: the data set on one page."""
    from qoescope.emit.jobs.report import write_report
    from qoescope.emit.scenario import DEFAULT_END

    path = write_report(
        out,
        sessions=sessions,
        days=days,
        seed=seed,
        end=end.date() if end else DEFAULT_END,
        faults=faults or ["all"],
        random_faults=random_faults,
    )
    print_line(f"wrote {path}")
