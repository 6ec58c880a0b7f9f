"""Sessions: what did this viewer experience?"""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, callback, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.serve.analysis.sessions import outcome
from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.display import words
from qoescope.serve.request import state
from qoescope.serve.request.times import parse_time
from qoescope.serve.store.queries import viewers

KINDS = {
    "all": "All",
    "not_good": "Not good",
    "failed": "Failed",
    "left_before_start": "Left before start",
    "stalled": "Stalled",
    "slow_start": "Slow start",
}
PAGE = 100


def body(request: PageRequest) -> parts.Content:
    """The list with its search."""
    own = request.state.own
    kind, search, after = own.get("kind", "all"), own.get("q", "").strip(), _after(own.get("after"))
    rows = request.store.sessions(
        request.state.between, request.state.where, problem=kind, search=search, after=after, limit=PAGE + 1
    )
    bar = _search_bar(request, kind, search)
    if not rows:
        return parts.content(request.subject, bar, _nothing_found(search))
    older = f"{rows[PAGE - 1]['started_at'].isoformat()}|{rows[PAGE - 1]['session_id']}" if len(rows) > PAGE else None
    return parts.content(
        request.subject,
        bar,
        _viewer(request, search),
        parts.card(
            "Sessions",
            grids.grid(
                "se-grid",
                [*_columns(), *grids.exported(*rows[0])],
                [_line(request, r) for r in rows[:PAGE]],
                640,
                "qoescope-sessions.csv",
                "Sessions",
            ),
            html.Div(
                [_newest(request) if after else None, _older(request, older) if older else None], className="buttons"
            ),
            note="newest first; sessions that were not good in red",
            actions=grids.saver("se-grid"),
        ),
    )


def _search_bar(request: PageRequest, kind: str, search: str) -> Component:
    tabs = [
        dcc.Link(
            label, href=request.path + request.state.query(kind=k, after=None), className="on" if k == kind else ""
        )
        for k, label in KINDS.items()
    ]
    field = dmc.TextInput(
        id="se-q",
        value=search,
        placeholder="complete session, viewer or content id",
        debounce=500,
        size="sm",
        **{"aria-label": "Search by complete id"},
    )
    kinds = html.Div(tabs, className="segments wrap", role="group", **{"aria-label": "Kind"})
    none = html.P(id="se-none", className="note", role="status")
    return html.Div([field, kinds, parts.chosen(q=search), none], className="chooser")


_ABOUT_IDS = (
    "An id must be complete. Viewers are stored by a pseudonym; operators can search for a viewer by the id that the "
    "player sends, if this console has the viewer keys in its secrets. "
)


def _nothing_found(search: str) -> Component:
    return parts.empty(
        "No session matches",
        _ABOUT_IDS if search else "",
        "Choose a longer range, another kind, or remove a filter. A session appears here once it has closed.",
    )


def _older(request: PageRequest, after: str) -> Component:
    return dcc.Link("Older sessions", href=request.path + request.state.query(after=after), className="secondary")


def _newest(request: PageRequest) -> Component:
    return dcc.Link("Newest", href=request.path + request.state.query(after=None), className="secondary")


def _columns() -> list[dict[str, Any]]:
    return [
        grids.link("session", "Started, UTC", minWidth=130),
        grids.link("viewer", "Viewer", minWidth=110),
        grids.text("what", "Outcome", minWidth=130, cellClassRules={"bad": "params.data.bad"}),
        grids.text("device", "Device", minWidth=80),
        grids.text("app", "App", minWidth=80),
        grids.text("place", "Country, ISP", minWidth=125),
        grids.text("cdn", "CDN", minWidth=80),
        grids.text("title", "Content", minWidth=105),
        grids.number("startup", "Startup", minWidth=80),
        grids.number("stalled", "Stalled", minWidth=85),
        grids.number("watched", "Watched", minWidth=110),
        grids.number("score", "Experience", minWidth=95),
    ]


def _viewer(request: PageRequest, search: str) -> Component | None:
    """All days of the range together, where a viewer was searched for: by device, whatever the other filters are."""
    first, last = (at.date() for at in request.state.between)
    devices = viewers.by_device(request.store, search, first, last) if search else []
    if not devices:
        return None
    lines = [
        [
            r["device"],
            f"{r['last_day']:%d %b}",
            *(words.number(r[name], "count") for name in ("days", "attempts", "plays", "failures", "stalls")),
            words.milliseconds(r["stall_ms"]),
            words.milliseconds(r["watched_ms"]),
        ]
        for r in devices
    ]
    return parts.card(
        "This viewer's days",
        parts.table(
            ["Device", "Last seen", "Days", "Attempts", "Plays", "Failures", "Stalls", "Stalled", "Watched"],
            lines,
            range(2, 9),
            "This viewer's days by device",
        ),
        note="whole days of the range",
    )


def _after(text: str | None) -> tuple[Any, str] | None:
    if not text or "|" not in text:
        return None
    at, _, identity = text.partition("|")
    return parse_time(at), identity


def _line(request: PageRequest, r: dict[str, Any]) -> dict[str, Any]:
    score = r["experience_score"]
    query = request.state.query(kind=None, q=None, after=None)
    return {
        "session": grids.linked(
            f"{r['started_at']:%d %b %H:%M:%S}", state.item_address("/sessions", r["session_id"]) + query
        ),
        "viewer": grids.linked(r["viewer_id"][:18], "/sessions" + request.state.query(q=r["viewer_id"], after=None)),
        "what": outcome(r),
        "bad": r["is_good"] is False,
        "device": r["device_type"],
        "app": r["app_version"],
        "place": f"{r['country_code']}, {r['isp']}",
        "cdn": r["cdn"],
        "title": r["content_title"] if r["content_title"] != UNKNOWN else r["content_id"],
        "startup": r["startup_ms"],
        "startup_text": words.number(r["startup_ms"], "ms"),
        "stalled": r["stall_ms"],
        "stalled_text": words.milliseconds(r["stall_ms"]) if r["stall_count"] else words.NOTHING,
        "watched": r["watched_ms"],
        "watched_text": words.milliseconds(r["watched_ms"]),
        "score": None if score is None else float(score),
        "score_text": words.number(None if score is None else float(score), "score"),
    } | grids.exported_cells(r, tuple(r))


@callback(
    Output("_pages_location", "search", allow_duplicate=True),
    Output("se-none", "children"),
    Input("se-q", "value"),
    State("chosen", "data"),
    State("_pages_location", "search"),
    prevent_initial_call=True,
)
def search_for(wanted: str | None, chosen: dict[str, str], search: str | None) -> tuple[object, str]:
    """The address that shows what was searched for, or why there is none.

    Only an id of our tables stands in it: a viewer's own id gives way to their pseudonym, and one of which there is
    nothing stays out of the address, the history and every log.
    """
    wanted = (wanted or "").strip()
    if wanted == chosen.get("q"):
        raise PreventUpdate
    request = callback_request(search, "/sessions")
    name = viewers.find_id(request.store, request.state.between, wanted, request.may("operator")) if wanted else ""
    if name is None:
        return no_update, f"No session in this range has this id. {_ABOUT_IDS}"
    return request.state.query(q=name or None, after=None) or "?", ""
