"""The jobs of the DAGs, as commands."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from qoescope.cli import importing
from qoescope.cli.terminal import AsJson, Property, print_json, print_line, print_table, settings

if TYPE_CHECKING:
    from qoescope.mart.jobs.publish import RestatedDay

app = typer.Typer(
    no_args_is_help=True, help="Run what Airflow runs: restate, import, forget; and replay.", rich_markup_mode=None
)

Accept = Annotated[list[str] | None, typer.Option(help="A rule of quality that may be broken; may be repeated.")]
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A day, UTC.")]


app.command("import")(importing.import_sessions)


@app.command()
def restate(day: Day, accept: Accept = None, as_json: AsJson = False) -> None:
    """Fold a day's events again, check its quality, and replace the day in the marts."""
    from qoescope.mart.jobs.restate import restate_day

    restated = restate_day(settings(), day.date(), accepted=accept or ())
    _print_results([restated], as_json)
    _name_empty([restated])


@app.command()
def backfill(first: Day, last: Day, as_json: AsJson = False) -> None:
    """Restate every day from the first to the last."""
    from datetime import timedelta

    from qoescope.mart.jobs.restate import restate_day

    here, days = settings(), (last - first).days + 1
    restated = [restate_day(here, (first + timedelta(days=n)).date()) for n in range(days)]
    _print_results(restated, as_json)
    _name_empty(restated)


def _name_empty(restated: "Sequence[RestatedDay]") -> None:
    """Says on stderr of which days the lake holds nothing."""
    empty = [str(one.day) for one in restated if not one.sessions and not one.events]
    if empty:
        days = empty[0] if len(empty) == 1 else f"{len(empty)} days, {empty[0]} to {empty[-1]}"
        sys.stderr.write(f"qoescope: the lake holds neither events nor sessions of {days}: nothing was restated\n")


@app.command()
def forget(
    pseudonym: Annotated[
        list[str] | None, typer.Option(help="The viewer's pseudonym, instead of their id; may be repeated.")
    ] = None,
    property_id: Property = "demo",
    as_json: AsJson = False,
) -> None:
    """Erase a viewer, whose id is prompted for or read from stdin, and print the receipt."""
    from qoescope.mart.jobs.forget import find_pseudonyms, forget_viewer

    here = settings()
    names = pseudonym or find_pseudonyms(
        here, property_id, _read_secret_line("The viewer's id, as the players send it")
    )
    _print_results([forget_viewer(here, property_id, names)], as_json)


@app.command("pseudonyms")
def pseudonyms_(property_id: Property = "demo") -> None:
    """Print the pseudonyms of a viewer, whose id is prompted for or read from stdin: for the DAG that erases."""
    from qoescope.mart.jobs.forget import find_pseudonyms

    for name in find_pseudonyms(settings(), property_id, _read_secret_line("The viewer's id, as the players send it")):
        print_line(name)


def _read_secret_line(what: str) -> str:
    """Prompts a person without echo, or reads a line of stdin: arguments are visible and stay in histories.

    The line ends at a line feed: an id may hold other line breaks.
    """
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    return sys.stdin.buffer.readline().rstrip(b"\r\n").decode("utf-8", "replace")


@app.command()
def digest(
    last: Day,
    days: Annotated[int, typer.Option(min=1, max=92, help="How many days.")] = 7,
    property_id: Annotated[str, typer.Option("--property", "-p", help="One property; each by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write a page of the days that end with one: numbers, changes, incidents."""
    from qoescope.serve.jobs.digests import digests

    _print_results(digests(settings(), last.date(), days, property_id), as_json)


@app.command()
def replay(
    property_id: Property = "demo",
    reason: Annotated[str, typer.Option(help="Only letters that were refused for this reason.")] = "",
    letter: Annotated[
        list[str] | None, typer.Option(help="Only this one, as partition:offset; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge them and say so; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge dead letters again after a fix, and send what is accepted."""
    from qoescope.ingest.jobs import replay

    only = [_letter_id(text) for text in letter or ()]
    _print_results([replay.replay_letters(settings(), property_id, only, reason, dry_run=dry_run)], as_json)


def _letter_id(text: str) -> tuple[int, int]:
    from qoescope.catalog.errors import Mistake

    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise Mistake(f"invalid letter '{text}'; use partition:offset, such as 0:15")
    return int(partition), int(offset)


def _print_results(results: Sequence[object], as_json: bool) -> None:
    from qoescope.cli.terminal import to_json

    rows = [row if isinstance(row, dict) else {"result": row} for row in map(to_json, results)]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        print_line("nothing to do")
