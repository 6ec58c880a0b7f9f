"""Sessions: what did this viewer live through?"""

from datetime import datetime
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html, register_page
from dash import State as Given
from dash.development.base_component import Component

from qoescope.catalog.dimensions import BY_NAME as DIMENSIONS
from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.events import EVENT_TYPES, STATES
from qoescope.serve import charts, grids, parts, sessions, state, words
from qoescope.serve.frame import Asked, layout

QUESTION = "What did this viewer live through?"
KINDS = {
    "all": "All",
    "not_good": "Not good",
    "failed": "Failed",
    "left_before_start": "Left before start",
    "stalled": "Stalled",
    "slow_start": "Slow start",
}
PAGE = 100
OUTCOMES = {
    "played": "played",
    "failed_technical": "failed to start",
    "failed_business": "refused",
    "exited": "left before start",
    "exited_hidden": "left unseen",
}


def body(asked: Asked) -> Component:
    """The list with its search."""
    own = asked.state.own
    kind, search = own.get("kind", "all"), own.get("q", "").strip()
    tabs = [
        dcc.Link(label, href=asked.path + asked.state.query(kind=k, after=None), className="on" if k == kind else "")
        for k, label in KINDS.items()
    ]
    bar = html.Div(
        [
            dmc.TextInput(
                id="se-q",
                value=search,
                placeholder="session, viewer or content id, in full",
                debounce=500,
                size="sm",
                **{"aria-label": "Search by a whole id"},
            ),
            html.Div(tabs, className="segments wrap", role="group", **{"aria-label": "Kind"}),
        ],
        className="chooser",
    )
    after = _after(own.get("after"))
    rows = asked.seat.desk.sessions(
        asked.tenant, asked.state.between, asked.state.where, problem=kind, search=search, after=after, limit=PAGE + 1
    )
    if not rows:
        hint = "An id must be whole. " if search else ""
        return parts.page(
            QUESTION,
            asked.subject,
            bar,
            parts.empty(
                "No session matches",
                hint,
                "Take a longer range, another kind, or remove a filter. A session shows here once it has closed.",
            ),
        )
    more = (
        dcc.Link(
            "Older sessions",
            href=asked.path
            + asked.state.query(after=f"{rows[PAGE - 1]['started_at'].isoformat()}|{rows[PAGE - 1]['session_id']}"),
            className="secondary",
        )
        if len(rows) > PAGE
        else None
    )
    first = (
        dcc.Link("Newest", href=asked.path + asked.state.query(after=None), className="secondary") if after else None
    )
    shown = [_line(asked, r) for r in rows[:PAGE]]
    columns = [
        grids.link("session", "Started, UTC", minWidth=150), grids.link("viewer", "Viewer", minWidth=130), grids.text("what", "Outcome", minWidth=130, cellClassRules={"bad": "params.data.bad"}),
        grids.text("device", "Device"), grids.text("app", "App"), grids.text("place", "Country, ISP", minWidth=120), grids.text("cdn", "CDN"), grids.text("title", "Content", minWidth=120),
        grids.number("startup", "Startup"), grids.number("stalled", "Stalled"), grids.number("watched", "Watched"), grids.number("score", "Experience"),
    ]  # fmt: skip
    return parts.page(QUESTION, asked.subject, bar, parts.card("Sessions", grids.grid("se-grid", columns, shown, 640, "qoescope-sessions.csv", "Sessions"),
                      html.Div([first, more], className="buttons"), note="newest first", actions=grids.saver("se-grid")))  # fmt: skip


def _after(text: str | None) -> tuple[Any, str] | None:
    if not text or "|" not in text:
        return None
    at, _, identity = text.partition("|")
    return state.instant(at), identity


def _line(asked: Asked, r: dict[str, Any]) -> dict[str, Any]:
    score = r["experience_score"]
    kept = asked.state.query(kind=None, q=None, after=None)
    return {
        "session": f"[{r['started_at']:%d %b %H:%M:%S}](/sessions/{r['session_id']}{kept})",
        "viewer": f"[{r['viewer_id'][:18]}](/sessions{asked.state.query(q=r['viewer_id'], after=None)})",
        "what": _outcome(r), "bad": r["is_good"] is False, "device": r["device_type"], "app": r["app_version"],
        "place": f"{r['country_code']}, {r['isp']}", "cdn": r["cdn"], "title": r["content_title"] if r["content_title"] != UNKNOWN else r["content_id"],
        "startup": r["startup_ms"], "startup_text": words.number(r["startup_ms"], "ms"),
        "stalled": r["stall_ms"], "stalled_text": words.milliseconds(r["stall_ms"]) if r["stall_count"] else words.NOTHING,
        "watched": r["watched_ms"], "watched_text": words.milliseconds(r["watched_ms"]),
        "score": None if score is None else float(score), "score_text": words.number(None if score is None else float(score), "score"),
    }  # fmt: skip


def _outcome(r: dict[str, Any]) -> str:
    if r["start_outcome"] != "played":
        return OUTCOMES.get(r["start_outcome"] or "", "no attempt")
    return f"{r['close_reason'].replace('_', ' ')}" + (
        f" ({r['error_code']})" if r["close_reason"] == "failed" and r["error_code"] else ""
    )


def detail(identity: str, asked: Asked) -> Component:
    """One session: what happened, when, and how it is measured."""
    row = asked.seat.desk.session(asked.tenant, identity)
    if row is None:
        return parts.page(
            QUESTION,
            "",
            parts.empty(
                "There is no such session",
                "It may still be running, belong to another property, or be older than what is kept. ",
                dcc.Link("All sessions", href="/sessions"),
            ),
        )
    events = asked.seat.desk.events(asked.tenant, identity, row["started_at"])
    where = [
        row[n]
        for n in ("device_type", "os", "app_version", "country_code", "isp", "cdn_pop", "network_type")
        if row[n] != UNKNOWN
    ]
    facts = [
        ("Outcome", _outcome(row)), ("Startup", words.number(row["startup_ms"], "ms")), ("Watched", words.milliseconds(row["watched_ms"])),
        ("Stalled", f"{words.milliseconds(row['stall_ms'])} in {row['stall_count']}"), ("Bitrate", words.number(row["bitrate_avg_kbps"], "kbps")),
        ("Experience", words.number(None if row["experience_score"] is None else float(row["experience_score"]), "score")),
        ("Good", {True: "yes", False: "no", None: "not judged"}[row["is_good"]]), ("Lost events", f"{row['lost_events']}"),
    ]  # fmt: skip
    viewer = dcc.Link(row["viewer_id"], href="/sessions" + asked.state.query(q=row["viewer_id"]))
    return parts.page(
        QUESTION,
        f"{row['started_at']:%A %d %B %Y %H:%M:%S} UTC · {' · '.join(where)}",
        html.Dl([html.Div([html.Dt(k), html.Dd(v, className="figure")]) for k, v in facts], className="facts card"),
        _timeline(row, events),
        html.Div([_measures(row), _who(row, viewer)], className="two-one"),
        _events(events),
    )


def _timeline(row: dict[str, Any], events: list[dict[str, Any]]) -> Component:
    if not events:
        return parts.card(
            "What happened",
            parts.empty(
                "Its events are not at hand",
                "They are kept in the lake for 90 days; this session's are older, or the lake is not reachable from here.",
            ),
        )
    runs, marks, missing = sessions.stretches(events), sessions.moments(events), sessions.gaps(events)
    legend = [
        html.Span(
            [html.I(style={"background": f"var(--state-{name})"}), name], title=STATES.get(name, "an ad is shown")
        )
        for name in dict.fromkeys(s.state for s in runs)
    ]
    note = "by the player's own clock, from its first event on"
    lost = (
        html.P(
            f"{row['lost_events']} events never came ({', '.join(f'{a}–{b}' if a != b else str(a) for a, b in missing[:8])}): that time is not drawn.",
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


def _measures(row: dict[str, Any]) -> Component:
    meanings, formulas = sessions.meanings(), sessions.formulas()
    lines = [
        [html.Code(name), _shown(name, row[name]), meanings.get(name, ""), html.Code(formula, className="formula")]
        for name, formula in formulas.items()
        if name in row
    ]
    return parts.card(
        "Measures, and how they are made",
        html.Div(
            parts.table(["Measure", "Value", "Meaning", "Formula"], lines, (1,), "Measures of the session"),
            className="scroll",
        ),
    )


def _shown(name: str, value: Any) -> str:
    if value is None:
        return words.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if name.endswith(("_ms", "_count", "_kbps", "_frames")) else str(value)


def _who(row: dict[str, Any], viewer: Component) -> Component:
    lines: list[list[Any]] = [["Session", html.Code(row["session_id"])], ["Viewer", viewer]]
    lines += [[d.label, str(row[d.name])] for d in DIMENSIONS.values() if row.get(d.name) not in (None, UNKNOWN)]
    lines += [["CDNs used", row["cdn_trace"] or words.NOTHING]]
    return parts.card(
        "Who and where",
        html.Div(parts.table(["", ""], lines, (), "Dimensions of the session"), className="scroll plain"),
    )


def _events(events: list[dict[str, Any]]) -> Component | None:
    if not events:
        return None
    rows = [{k: _said(v) for k, v in e.items()} | {"meaning": EVENT_TYPES.get(e["type"], "")} for e in events]
    names = [n for n in rows[0] if any(r[n] not in (None, "", 0) for r in rows)]
    columns = [grids.text(n, n, minWidth=_WIDE.get(n, 100)) for n in names]
    return parts.card(
        "Events, as they were received",
        grids.grid("se-events", columns, rows, grids.height(len(rows)), "qoescope-events.csv", "Raw events"),
        actions=grids.saver("se-events"),
    )


_WIDE = {"at": 190, "received_at": 190, "sent_at": 190, "meaning": 240, "type": 150}


def _said(value: Any) -> Any:
    match value:
        case bool():
            return "yes" if value else ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d}"
        case _:
            return value


def one(identity: str = "", **query: Any) -> Component:
    """The page of one session."""
    return layout(QUESTION, f"/sessions/{identity}", lambda asked: detail(identity, asked), timed=False)(**query)


clientside_callback(ClientsideFunction("console", "choose_q"), Output("_pages_location", "search", allow_duplicate=True),
                    Input("se-q", "value"), Given("_pages_location", "search"), prevent_initial_call=True)  # fmt: skip
register_page(__name__, path="/sessions", name="Sessions", title=QUESTION, layout=layout(QUESTION, "/sessions", body))
register_page(f"{__name__}.one", path_template="/sessions/<identity>", name="Session", title=QUESTION, layout=one)
