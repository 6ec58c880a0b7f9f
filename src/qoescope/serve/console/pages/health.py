"""Health: can I trust these numbers?"""

from datetime import timedelta
from typing import Any

from dash import html
from dash.development.base_component import Component

from qoescope.catalog.errors import OUTCOMES
from qoescope.catalog.marts import MARTS
from qoescope.catalog.metrics import BY_NAME as METRICS
from qoescope.catalog.operations import COUNTED
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections import running, unknown_values
from qoescope.serve.console.sections.kept import batches, dead, elsewhere, ends, has
from qoescope.serve.console.sections.notifications import undelivered, withheld
from qoescope.serve.display import figures, words

DOOR = tuple(OUTCOMES)
LAKE = tuple(f.name for f in COUNTED if f.name not in ("received", *DOOR))
MEANING = {f.name: f.doc for f in COUNTED}
LATE_S = {"live_window": 60, "quality_hour": 7200, "quality_day": 2 * 86_400}
"""How old the newest row of a mart may be, of those that keep a total."""
LAG_S = 300
TRUST = ("lost_event_ratio", "startup_unknown_ratio", "timeout_ratio")
BOOKS = f"""select {", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in ("received", *DOOR, *LAKE))}
from outcomes where minute_at >= %(from)s and minute_at < %(to)s"""  # noqa: S608
MINUTES = f"""select date_bin(%(step)s, minute_at, timestamptz '2001-01-01 00:00Z') as starts_at,
  {", ".join(f"sum({name})::bigint as {name}" for name in DOOR)}
from outcomes where minute_at >= %(from)s and minute_at < %(to)s group by 1 order by 1"""  # noqa: S608


def body(request: PageRequest) -> parts.Content:
    """The page's answer: books, streams, marts, what was kept aside, and the telemetry's own quality."""
    return parts.content(
        request.subject,
        _verdict(request),
        html.Div([_books(request), _door(request)], className="one-two"),
        html.Div([_streams(request), _marts(request), _trust(request)], className="grid-3"),
        running.card(request),
        unknown_values.card(request),
        html.Div([dead(request), batches(request)], className="grid-2 own-heights"),
        elsewhere(),
    )


def _sums(request: PageRequest) -> dict[str, int]:
    return request.store.rows(BOOKS, **ends(request))[0] if has(request, "outcomes") else {}


def _verdict(request: PageRequest) -> Component:
    """One line: whether anything is wrong, and what."""
    wrong, sums = [], _sums(request)
    if sums and sums["received"] != sum(sums[n] for n in DOOR):
        wrong.append("the door's books do not balance")
    lost = (
        request.store.rows("select coalesce(sum(lost), 0)::bigint as lost from stream_offsets")[0]["lost"]
        if has(request, "stream_offsets")
        else 0
    )
    if lost:
        wrong.append(f"{lost:,} records were lost in the log")
    wrong += [
        f"{name} is {words.length(age)} old"
        for name, age in _ages(request).items()
        if age is not None and age.total_seconds() > LATE_S[name]
    ]
    wrong += [
        f"the stream {r['stream']} lags by {words.length(request.now - r['complete_until'])}"
        for r in _progress(request)
        if r["complete_until"] and request.now - r["complete_until"] > timedelta(seconds=LAG_S)
    ]
    wrong += running.problems(request)
    wrong += [*withheld(request), *undelivered(request)]
    if not wrong:
        resting = not any(_ages(request).values())
        said = (
            [parts.badge("at rest"), " Nothing has come in the last 7 days."]
            if resting
            else [parts.badge("yes", "good"), " The books balance, the streams keep up, and the marts are new."]
        )
        return html.P(said, className="story", role="status")
    return html.P(
        [parts.badge("look", "warn"), " ", "; ".join(wrong).capitalize() + "."], className="story", role="status"
    )


def _books(request: PageRequest) -> Component:
    sums = _sums(request)
    if not sums or not sums["received"]:
        return parts.card(
            "The books",
            parts.empty(
                "Nothing was received", "No event reached the collector in this range, or it came from an import."
            ),
        )
    door, lake = sum(sums[n] for n in DOOR), sum(sums[n] for n in LAKE)
    rows: list[list[Any]] = [["received", f"{sums['received']:,}", ""]]
    rows += [
        [
            html.Span(_plain(name), title=OUTCOMES[name], className="part"),
            f"{sums[name]:,}",
            words.percent(sums[name] / sums["received"]),
        ]
        for name in DOOR
    ]
    rows += [
        [
            html.Span(_plain(name), title=MEANING[name], className="part of-part"),
            f"{sums[name]:,}",
            words.percent(sums[name] / max(sums["accepted"], 1)),
        ]
        for name in LAKE
    ]
    balanced = sums["received"] == door
    return parts.card(
        "The books",
        html.P(
            [
                parts.badge("balanced" if balanced else "unbalanced", "good" if balanced else "bad"),
                f" received {sums['received']:,} = {door:,} judged",
            ]
        ),
        html.P(
            [
                parts.badge(
                    "in step" if sums["accepted"] == lake else "on the way",
                    "good" if sums["accepted"] == lake else "neutral",
                ),
                f" accepted {sums['accepted']:,}, in the lake {lake:,}",
            ]
        ),
        parts.table(["Events", "", "Share"], rows, (1, 2), "What became of the events received"),
        note="every event received is in exactly one line",
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _door(request: PageRequest) -> Component:
    if not has(request, "outcomes"):
        return parts.card(
            "At the door", parts.empty("No books yet", "Start the stack with ", html.Code("qoescope up"), ".")
        )
    step = {"5m": timedelta(minutes=1), "hour": timedelta(minutes=15)}.get(request.state.every, timedelta(hours=6))
    rows = request.store.rows(MINUTES, step=step, **ends(request))
    if not rows:
        return parts.card("At the door", parts.empty("No event in this range", "Take a longer one, or send some."))
    return parts.card(
        "At the door",
        parts.graph(figures.outcomes(rows, DOOR, 400), 400, "Events by outcome over time", zooms=True),
        note=f"events by outcome, a bar for {words.length(step)}",
    )


def _progress(request: PageRequest) -> list[dict[str, Any]]:
    return (
        request.store.rows("select * from stream_progress order by stream") if has(request, "stream_progress") else []
    )


def _streams(request: PageRequest) -> Component:
    rows = _progress(request)
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
        note="everything received before is in",
    )


def _ages(request: PageRequest) -> dict[str, timedelta | None]:
    found: dict[str, timedelta | None] = {}
    for mart in (mart for mart in MARTS if mart.name in LATE_S):
        newest = request.store.rows(
            f"select max(starts_at) as at from {mart.name} where grouping = '' "  # noqa: S608
            "and day >= current_date - 7 and starts_at <= now()",
        )[0]["at"]
        found[mart.name] = request.now - newest - timedelta(seconds=min(mart.every_s, 3600)) if newest else None
    return found


def _marts(request: PageRequest) -> Component:
    lines = []
    for name, age in _ages(request).items():
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
        note="how long ago its newest step ended",
    )


def _trust(request: PageRequest) -> Component:
    answer = request.ask(TRUST)
    lines = [
        [
            html.Span([METRICS[n].label, " ", parts.tip(METRICS[n], answer.measures[0])]),
            words.number(answer.rows[0][n], METRICS[n].unit),
        ]
        for n in TRUST
    ]
    return parts.card(
        "What players told",
        parts.table(["", ""], lines, (1,), "Trust in the telemetry"),
        note="trust in the data, not in the service",
        extra="plain tips",
    )
