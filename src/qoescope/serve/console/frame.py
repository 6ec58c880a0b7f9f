"""Frame: what stands around every page: navigation, time, filters; and what is shown when an answer fails."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.errors import Mistake
from qoescope.serve.console import parts, saved_views
from qoescope.serve.console.page_list import IDENTITY, PAGES, Page
from qoescope.serve.console.parts import Content
from qoescope.serve.console.requests import PageRequest, page_request
from qoescope.serve.display import words
from qoescope.serve.request import state
from qoescope.serve.request.caller import CALLER
from qoescope.serve.request.state import PageState
from qoescope.serve.store.connections import AWAY, UNASKABLE

LOG = logging.getLogger(__name__)

Body = Callable[[PageRequest], Content]
"""What a page's module returns for a request."""


def layout(page: Page, body: Body) -> Callable[..., Component]:
    """The page's layout function: the body's content in its frame, or one line that says why there is none."""

    def render(**query: object) -> Component:
        caller, now = CALLER.get(), datetime.now(UTC)
        identity = str(query.pop("identity", "")) if page.is_about_one else ""
        path = page.path.replace(IDENTITY, identity)
        try:
            request = page_request(caller, path, query, now, identity)
        except Mistake as mistake:
            request = PageRequest(caller, "", now, state.state("", now), path)
            return frame(request, parts.page(page.title, _failure("", str(mistake))), has_controls=False)
        return frame(request, parts.page(page.title, answer(body, request)), page.has_controls)

    return render


def answer(body: Body, request: PageRequest) -> Content:
    """The body's content; a mistake or an outage is told in its place."""
    try:
        return body(request)
    except Mistake as mistake:
        return _failure(request.subject, str(mistake))
    except UNASKABLE:
        return _failure(request.subject, "The address contains an impossible value.")
    except AWAY as error:
        LOG.warning("%a: %s: %s", request.path, type(error).__name__, ascii(str(error)))
        return _failure(
            request.subject,
            "The database does not answer or is busy. Reload the page; `qoescope status` says which part is down.",
        )


def _failure(subject: str, reason: str) -> Content:
    return parts.content(subject, parts.failure(reason))


def frame(request: PageRequest, content: Component, has_controls: bool = True) -> Component:
    """The page in its frame."""
    return html.Div(
        [
            html.A("Skip to content", href="#main", className="skip"),
            _top(request),
            _controls(request) if has_controls else None,
            html.Main(content, id="main", tabIndex=-1),
        ],
        className="app",
    )


def _top(request: PageRequest) -> Component:
    keep = {"p": request.state.own.get("p")}
    here = "/" + request.path.strip("/").split("/")[0]
    links = [
        dcc.Link(
            page.name,
            href=state.page_address(page.path, request.state, **keep),
            className="here" if page.path == here else "",
            **_current(page.path == here),
        )
        for page in PAGES
        if page.in_navigation
    ]
    return html.Header(
        [
            dcc.Link(
                [html.Img(src="/assets/icon.svg", alt=""), html.Span("qoescope")],
                href=state.page_address("/", request.state, **keep),
                className="brand",
            ),
            html.Nav(links, **{"aria-label": "Pages"}),
            html.Div(
                [
                    _properties(request),
                    saved_views.menu(request),
                    dmc.ColorSchemeToggle(
                        lightIcon="☀",
                        darkIcon="☾",
                        variant="subtle",
                        size="md",
                        color="gray",
                        **{"aria-label": "Light or dark"},
                    ),
                    _person(request),
                ],
                className="top-right",
            ),
        ],
        className="top",
    )


def _current(here: bool) -> dict[str, str]:
    return {"title": "this page"} if here else {}


def _properties(request: PageRequest) -> Component | None:
    names = request.caller.properties if request.property_id else ()
    if len(names) < 2:  # noqa: PLR2004
        return html.Span(request.property_id, className="property", title="property")
    links = [html.A(name, href=request.path + request.state.query(p=name)) for name in names]
    return html.Details([html.Summary(request.property_id), html.Div(links, className="menu")], className="property")


def _person(request: PageRequest) -> Component:
    person = request.caller.person
    out = html.Form(html.Button("Sign out", type="submit"), action="/sign-out", method="post")
    return html.Details(
        [html.Summary(person.name), html.Div([html.Span(f"{person.name} · {person.role}"), out], className="menu")],
        className="person",
    )


def _controls(request: PageRequest) -> Component:
    spans = [
        dcc.Link(
            span.name,
            href=_at_span(request, span.name),
            className="on" if request.state.span == span.name else "",
            title=span.label,
        )
        for span in state.SPANS
    ]
    chips = [
        html.Span(
            [
                html.Span(_filter_text(name, values)),
                dcc.Link(
                    "×", href=request.path + request.state.without(name).query(), title=f"Remove the filter {name}"
                ),
            ],
            className="chip",
        )
        for name, values in request.state.where.items()
    ]
    return html.Section(
        [
            html.Div(
                [
                    html.Div(spans, className="segments", role="group", **{"aria-label": "Time range"}),
                    _custom_range(request),
                    html.Span("UTC", className="zone"),
                ],
                className="times",
            ),
            html.Div([*chips, _adder()], className="filters"),
        ],
        className="controls",
        **{"aria-label": "Time and filters"},
    )


def _custom_range(request: PageRequest) -> Component:
    start, end = request.state.between
    box = {"size": "xs", "valueFormat": "D MMM YYYY HH:mm", "popoverProps": {"withinPortal": False}}
    shown = "Custom range" if request.state.span else words.short_period(start, end)
    return html.Details(
        [
            html.Summary(shown, id="range-open", title="Choose a start and an end, by the minute"),
            html.Div(
                [
                    dmc.DateTimePicker(label="From, UTC", id="range-from", value=f"{start:%Y-%m-%d %H:%M:%S}", **box),
                    dmc.DateTimePicker(label="To, UTC", id="range-to", value=f"{end:%Y-%m-%d %H:%M:%S}", **box),
                    dmc.TextInput(
                        label="or in words", id="range-words", placeholder="yesterday 20:00 to now", size="xs"
                    ),
                    html.Button("Show this range", id="range-apply", type="button", className="primary"),
                ],
                className="adder",
            ),
        ],
        className="add" if request.state.span else "add on",
    )


def _at_span(request: PageRequest, name: str) -> str:
    end = request.now
    chosen = PageState((end - state.BY_NAME[name].length, end), name, request.state.where, request.state.own)
    return request.path + chosen.query()


def _filter_text(name: str, values: Sequence[str]) -> str:
    label = DIMENSION_BY_NAME[name.removeprefix("!")].label
    shown = " or ".join(values[:3]) + (f" or {len(values) - 3} more" if len(values) > 3 else "")  # noqa: PLR2004
    return f"{label}: {'not ' if name.startswith('!') else ''}{shown}"


def _adder() -> Component:
    dims = [{"value": d.name, "label": d.label} for d in DIMENSION_BY_NAME.values()]
    box = {"size": "xs", "searchable": True, "comboboxProps": {"withinPortal": False}}
    kinds = [{"value": "", "label": "Keep"}, {"value": "!", "label": "Exclude"}]
    return html.Details(
        [
            html.Summary("+ Filter", id="filter-open"),
            html.Div(
                [
                    dmc.Select(label="Dimension", id="filter-name", data=dims, **box),
                    dmc.MultiSelect(label="Values", id="filter-values", data=[], **box),
                    dmc.SegmentedControl(id="filter-kind", data=kinds, value="", size="xs", fullWidth=True),
                    html.Button("Apply", id="filter-apply", type="button", className="primary"),
                ],
                className="adder",
            ),
        ],
        className="add",
    )
