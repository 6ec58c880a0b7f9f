"""Session: what did this one viewer experience, from press of play to the end?"""

from datetime import datetime
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, UNKNOWN
from qoescope.catalog.events import EVENT_TYPES, STATES
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.analysis import sessions
from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import charts, words


def body(request: PageRequest) -> parts.Content:
    """One session: what happened, when, and how it is measured."""
    row = request.store.session(request.identity)
    if row is None:
        return parts.content(
            "",
            parts.empty(
                "Session not found",
                "It may still be running, belong to another property, or be older than the retention. ",
                dcc.Link("All sessions", href="/sessions"),
            ),
        )
    events = request.store.events(request.identity, row["started_at"])
    where = [
        row[n]
        for n in ("device_type", "os", "app_version", "country_code", "isp", "cdn_pop", "network_type")
        if row[n] != UNKNOWN
    ]
    facts = [
        ("Outcome", sessions.outcome(row)),
        ("Startup", words.number(row["startup_ms"], "ms")),
        ("Watched", words.milliseconds(row["watched_ms"])),
        ("Stalled", f"{words.milliseconds(row['stall_ms'])} in {row['stall_count']}"),
        ("Bitrate", words.number(row["bitrate_avg_kbps"], "kbps")),
        (
            "Experience",
            words.number(None if row["experience_score"] is None else float(row["experience_score"]), "score"),
        ),
        ("Good", {True: "yes", False: "no", None: "not judged"}[row["is_good"]]),
        ("Lost events", f"{row['lost_events']}"),
    ]
    viewer = dcc.Link(row["viewer_id"], href="/sessions" + request.state.query(q=row["viewer_id"]))
    return parts.content(
        f"{row['started_at']:%A %d %B %Y %H:%M:%S} UTC · {' · '.join(where)}",
        html.Dl([html.Div([html.Dt(k), html.Dd(v, className="figure")]) for k, v in facts], className="facts card"),
        _timeline(row, events),
        _score(row),
        html.Div([_measures(row), _who(row, viewer)], className="two-one"),
        _events(events),
    )


def _score(row: dict[str, Any]) -> Component | None:
    losses = sessions.losses(row)
    if not losses or row["experience_score"] is None:
        return None
    measured = {
        "success_score": sessions.outcome(row),
        "picture_score": f"{words.number(row['bitrate_avg_kbps'], 'kbps')}, {row['main_height']} lines",
        "stalling_score": f"{words.milliseconds(row['stall_ms'])} in {row['stall_count']}",
        "start_score": words.number(row["startup_ms"], "ms"),
    }
    lines = [
        [
            METRIC_BY_NAME[name].label,
            measured[name],
            words.number(part, "score"),
            f"+{gain:.1f}",
            METRIC_BY_NAME[name].doc,
        ]
        for name, part, gain in losses
    ]
    return parts.card(
        "Score breakdown",
        parts.table(
            ["Part", "Measured", "Score", "Would raise it by", "Meaning"],
            lines,
            (2, 3),
            "Parts of the experience score",
        ),
        note="points gained if that part were perfect",
    )


def _timeline(row: dict[str, Any], events: list[dict[str, Any]]) -> Component:
    if not events:
        return parts.card(
            "What happened",
            parts.empty(
                "Events not available",
                "Events are kept in the lake for 90 days; this session's are older, "
                "or the lake cannot be reached from here.",
            ),
        )
    runs, marks, missing = sessions.stretches(events), sessions.moments(events), sessions.gaps(events)
    legend = [
        html.Span(
            [html.I(style={"background": f"var(--state-{name})"}), name], title=STATES.get(name, "an ad is shown")
        )
        for name in dict.fromkeys(s.state for s in runs)
    ]
    note = "by the player's clock, from its first event"
    lost = (
        html.P(
            f"{row['lost_events']} events never came ({_ranges(missing[:8])}): that time is not drawn.",
            className="note",
        )
        if missing
        else None
    )
    return parts.card(
        "What happened",
        html.Div(legend, className="legend"),
        parts.graph(charts.session(runs, marks, events), 380, "State bar, bitrate and playhead over the session"),
        lost,
        note=note,
    )


def _ranges(missing: list[tuple[int, int]]) -> str:
    return ", ".join(f"{first}–{last}" if first != last else str(first) for first, last in missing)


def _measures(row: dict[str, Any]) -> Component:
    meanings, formulas = sessions.meanings(), sessions.formulas()
    lines = [
        [html.Code(name), _shown(name, row[name]), meanings.get(name, ""), html.Code(formula, className="formula")]
        for name, formula in formulas.items()
        if name in row
    ]
    return parts.card(
        "Measures and their formulas",
        html.Div(
            parts.table(["Measure", "Value", "Meaning", "Formula"], lines, (1,), "Measures of the session"),
            className="scroll",
        ),
    )


def _shown(name: str, value: object) -> str:
    if value is None:
        return words.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if name.endswith(("_ms", "_count", "_kbps", "_frames")) else str(value)


def _who(row: dict[str, Any], viewer: Component) -> Component:
    lines: list[list[Any]] = [["Session", html.Code(row["session_id"])], ["Viewer", viewer]]
    lines += [[d.label, str(row[d.name])] for d in DIMENSION_BY_NAME.values() if row.get(d.name) not in (None, UNKNOWN)]
    lines += [["CDNs used", row["cdn_trace"] or words.NOTHING]]
    return parts.card(
        "Who and where",
        html.Div(parts.table(["", ""], lines, (), "Dimensions of the session"), className="scroll plain"),
    )


def _events(events: list[dict[str, Any]]) -> Component | None:
    if not events:
        return None
    rows = [{k: _cell(v) for k, v in e.items()} | {"meaning": EVENT_TYPES.get(e["type"], "")} for e in events]
    names = [n for n in rows[0] if any(r[n] not in (None, "", 0) for r in rows)]
    columns = [grids.text(n, n, minWidth=_WIDE.get(n, 100)) for n in names]
    return parts.card(
        "Events as received",
        grids.grid("se-events", columns, rows, grids.height(len(rows)), "qoescope-events.csv", "Raw events"),
        actions=grids.saver("se-events"),
    )


_WIDE = {"at": 190, "received_at": 190, "sent_at": 190, "meaning": 240, "type": 150}


def _cell(value: object) -> object:
    match value:
        case bool():
            return "yes" if value else ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
        case _:
            return value
