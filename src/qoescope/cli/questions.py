"""Queries the marts, checks the books, and explains a file of counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli.terminal import (
    AsJson,
    Property,
    format_cell,
    print_json,
    print_line,
    print_table,
    settings,
    show_progress,
)

SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "m": timedelta(minutes=1)}


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (ask, ledger, explain):
        app.command()(command)


def ask(
    metrics: Annotated[list[str], typer.Argument(help="Metrics, such as rebuffer_ratio; see docs/glossary.md.")],
    by: Annotated[list[str] | None, typer.Option(help="A dimension to break down by, again for more.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="A filter: device_type:web or !country_code:US,CA.")] = None,
    between: Annotated[str, typer.Option(help="A span back from now (24h, 7d) or FROM..TO in ISO 8601, UTC.")] = "24h",
    every: Annotated[str | None, typer.Option(help="A step: 10s, minute, 5m, hour, day, week.")] = None,
    property_id: Property = "demo",
    as_json: AsJson = False,
) -> None:
    """Ask the marts."""
    from qoescope.compile.ask import question

    span, filters = parse_between(between, datetime.now(UTC)), parse_where(where or [])
    checked = question(
        metrics, span, by=[name for given in by or [] for name in given.split(",")], where=filters, every=every
    )

    from qoescope.connect.ask import answer_question
    from qoescope.connect.postgres import connect, pool
    from qoescope.connect.properties import require_property

    here = settings()
    with pool(here, "reader", 1) as reader:
        result = answer_question(reader, property_id, checked)
    if not result.rows:
        with connect(here, "writer") as connection:
            require_property(connection, property_id)
    if as_json:
        print_json(
            {
                "property": property_id,
                "between": span,
                "mart": result.plan.mart,
                "rows": result.rows,
                "measures": result.measures,
            }
        )
    elif result.rows:
        print_table(
            result.rows, f"{property_id}, {format_cell(span[0])} to {format_cell(span[1])} UTC, from {result.plan.mart}"
        )
    else:
        print_line(f"no sessions of {property_id} from {format_cell(span[0])} to {format_cell(span[1])} UTC")


def parse_between(text: str, now: datetime) -> tuple[datetime, datetime]:
    """The range of `24h`, widened to full hours as in the marts, or of `FROM..TO`; both UTC.

    A day without a time is its start. Raises `Mistake` for anything else.
    """
    if text and text[-1] in SPANS and text[:-1].isdigit() and int(text[:-1]):
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour - int(text[:-1]) * SPANS[text[-1]], hour + timedelta(hours=1)
    first, dots, last = text.partition("..")
    if not dots:
        first, last = text, ""
    try:
        start = _parse_instant(first)
        end = _parse_instant(last) if last else (start + SPANS["d"] if not dots else now)
    except ValueError:
        hint = "24h, 7d, 2026-01-02 or 2026-01-02T20:00..2026-01-02T21:00"
        raise Mistake(f"invalid time '{text}'; use {hint}") from None
    return start, end


def _parse_instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_where(filters: list[str]) -> dict[str, list[str]]:
    """`device_type:tv,mobile` as values by dimension; `!` before the name excludes them. Raises `Mistake`."""
    where: dict[str, list[str]] = {}
    for text in filters:
        name, colon, values = text.partition(":")
        if not colon or not name.strip("!") or not values:
            raise Mistake(f"invalid filter '{text}'; use device_type:smart_tv,web or !country_code:US")
        where.setdefault(name.strip(), []).extend(value.strip() for value in values.split(","))
    return where


def ledger(
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Sessions and marts of this day; by default of the last three."),
    ] = None,
    book: Annotated[
        Path | None, typer.Option(help="A sender's book: what was acknowledged must be there, once.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Differences that are named; the others are counted.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Check the books from end to end, also while traffic flows; exit 1 on a difference."""
    from qoescope.mart.jobs.ledger import check_books

    with show_progress("the books are compared") as tell:
        result = check_books(settings(), day.date() if day else None, book, tell)
    if as_json:
        print_json(result.as_json())
    else:
        for text in result.limited_lines(limit):
            print_line(text)
    raise typer.Exit(0 if result.holds else 1)


def explain(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    file: Annotated[Path, typer.Argument(help="Counts by slice, as CSV or Parquet: a row a combination of values.")],
    dims: Annotated[str, typer.Option(help="Its columns that are dimensions, separated by commas.")],
    n: Annotated[str, typer.Option(help="Column of sessions now.")] = "",
    k: Annotated[str, typer.Option(help="Column of bad sessions now.")] = "",
    base_n: Annotated[str, typer.Option(help="Column of sessions before.")] = "",
    base_k: Annotated[str, typer.Option(help="Column of bad sessions before.")] = "",
    real: Annotated[str, typer.Option(help="Column of values now, instead of counts.")] = "",
    forecast: Annotated[str, typer.Option(help="Column of values that were expected.")] = "",
    depth: Annotated[int, typer.Option(min=1, max=5, help="Dimensions that a slice may name at most.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Name the slices of a file that got worse, the strongest first."""
    from qoescope.monitor.jobs.explain_file import explain_file

    names = [name.strip() for name in dims.split(",") if name.strip()]
    counts = {"n": n, "k": k, "base_n": base_n, "base_k": base_k, "real": real, "forecast": forecast}
    result = explain_file(file, names, depth, **counts)
    rows = [one.as_json() for one in result]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            [row | {"slice": slice_text(row["slice"]), "same_sessions": _names(row["same_sessions"])} for row in rows]
        )
    else:
        print_line("nothing got worse")


def _names(slices: object) -> str:
    """Other names for the same sessions, as people say them."""
    return " or ".join(slice_text(one) for one in slices) if isinstance(slices, list) else ""


def slice_text(values: object) -> str:
    """A slice as text for people."""
    if not isinstance(values, dict) or not values:
        return "everywhere, or outside these dimensions"
    return ", ".join(f"{name} {value}" for name, value in values.items())
