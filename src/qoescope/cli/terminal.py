"""Terminal: settings at the door, tables for people, JSON for scripts."""

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
    """What the environment says, and where the stack that runs here really is."""
    from qoescope.settings import Settings
    from qoescope.stack import state

    return state.here(Settings())


def logged() -> None:
    """A service's log lines on stderr."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    for name in ("httpx", "py4j", "pyspark", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("py4j.clientserver").setLevel(logging.CRITICAL)  # who started the stream says why it failed


def plain(value: object) -> object:
    """The value as JSON can say it: times in ISO 8601, decimals as numbers."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return _plain_scalar(value)


def _plain_scalar(value: object) -> object:
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
        """It as Python's own."""


def said(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=1) + "\n")


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Shows what is being looked at to a person on a terminal, and nothing to a script."""
    from rich.console import Console

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status(f"{what} …") as status:
        yield lambda text: status.update(f"{what}: {text} …")


def line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """The rows as a table on a terminal, as tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        if rows:
            line("\t".join(rows[0]))
        for row in rows:
            line("\t".join("" if value is None else str(plain(value)) for value in row.values()))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title or None, header_style="bold")
    for name in rows[0] if rows else ("nothing",):
        numeric = bool(rows) and isinstance(rows[0][name], int | float | Decimal)
        shown.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        shown.add_row(*(cell(value) for value in row.values()))
    Console().print(shown)


def cell(value: object) -> str:
    """The value as people read it."""
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
