"""Questions: the marts asked, the books checked, a file's worst slices named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli.terminal import AsJson, Property, cell, line, said, settings, table, working

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
    property_id: Property = "demo", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Ask the marts."""
    from qoescope.compile.ask import question

    span, filters = spoken_between(between, datetime.now(UTC)), spoken_where(where or [])
    asked = question(
        metrics, span, by=[name for given in by or [] for name in given.split(",")], where=filters, every=every
    )

    from qoescope.connect.ask import answer_question as answered
    from qoescope.connect.postgres import pool

    with pool(settings(), "reader", 1) as reader:
        answer = answered(reader, property_id, asked)
    if as_json:
        said(
            {
                "property": property_id,
                "between": span,
                "mart": answer.plan.mart,
                "rows": answer.rows,
                "measures": answer.measures,
            }
        )
    elif answer.rows:
        table(answer.rows, f"{property_id}, {cell(span[0])} to {cell(span[1])} UTC, from {answer.plan.mart}")
    else:
        line(f"no sessions of {property_id} from {cell(span[0])} to {cell(span[1])} UTC")


def spoken_between(text: str, now: datetime) -> tuple[datetime, datetime]:
    """The last `24h`, widened to full hours as marts hold them, or `FROM..TO`; a day without a time is its start."""
    if text and text[-1] in SPANS and text[:-1].isdigit() and int(text[:-1]):
        hour = now.replace(minute=0, second=0, microsecond=0)
        return hour - int(text[:-1]) * SPANS[text[-1]], hour + timedelta(hours=1)
    first, dots, last = text.partition("..")
    if not dots:
        first, last = text, ""
    try:
        start = _instant(first)
        end = _instant(last) if last else (start + SPANS["d"] if not dots else now)
    except ValueError:
        hint = "24h, 7d, 2026-01-02 or 2026-01-02T20:00..2026-01-02T21:00"
        raise Mistake(f"cannot read the time '{text}': say it like {hint}") from None
    return start, end


def _instant(text: str) -> datetime:
    said_at = datetime.fromisoformat(text)
    return said_at if said_at.tzinfo else said_at.replace(tzinfo=UTC)


def spoken_where(filters: list[str]) -> dict[str, list[str]]:
    """`device_type:tv,mobile` as dimension and values; `!` before the name excludes them."""
    spoken: dict[str, list[str]] = {}
    for text in filters:
        name, colon, values = text.partition(":")
        if not colon or not name.strip("!") or not values:
            raise Mistake(f"cannot read the filter '{text}': say it like device_type:smart_tv,web or !country_code:US")
        spoken.setdefault(name.strip(), []).extend(value.strip() for value in values.split(","))
    return spoken


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

    with working("the books are compared") as tell:
        found = check_books(settings(), day.date() if day else None, book, tell)
    if as_json:
        said(found.as_json())
    else:
        for text in found.limited_lines(limit):
            line(text)
    raise typer.Exit(0 if found.holds else 1)


def explain(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    file: Annotated[Path, typer.Argument(help="Counts by slice, as CSV or Parquet: a row a combination of values.")],
    dims: Annotated[str, typer.Option(help="Its columns that are dimensions, separated by commas.")],
    n: Annotated[str, typer.Option(help="Column of sessions now.")] = "",
    k: Annotated[str, typer.Option(help="Column of bad sessions now.")] = "",
    base_n: Annotated[str, typer.Option(help="Column of sessions before.")] = "",
    base_k: Annotated[str, typer.Option(help="Column of bad sessions before.")] = "",
    real: Annotated[str, typer.Option(help="Column of values now, instead of counts.")] = "",
    forecast: Annotated[str, typer.Option(help="Column of values that were expected.")] = "",
    as_json: AsJson = False,
) -> None:
    """Name the slices of a file that got worse, the strongest first."""
    from qoescope.monitor.jobs.explain_file import explain_file

    names = [name.strip() for name in dims.split(",") if name.strip()]
    found = explain_file(file, names, n=n, k=k, base_n=base_n, base_k=base_k, real=real, forecast=forecast)
    rows = [one.as_json() for one in found]
    if as_json:
        said(rows)
    elif rows:
        table([row | {"slice": slice_words(row["slice"])} for row in rows])
    else:
        line("nothing got worse")


def slice_words(values: object) -> str:
    """A slice as people say it."""
    if not isinstance(values, dict) or not values:
        return "everywhere, or outside these dimensions"
    return ", ".join(f"{name} {value}" for name, value in values.items())
