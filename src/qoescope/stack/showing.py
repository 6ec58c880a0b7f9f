"""Prints the demo's results as tables."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from qoescope.settings import Settings
from qoescope.stack import findings, progress, secrets
from qoescope.stack.outcome import Outcome

WIDTH = 160
"""Where the output is no terminal."""
MOST_INCIDENTS = 12
METRICS = (
    "attempts",
    "viewers",
    "start_failure_ratio",
    "play_failure_ratio",
    "startup_p50_ms",
    "rebuffer_ratio",
    "bitrate_avg_kbps",
    "experience_score",
)


def open_screen() -> Console:
    """The console that the demo prints to."""
    screen = Console()
    return screen if screen.is_terminal else Console(width=WIDTH)


def print_results(screen: Console, settings: Settings, property_id: str, outcome: Outcome, began: datetime) -> None:
    """Prints what was sent, stored and found, and where to look further."""
    from qoescope.connect import postgres

    with postgres.connect(settings, "writer") as connection:
        books = progress.event_totals(connection, property_id)
    live = outcome.live
    sent = {"sessions sent": live.run.sessions, "events sent": live.sent.events} if live else {}
    counts = {
        **sent,
        "events received": books.received,
        "accepted": books.accepted,
        "in the lake": books.lake,
        "kept aside": books.set_aside,
        "sessions closed": books.sessions,
    }
    print_table(screen, "events", [counts])
    print_table(screen, "sessions by device, from the marts", by_device(settings, property_id))
    print_table(screen, "Airflow", outcome.runs)
    fresh = progress.freshness(settings, began)
    print_table(screen, "live numbers: age of an event when its number can be seen", [fresh])
    if live:
        span = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (live.run.begin_ms, live.run.end_ms))
        incidents = findings.incidents(settings, property_id, *span)[:MOST_INCIDENTS]
        print_table(
            screen, "what was injected, and what the monitor found", findings.match_incidents(live.key, incidents)
        )
        for one in incidents:
            screen.print(f"  {one['story']}", highlight=False, soft_wrap=True)
    print_console(screen, settings)


def print_console(screen: Console, settings: Settings) -> None:
    """Prints the console's address and how to sign in."""
    path = secrets.folder(settings) / "console_demo.password"
    place = f"http://127.0.0.1:{settings.console_port}"
    screen.print(f"console: {place} (user demo, password in {path})", highlight=False, soft_wrap=True)


def by_device(settings: Settings, property_id: str) -> list[dict[str, Any]]:
    """The last day's key metrics by device, from the same query as the console's."""
    from qoescope.connect.ask import ask
    from qoescope.connect.postgres import pool

    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    with pool(settings, "reader", 1) as reader:
        answer = ask(reader, property_id, METRICS, (end - timedelta(days=1), end), ["device_type"])
    return [{name: row[name] for name in ("device_type", *METRICS)} for row in answer.rows]


def print_table(screen: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the rows with a title."""
    if not rows:
        screen.print(f"{title}: nothing", highlight=False)
        return
    shape = Table(title=title, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        shape.add_column(name, justify="right" if isinstance(value, int | float) else "left")
    for row in rows:
        shape.add_row(*(format_cell(value) for value in row.values()))
    screen.print(shape)


def format_cell(value: object) -> str:
    """The value as text for people."""
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
