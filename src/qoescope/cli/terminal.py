"""Settings and output of commands: tables for people, JSON for scripts."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import typer

if TYPE_CHECKING:
    from qoescope.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Property = Annotated[str, typer.Option("--property", "-p", help="The app or site whose numbers these are.")]


def settings() -> "Settings":
    """The environment's settings, with the addresses of the stack that runs here."""
    from qoescope.cli.failures import read_settings
    from qoescope.stack import state

    return state.locate(read_settings())


def log_to_stderr() -> None:
    """Logs to stderr."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("httpx", "py4j", "pyspark", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("py4j.clientserver").setLevel(logging.CRITICAL)  # who started the stream says why it failed


def to_json(value: object) -> object:
    """The value in JSON's types: times in ISO 8601, decimals as numbers."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(v) for v in value]
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    return _scalar_to_json(value)


def _scalar_to_json(value: object) -> object:
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case bytes():
            return value.hex()
        case SupportsItem():
            return value.item()
        case _:
            return str(value)


@runtime_checkable
class SupportsItem(Protocol):
    """A NumPy scalar."""

    def item(self) -> object:
        """The value in Python's own type."""


def print_json(value: object) -> None:
    """Prints one JSON document."""
    sys.stdout.write(json.dumps(to_json(value), ensure_ascii=False, indent=1) + "\n")


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[str], None]]:
    """Shows what is being done on a terminal, and nothing to a script; yields a function that updates it."""
    from rich.console import Console

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status(f"{what} …") as status:
        yield lambda text: status.update(f"{what}: {text} …")


def print_line(text: str) -> None:
    """Prints one line."""
    sys.stdout.write(text + "\n")


def print_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Prints the rows as a table on a terminal, as tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        if rows:
            print_line("\t".join(rows[0]))
        for row in rows:
            print_line("\t".join("" if value is None else str(to_json(value)) for value in row.values()))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title or None, header_style="bold")
    for name in rows[0] if rows else ("nothing",):
        numeric = bool(rows) and isinstance(rows[0][name], int | float | Decimal)
        shown.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        shown.add_row(*(format_cell(value) for value in row.values()))
    Console().print(shown)


def format_cell(value: object) -> str:
    """The value as text for people."""
    match value:
        case None:
            return "-"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float() | Decimal():
            number = float(value)
            return f"{number:,.4g}" if abs(number) < 1000 else f"{number:,.0f}"  # noqa: PLR2004
        case _:
            return str(value)
