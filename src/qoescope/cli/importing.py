"""Importing: what others wrote down, into the lake and the marts."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli.terminal import AsJson, Property, print_json, print_line, print_table, settings, to_json

app = typer.Typer(no_args_is_help=True, help="Import CDN logs, or sessions from a CSV.", rich_markup_mode=None)
STDIN = Path("-")
SHOWN = 20
"""Lines that were not understood are named up to so many; JSON has them all."""
MISTAKE = 2
"""The exit code where a file could not be read."""


@app.command("csv")
def import_sessions(
    files: Annotated[list[Path], typer.Argument(help="CSVs with the columns of streaming_telemetry.csv, - for stdin.")],
    property_id: Property = "import",
    as_json: AsJson = False,
) -> None:
    """Import sessions from CSVs, plain, gzip or zstd; rows that break a rule are kept aside with the reason."""
    from qoescope.mart.jobs.import_csv import import_csv

    here = settings()
    verdicts = _each(files, lambda path: vars_of(import_csv(here, path, property_id)))
    if as_json:
        print_json(verdicts)
    else:
        print_table([{**verdict, "reasons": _short(verdict.get("reasons", ()))} for verdict in verdicts])
    _end(verdicts)


@app.command("cdn")
def import_cdn(
    files: Annotated[list[Path], typer.Argument(help="A CDN's logs, plain, gzip or zstd, - for stdin.")],
    property_id: Annotated[str, typer.Option("--property", "-p", help="The app or site they belong to.")] = "demo",
    log_format: Annotated[
        str, typer.Option("--format", "-f", help="Their format; an unknown name lists those there are.")
    ] = "json",
    layout: Annotated[str, typer.Option(help="Their fields or log_format, where users choose those.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import the CMCD in CDN logs. Run again, it adds nothing twice."""
    from qoescope.lake.jobs.import_cdn_log import ImportedLog, import_log

    here = settings()

    def import_one(path: Path) -> dict[str, Any]:
        made: ImportedLog = import_log(here, path, property_id, log_format, layout)
        readable = made.records or made.without_cmcd
        if not as_json:
            for number, why in made.bad[:SHOWN]:
                sys.stderr.write(f"line {number}: {why}\n")
            print_line(str(made) if len(files) == 1 else f"{path}: {made}")
        if not readable:
            why = f"nothing in {path} could be read as a line of the format {log_format}"
            sys.stderr.write(f"qoescope: {why}\n")
            return {**vars_of(made), "error": why}
        return vars_of(made)

    verdicts = _each(files, import_one)
    if as_json:
        print_json(verdicts)
    _end(verdicts)


def vars_of(result: object) -> dict[str, Any]:
    """The result's fields by name."""
    fields = to_json(result)
    return fields if isinstance(fields, dict) else {"result": fields}


def _each(files: Sequence[Path], import_one: Callable[[Path], dict[str, Any]]) -> list[dict[str, Any]]:
    """A verdict for each file; one that cannot be read does not stop the others."""
    verdicts: list[dict[str, Any]] = []
    for path in files:
        try:
            verdicts.append({"file": str(path), **_spooled(path, import_one)})
        except Mistake as mistake:
            sys.stderr.write(f"qoescope: {mistake}\n")
            verdicts.append({"file": str(path), "error": str(mistake)})
    names = dict.fromkeys(name for verdict in verdicts for name in verdict)
    return [{name: verdict.get(name) for name in names} for verdict in verdicts]


def _spooled(path: Path, import_one: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The file's verdict; stdin is written down first, for what was imported before is known by a file's checksum."""
    if path != STDIN:
        return import_one(path)
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder) / "stdin"
        with spool.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return import_one(spool)


def _short(reasons: Sequence[Mapping[str, Any]] | None) -> str:
    return "; ".join(f"{r['rows']} × {r['reason']}, first in line {r['first_line']}" for r in reasons or ())


def _end(verdicts: Sequence[Mapping[str, Any]]) -> None:
    if any(verdict.get("error") for verdict in verdicts):
        raise typer.Exit(MISTAKE)
