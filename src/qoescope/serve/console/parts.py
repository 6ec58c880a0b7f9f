"""Parts: the pieces that every page is made of: cards, tiles, tables, empty and error states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from qoescope.catalog.metrics import Metric
from qoescope.serve.display import sparks, theme, words

Child: TypeAlias = Component | str | None


@dataclass(frozen=True, slots=True)
class Content:
    """What a page says below its title: what it is about in one line, its answer, and what stands beside the title."""

    subject: str
    children: tuple[Child, ...]
    aside: Child = None


def content(subject: str, *children: Child, aside: Child = None) -> Content:
    """A page's content."""
    return Content(subject, children, aside)


def page(title: str, shown: Content) -> Component:
    """A page: its title as the heading, then its content."""
    heading = html.Div([html.H1(title), html.P(shown.subject, className="subject")])
    head = html.Div([heading, shown.aside], className="page-head")
    return html.Div([head, *shown.children], className="page")


def card(
    title: str, *children: Child, note: Child = None, extra: str = "", level: int = 2, actions: Child = None
) -> Component:
    """A panel with a title."""
    heading = html.H2(title) if level == 2 else html.H3(title)  # noqa: PLR2004
    head = html.Div(
        [html.Div([heading, html.Span(note, className="note") if note else None]), actions], className="card-head"
    )
    return html.Section([head, *children], className=f"card {extra}".strip())


def graph(figure: go.Figure, height: int, label: str, identity: str = "", zooms: bool = False) -> Component:
    """A chart in a box of its height, so that nothing jumps; `label` says it to those who do not see it.

    One that `zooms` is of time: who drags over a part of it narrows the page's range to that part.
    """
    named = {"id": identity} if identity else {}
    chart = dcc.Graph(figure=figure, config=theme.CONFIG, style={"height": f"{height}px"}, **named)
    kind = "graph zooms" if zooms else "graph"
    return html.Div(chart, role="img", className=kind, style={"minHeight": f"{height}px"}, **{"aria-label": label})


def tip(metric: Metric, sums: Mapping[str, Any] | None = None, label: str = "") -> Component:
    """A button that shows, on hover or focus, what the number is and what it is made of."""
    meaning, formula = words.definition(metric)
    rows = [
        html.Tr([html.Td(html.Code(name)), html.Td(value, className="figure")], title=doc)
        for name, value, doc in words.parts(metric, sums or {})
    ]
    box = html.Span(
        [
            html.Strong(label or metric.label),
            html.Span(meaning),
            html.Code(f"{metric.name} = {formula}"),
            html.Table(html.Tbody(rows)) if rows else None,
            html.Span(" · ".join(filter(None, (words.DIRECTIONS[metric.better], metric.same_as))), className="faint"),
        ],
        className="tip-box",
        role="tooltip",
    )
    button = html.Button(
        "?", type="button", className="tip-mark", **{"aria-label": f"What is {label or metric.label}?"}
    )
    return html.Span([button, box], className="tip")


def delta(change: words.MetricChange) -> Component:
    """A change, coloured by what it means for viewers."""
    meaning = {"good": "better", "bad": "worse", "neutral": ""}[change.verdict]
    return html.Span(
        ["" if change.text == words.NOTHING else change.text, html.Span(f" {meaning}", className="visually-hidden")],
        className=f"delta {change.verdict}",
        title=change.spoken,
    )


def tile(
    metric: Metric,
    value: words.Value,
    before: words.Value,
    series: Sequence[words.Value],
    sums: Mapping[str, Any] | None = None,
    href: str = "",
) -> Component:
    """A number with its name, change, course and definition."""
    change = words.change(metric, value, before)
    name = dcc.Link(metric.label, href=href) if href else html.Span(metric.label)
    return html.Div(
        [
            html.Div([name, tip(metric, sums)], className="tile-name"),
            html.Div(
                [html.Span(words.number(value, metric.unit), className="tile-value"), delta(change)],
                className="tile-line",
            ),
            spark(series, f"{metric.label} over the range", change.verdict),
        ],
        className="tile",
    )


def spark(values: Sequence[words.Value], label: str, verdict: str = "neutral") -> Component:
    """A tiny line."""
    if not any(v is not None for v in values):
        return html.Div(className="spark")
    mask = f'url("{sparks.image(values)}")'
    return html.Div(
        className=f"spark {verdict}",
        role="img",
        style={"maskImage": mask, "WebkitMaskImage": mask},
        **{"aria-label": label},
    )


def table(
    head: Sequence[Child], rows: Sequence[Sequence[Child]], numeric: Sequence[int] = (), caption: str = ""
) -> Component:
    """A small table; `numeric` columns are aligned by their digits."""
    kind = dict.fromkeys(numeric, "figure")
    cells = [html.Tr([html.Td(cell, className=kind.get(i, "")) for i, cell in enumerate(row)]) for row in rows]
    heads = html.Tr(
        [html.Th(cell or _nameless(), className=kind.get(i, ""), scope="col") for i, cell in enumerate(head)]
    )
    named = html.Caption(caption, className="visually-hidden") if caption else None
    shown = html.Table([named, html.Thead(heads), html.Tbody(cells)])
    saver = html.Button("CSV", type="button", className="csv", title="download as CSV")
    scrolled = html.Div(shown, className="table", tabIndex=0, role="region", **{"aria-label": caption or "table"})
    return html.Div([scrolled, saver if rows else None], className="saved")


def _nameless() -> Component:
    return html.Span("shown as a bar or a state", className="visually-hidden")


def empty(title: str, *what_to_do: Child) -> Component:
    """Nothing to show, and what to do about it."""
    return html.Div([html.Strong(title), html.P(list(what_to_do))], className="empty", role="status")


def failure(message: str) -> Component:
    """A mistake or an outage in one line, in place of the page's answer."""
    return html.Div(
        [html.Strong("This page cannot be shown"), html.P(message)], className="empty failure", role="alert"
    )


def chosen(**values: str) -> Component:
    """What a page's controls showed when it came: only what people change from there goes into the address."""
    return dcc.Store(id="chosen", data=values)


def badge(text: str, kind: str = "neutral") -> Component:
    """A short state with its colour."""
    return html.Span(text, className=f"badge {kind}")


def bar(share: float, kind: str = "") -> Component:
    """A share as a bar behind nothing: its number stands beside it."""
    return html.Span(
        html.Span(style={"width": f"{100 * min(max(share, 0), 1):.1f}%"}),
        className=f"bar {kind}",
        **{"aria-hidden": "true"},
    )
