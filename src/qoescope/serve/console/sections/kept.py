"""Kept: what was set aside or done again: dead letters, restated days, quality rules."""

from datetime import datetime
from typing import Any

from dash import Input, Output, callback, dcc, html
from dash import State as Given
from dash.development.base_component import Component

from qoescope.catalog.errors import Mistake
from qoescope.connect.schemas import Stored
from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.console.sections.replaying import again, progress
from qoescope.serve.display import words
from qoescope.serve.request.state import instant


def dead(request: PageRequest) -> Component:
    """Dead letters by reason, and the newest of them; for operators."""
    if not request.may("operator"):
        return parts.card(
            "Dead letters",
            parts.empty(
                "For operators", "They hold original bytes, so perhaps what names a person. Ask an admin for the role."
            ),
        )
    if not has(request, "dead_letters"):
        return parts.card("Dead letters", parts.empty("None", "Nothing has been refused yet."))
    reasons = request.store.rows(
        "select stage, reason, sum(count)::bigint as events, max(received_at) as newest, "
        "count(*) filter (where replayed_at is null) as open from dead_letters "
        "where received_at >= %(from)s and received_at < %(to)s group by 1, 2 order by 3 desc limit 20",
        **ends(request),
    )
    if not reasons:
        none = parts.empty("None in this range", "Everything that came was understood.")
        return parts.card("Dead letters", none, progress(request))
    lines = [
        [r["stage"], r["reason"], f"{r['events']:,}", words.ago(r["newest"], request.now), f"{r['open']:,}", again(r)]
        for r in reasons
    ]
    return parts.card(
        "Dead letters",
        parts.table(
            ["Stage", "Reason", "Events", "Newest", "Not replayed", ""], lines, (2, 3, 4), "Dead letters by reason"
        ),
        _newest_letters(request),
        html.P(
            "Once the cause is repaired, replay them: their bytes are judged again, and what is understood now goes on "
            "to the lake, once.",
            className="note",
        ),
        progress(request),
    )


def _newest_letters(request: PageRequest) -> Component:
    letters = request.store.rows(
        "select received_at, stage, reason, detail, left(encode(body, 'escape'), 400) as body, replayed_at "
        "from dead_letters "
        "where received_at >= %(from)s and received_at < %(to)s order by received_at desc limit 200",
        **ends(request),
    )
    rows = [{k: _cell(v) for k, v in letter.items()} for letter in letters]
    columns = [
        grids.text("received_at", "Received", minWidth=170),
        grids.text("reason", "Reason"),
        grids.text("detail", "Detail", minWidth=200),
        grids.text("body", "As it came", minWidth=240),
        grids.text("replayed_at", "Replayed"),
    ]
    return grids.grid(
        "he-dead", columns, rows, grids.height(len(rows), 6), "qoescope-dead-letters.csv", "Newest dead letters"
    )


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def batches(request: PageRequest) -> Component:
    """Days restated by the batch, and the rules that their data kept."""
    if not has(request, "restatements"):
        return parts.card(
            "Batches",
            parts.empty(
                "None yet",
                "The nightly run restates days from the lake; start one with ",
                html.Code("qoescope batch restate"),
                ".",
            ),
        )
    done = request.store.rows("select * from restatements order by finished_at desc limit 8")
    checks = (
        request.store.rows("select * from checks order by passed, checked_at desc limit 8")
        if has(request, "checks")
        else []
    )
    lines = [
        [
            f"{r['day']:%d %b}",
            f"{r['version']}",
            f"{r['changed']:,} of {r['sessions']:,}",
            words.ago(r["finished_at"], request.now),
        ]
        for r in done
    ]
    rules = [
        [
            f"{r['day']:%d %b}",
            r["rule"],
            f"{r['broken']:,} of {r['rows']:,}",
            parts.badge("passed" if r["passed"] else "failed", "good" if r["passed"] else "bad"),
        ]
        for r in checks
    ]
    return parts.card(
        "Batches",
        parts.table(["Day", "Version", "Sessions changed", "Finished"], lines, (1, 2, 3), "Restated days")
        if lines
        else parts.empty(
            "No day has been restated", "Stream and batch agree so far, or the nightly run has not been due."
        ),
        parts.table(["Day", "Rule", "Broken", ""], rules, (2,), "Quality rules") if rules else None,
    )


def elsewhere() -> Component:
    """Airflow's runs and the tables' schemas; both are request for once the page stands, since neither is ours."""
    wait = html.P("asking …", className="faint")
    return html.Div(
        [
            parts.card("Airflow", html.Div(wait, id="he-runs"), note="the last runs of all DAGs"),
            parts.card(
                "Schemas", html.Div(wait, id="he-schemas"), note="stored tables beside what the catalog declares"
            ),
            dcc.Store(id="he-ready", data=True),
        ],
        className="grid-2 own-heights",
    )


@callback(Output("he-runs", "children"), Input("he-ready", "data"), Given("_pages_location", "search"))
def runs(_: bool, search: str | None) -> Component:
    """Airflow's last runs."""
    request = callback_request(search, "/health")
    try:
        found = request.caller.store.runs()
    except Mistake as mistake:
        return parts.empty("No answer", str(mistake))
    if not found:
        return parts.empty(
            "No run yet", "The nightly run comes at 02:00 UTC; ", html.Code("qoescope batch"), " does the same."
        )
    lines = [_run(request, run) for run in found]
    port = request.caller.store.settings.airflow_port
    return html.Div(
        [
            parts.table(["DAG", "Began", "Took", ""], lines, (2,), "Runs of Airflow"),
            html.P(["Its own pages are on port ", html.Code(str(port)), "."], className="note"),
        ]
    )


def _run(request: PageRequest, run: dict[str, Any]) -> list[Any]:
    began, ended = (instant(run[name]) if run.get(name) else None for name in ("start_date", "end_date"))
    kind = {"success": "good", "failed": "bad"}.get(run["state"], "neutral")
    took = words.length((ended or request.now) - began) if began else words.NOTHING
    when = words.ago(began, request.now) if began else "waits"
    return [html.Code(run["dag_id"]), when, took, parts.badge(run["state"], kind)]


@callback(Output("he-schemas", "children"), Input("he-ready", "data"), Given("_pages_location", "search"))
def schemas(_: bool, search: str | None) -> Component:
    """Every stored table with the version of its schema, those that differ first."""
    request = callback_request(search, "/health")
    found = sorted(request.caller.store.schemas(), key=lambda t: (not t.missing, t.there, t.place != "lake"))
    lines = [
        [
            html.Code(t.name),
            t.place,
            html.Code(t.declared, title="changes with any column's name or type"),
            str(t.columns),
            str(t.version) if t.version is not None else "",
            _as_declared(t),
        ]
        for t in found
    ]
    table = parts.table(
        ["Table", "Where", "Schema", "Columns", "Rows' version", ""], lines, (3, 4), "Schema of each table"
    )
    return html.Div(table, className="scroll")


def _as_declared(table: Stored) -> Component:
    if not table.there:
        return parts.badge("not made yet")
    if table.missing:
        return html.Span(parts.badge("differs", "warn"), title=f"without {', '.join(table.missing)}")
    return parts.badge("as declared", "good")


def has(request: PageRequest, table: str) -> bool:
    """Whether the table is there: a part that never ran has none."""
    return request.store.has(table)


def ends(request: PageRequest) -> dict[str, datetime]:
    """The range's ends, to be bound."""
    return {"from": request.state.between[0], "to": request.state.between[1]}
