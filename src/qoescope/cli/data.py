"""Folds beacons into sessions, and reads and writes CMCD records."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from qoescope.catalog.errors import Mistake
from qoescope.catalog.property_names import check_property
from qoescope.cli import importing
from qoescope.cli.terminal import print_line, settings, to_json

cmcd = typer.Typer(no_args_is_help=True, help="Read and write CMCD records, one a line.", rich_markup_mode=None)

Version = Annotated[int, typer.Option("--version", "-v", help="CMCD's version: 1 or 2.")]
Records = Annotated[list[str] | None, typer.Argument(help="Records; lines of stdin when none is given.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(fold)
    app.command()(player)


def fold(
    file: Annotated[str, typer.Argument(help="A file of beacons, one JSON a line; - for stdin.")],
    property_id: Annotated[str, typer.Option("--property", "-p", help="The app or site they belong to.")] = "local",
) -> None:
    """Fold beacons into sessions: one JSON row a session."""
    from qoescope.cli import folding

    check_property(property_id)
    with open_lines(file) as lines:
        folded = folding.fold_lines(lines, property_id, settings())
    for problem in folded.problems:
        sys.stderr.write(f"{problem}\n")
    for row in folded.rows:
        print_line(json.dumps(to_json(row), ensure_ascii=False))
    counts = f"{folded.lines:,} lines, {folded.events:,} events, {folded.bad:,} not understood"
    sys.stderr.write(f"{counts}, {len(folded.rows):,} sessions\n")
    if not folded.events:
        raise Mistake(f"nothing in {'stdin' if file == '-' else file} could be read as a beacon")


def player() -> None:
    """Make the demo player's film and fetch its players, once; needs ffmpeg and npm."""
    from qoescope.stack import media

    given = settings()
    media.prepare(given.var / "media")
    print_line(f"http://{given.door_address}:{given.door_port}/demo plays it, once the collector runs")


@contextmanager
def open_lines(file: str) -> Iterator[BinaryIO]:
    """The file's lines, or stdin's."""
    if file == "-":
        yield sys.stdin.buffer
        return
    if not Path(file).is_file():
        raise Mistake(f"no such file: {file}")
    with Path(file).open("rb") as handle:
        yield handle


@cmcd.command()
def decode(records: Records = None, version: Version = 2) -> None:
    """Decode CMCD records to JSON; invalid lines report their position and the reason, and the exit code is 1."""
    from qoescope.sources.cmcd.codec import decoded

    _convert_each(records, lambda text: decoded(text, version))


@cmcd.command()
def encode(records: Records = None, version: Version = 2) -> None:
    """Encode JSON as CMCD records in canonical form."""
    from qoescope.sources.cmcd.codec import encoded

    _convert_each(records, lambda text: encoded(text, version))


cmcd.command("import")(importing.import_cdn)


def _convert_each(records: list[str] | None, converted: Callable[[str], tuple[str, bool]]) -> None:
    good = True
    for text in records or (raw.rstrip("\r\n") for raw in sys.stdin):
        answer, fine = converted(text)
        print_line(answer)
        good = good and fine
    if not good:
        raise typer.Exit(1)
