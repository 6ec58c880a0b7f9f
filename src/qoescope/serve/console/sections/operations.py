"""Operations: Airflow's last runs, and the schemas of stored tables beside their declarations."""

from typing import Any

from dash import Input, Output, State, callback, dcc, html
from dash.development.base_component import Component

from qoescope.catalog.errors import Mistake
from qoescope.connect.schemas import StoredTable
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest, callback_request
from qoescope.serve.display import words
from qoescope.serve.request.times import parse_time


def cards() -> Component:
    """Airflow's runs and the tables' schemas; both are asked for once the page stands, since neither is ours."""
    wait = html.P("asking …", className="faint")
    return html.Div(
        [
            parts.card("Airflow", html.Div(wait, id="he-runs"), note="the last runs of all DAGs"),
            parts.card("Schemas", html.Div(wait, id="he-schemas"), note="stored tables compared with the catalog"),
            dcc.Store(id="he-ready", data=True),
        ],
        className="grid-2 own-heights",
    )


@callback(Output("he-runs", "children"), Input("he-ready", "data"), State("_pages_location", "search"))
def runs(_: bool, search: str | None) -> Component:
    """Airflow's last runs."""
    request = callback_request(search, "/health")
    try:
        rows = request.caller.store.runs()
    except Mistake as mistake:
        return parts.empty("No answer", str(mistake))
    if not rows:
        return parts.empty(
            "No run yet", "The nightly run comes at 02:00 UTC; ", html.Code("qoescope batch"), " does the same."
        )
    lines = [_run(request, run) for run in rows]
    port = request.caller.store.settings.airflow_port
    return html.Div(
        [
            parts.table(["DAG", "Began", "Took", ""], lines, (2,), "Runs of Airflow"),
            html.P(["Its own pages are on port ", html.Code(str(port)), "."], className="note"),
        ]
    )


def _run(request: PageRequest, run: dict[str, Any]) -> list[Any]:
    began, ended = (parse_time(run[name]) if run.get(name) else None for name in ("start_date", "end_date"))
    kind = {"success": "good", "failed": "bad"}.get(run["state"], "neutral")
    took = words.length((ended or request.now) - began) if began else words.NOTHING
    when = words.ago(began, request.now) if began else "waits"
    return [html.Code(run["dag_id"]), when, took, parts.badge(run["state"], kind)]


@callback(Output("he-schemas", "children"), Input("he-ready", "data"), State("_pages_location", "search"))
def schemas(_: bool, search: str | None) -> Component:
    """Every stored table with the version of its schema, those that differ first."""
    request = callback_request(search, "/health")
    rows = sorted(request.caller.store.schemas(), key=lambda t: (not t.missing, t.there, t.place != "lake"))
    lines = [
        [
            html.Code(t.name),
            t.place,
            html.Code(t.declared, title="changes with any column's name or type"),
            str(t.columns),
            str(t.version) if t.version is not None else "",
            _as_declared(t),
        ]
        for t in rows
    ]
    table = parts.table(
        ["Table", "Where", "Schema", "Columns", "Rows' version", ""], lines, (3, 4), "Schema of each table"
    )
    return html.Div(table, className="scroll")


def _as_declared(table: StoredTable) -> Component:
    if not table.there:
        return parts.badge("not made yet")
    if table.missing:
        return html.Span(parts.badge("differs", "warn"), title=f"without {', '.join(table.missing)}")
    return parts.badge("as declared", "good")
