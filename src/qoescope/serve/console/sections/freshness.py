"""Freshness: how far the streams lag, and how old the newest rows of the marts are."""

from datetime import timedelta

from dash import html
from dash.development.base_component import Component

from qoescope.catalog.marts import MARTS
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words
from qoescope.serve.store.queries import freshness

LATE_S = {"live_window": 60, "quality_hour": 7200, "quality_day": 2 * 86_400}
"""How old the newest row of a mart may be, of those that keep a total."""
LAG_S = 300


def ages(request: PageRequest) -> dict[str, timedelta | None]:
    """How long ago the newest step of each mart ended; None beyond 7 days."""
    by_mart: dict[str, timedelta | None] = {}
    for mart in (mart for mart in MARTS if mart.name in LATE_S):
        newest = freshness.newest_row(request.store, mart)
        by_mart[mart.name] = request.now - newest - timedelta(seconds=min(mart.every_s, 3600)) if newest else None
    return by_mart


def warnings(request: PageRequest) -> list[str]:
    """Records that were lost, marts that are old and streams that lag, each as a sentence."""
    lost = freshness.lost_records(request.store)
    return [
        *([f"{lost:,} records were lost in the log"] if lost else []),
        *(
            f"{name} is {words.length(age)} old"
            for name, age in ages(request).items()
            if age is not None and age.total_seconds() > LATE_S[name]
        ),
        *(
            f"the stream {row['stream']} lags by {words.length(request.now - row['complete_until'])}"
            for row in freshness.stream_progress(request.store)
            if row["complete_until"] and request.now - row["complete_until"] > timedelta(seconds=LAG_S)
        ),
    ]


def streams(request: PageRequest) -> Component:
    """A card with the lag of each stream."""
    rows = freshness.stream_progress(request.store)
    if not rows:
        return parts.card(
            "Streams", parts.empty("No stream has run", "Start them with ", html.Code("qoescope stream"), ".")
        )
    lines = []
    for r in rows:
        lag = request.now - r["complete_until"] if r["complete_until"] else None
        bad = lag is not None and lag.total_seconds() > LAG_S
        lines.append(
            [
                r["stream"],
                html.Span(
                    words.length(max(lag, timedelta(0))) if lag is not None else words.NOTHING,
                    className="bad" if bad else "",
                ),
                words.ago(r["updated_at"], request.now),
            ]
        )
    return parts.card(
        "Streams",
        parts.table(["Stream", "Lag", "Last written"], lines, (1, 2), "Lag of each stream"),
        note="everything received before this time is included",
    )


def marts(request: PageRequest) -> Component:
    """A card with the age of the newest row of each mart."""
    lines = []
    for name, age in ages(request).items():
        late = age is None or age.total_seconds() > LATE_S[name]
        lines.append(
            [
                html.Code(name),
                words.length(max(age, timedelta(0))) if age is not None else "older than 7 days",
                parts.badge("late" if late else "new", "warn" if late else "good"),
            ]
        )
    return parts.card(
        "Marts",
        parts.table(["Mart", "Newest row", ""], lines, (1,), "Age of the newest row of each mart"),
        note="time since its newest row ended",
    )
