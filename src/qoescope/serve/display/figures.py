"""Figures: rows of answers in, charts out; pure, so that they are tested without a browser."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from qoescope.catalog.measures import HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import Metric
from qoescope.serve.display import theme, words

Rows = Sequence[Mapping[str, Any]]


def blank(height: int) -> go.Figure:
    """A figure of this height with nothing in it."""
    return go.Figure(layout={"template": theme.NAME, "height": height})


def trend(
    metric: Metric,
    rows: Rows,
    before: Rows = (),
    shift: timedelta = timedelta(0),
    height: int = 260,
    notes: Sequence[tuple[datetime, str]] = (),
    other: str = "before",
) -> go.Figure:
    """The metric over time, with what it is compared with as a thin line behind it."""
    figure = blank(height)
    if before:
        x, y = [r["starts_at"] + shift for r in before], [axis_value(metric, r[metric.name]) for r in before]
        figure.add_scatter(
            x=x,
            y=y,
            name=words.without_markup(other),
            mode="lines",
            line={"color": theme.BASELINE, "width": 1.5, "dash": "dot"},
            customdata=[words.number(r[metric.name], metric.unit) for r in before],
            hovertemplate="%{customdata}",
        )
    x, y = [r["starts_at"] for r in rows], [axis_value(metric, r[metric.name]) for r in rows]
    figure.add_scatter(
        x=x,
        y=y,
        name=metric.label,
        mode="lines" if len(rows) > 1 else "markers",
        line={"color": theme.ACCENT, "width": 2.2},
        fill="tozeroy" if metric.unit in ("count", "hours") else None,
        fillcolor="rgba(79,107,237,.12)",
        connectgaps=False,
        customdata=[words.number(r[metric.name], metric.unit) for r in rows],
        hovertemplate="<b>%{customdata}</b>",
    )
    for at, text in ((at, words.without_markup(text)) for at, text in notes):
        figure.add_vline(x=at.timestamp() * 1000, line={"color": theme.NEUTRAL, "width": 1, "dash": "dash"})
        figure.add_annotation(x=at, y=1, yref="paper", text=text, showarrow=False, xanchor="left", font={"size": 11})
    y_axis(figure, metric)
    time_axis(figure)
    figure.update_layout(showlegend=bool(before))
    return figure


def lines(metric: Metric, series: Mapping[str, Rows], height: int = 280) -> go.Figure:
    """The metric over time, a line a slice."""
    figure = blank(height)
    for (name, rows), colour in zip(series.items(), (*theme.SERIES, *theme.SERIES), strict=False):
        figure.add_scatter(
            x=[r["starts_at"] for r in rows],
            y=[axis_value(metric, r[metric.name]) for r in rows],
            name=words.without_markup(name),
            mode="lines" if len(rows) > 1 else "markers",
            line={"width": 1.8, "color": colour},
            customdata=[words.number(r[metric.name], metric.unit) for r in rows],
            hovertemplate="%{customdata}",
        )
    y_axis(figure, metric)
    time_axis(figure)
    figure.update_layout(showlegend=True, uirevision="same")
    return figure


def time_axis(figure: go.Figure) -> None:
    """Times stand upright, and say the day in few letters."""
    minute_ms, day_ms = 60_000, 86_400_000
    figure.update_xaxes(
        tickangle=0,
        tickformatstops=[
            {"dtickrange": [None, minute_ms - 1], "value": "%H:%M:%S\n%d %b"},
            {"dtickrange": [minute_ms, day_ms - 1], "value": "%H:%M\n%d %b"},
            {"dtickrange": [day_ms, None], "value": "%d %b"},
        ],
    )


def axis_value(metric: Metric, value: words.Value) -> float | None:
    """The value in the unit of its axis."""
    if value is None:
        return None
    return float(value) * (100 if metric.unit == "ratio" else 0.001 if metric.unit in ("ms", "kbps") else 1)


_AXES = {"ratio": " %", "ms": " s", "kbps": " Mbps", "hours": " h", "per_minute": "", "score": "", "count": ""}


def y_axis(figure: go.Figure, metric: Metric) -> None:
    """Names the unit; a score's axis need not begin at nothing."""
    mode = "normal" if metric.unit == "score" else "tozero"
    figure.update_yaxes(ticksuffix=_AXES.get(metric.unit, ""), rangemode=mode)


OUTLINES = "/assets/countries.geojson"
"""Natural Earth, public domain; 1:110 million, by ISO 3166-1 alpha-2."""


@cache
def countries() -> tuple[str, ...]:
    """The countries that the map has outlines of."""
    outlines = json.loads((Path(__file__).parents[1] / "assets" / "countries.geojson").read_bytes())
    return tuple(f["id"] for f in outlines["features"])


def world(metric: Metric, rows: Rows, height: int = 320) -> go.Figure:
    """Countries by the metric; grey where nobody watched."""
    known = [r for r in rows if r[metric.name] is not None]
    values = [axis_value(metric, r[metric.name]) for r in known]
    scale: Sequence[tuple[float, str]] = theme.VOLUME if metric.better == "neither" else theme.SEQUENCE
    if metric.better == "higher":
        scale = tuple((1 - at, colour) for at, colour in reversed(theme.SEQUENCE))
    figure = blank(height)
    figure.add_choropleth(
        geojson=OUTLINES,
        locations=list(countries()),
        z=[0] * len(countries()),
        showscale=False,
        hoverinfo="skip",
        colorscale=[[0, "rgba(125,136,153,.18)"], [1, "rgba(125,136,153,.18)"]],
        marker={"line": {"width": 0}},
    )
    figure.add_choropleth(
        geojson=OUTLINES,
        locations=[r["country_code"] for r in known],
        z=values,
        colorscale=scale,
        marker={"line": {"width": 0.6, "color": "rgba(125,136,153,.5)"}},
        showscale=False,
        customdata=[(words.number(r[metric.name], metric.unit), f"{r['attempts']:,}") for r in known],
        hovertemplate="<b>%{location}</b><br>"
        + metric.label
        + " %{customdata[0]}<br>%{customdata[1]} attempts<extra></extra>",
    )
    figure.update_geos(
        projection_type="natural earth",
        bgcolor="rgba(0,0,0,0)",
        lataxis_range=[-56, 80],
        lonaxis_range=[-170, 180],
        showframe=False,
        showcoastlines=False,
        showland=False,
        showcountries=False,
        showlakes=False,
        showocean=False,
    )
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, hovermode="closest")
    return figure


LABELS_MS = [0, *HISTOGRAM_EDGES_MS]


def startups(started: Sequence[int], left: Sequence[int], failed: int, height: int = 260) -> go.Figure:
    """Startup times as a histogram, with those who left (by how long they waited) and the failures beside it."""
    last = max((i for i in range(len(started)) if started[i] or left[i]), default=10)
    shown = range(min(last + 2, len(started)))
    names = [_bucket(i) for i in shown]
    figure = blank(height)
    figure.add_bar(x=names, y=[started[i] for i in shown], name="started", marker_color=theme.ACCENT)
    figure.add_bar(x=names, y=[left[i] for i in shown], name="left before the first frame", marker_color=theme.WARN)
    figure.add_bar(x=["failed"], y=[failed], name="failed to start", marker_color=theme.BAD)
    figure.update_layout(barmode="stack", bargap=0.08, showlegend=True)
    figure.update_xaxes(type="category", nticks=6, tickangle=0)
    return figure


def _bucket(i: int) -> str:
    return f"{float(f'{LABELS_MS[i] / 1000:.2g}'):g} s"


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def heat(metric: Metric, rows: Rows, height: int = 260) -> go.Figure:
    """The metric by hour and those weekdays that there are; `rows` have `day_of_week`, `hour` and the metric."""
    cells = {(r["day_of_week"], r["hour"]): r[metric.name] for r in rows}
    days = sorted({day for day, _ in cells})
    grid = [[cells.get((d, h)) for h in range(24)] for d in days]
    scale: Sequence[tuple[float, str]] = theme.VOLUME if metric.better == "neither" else theme.SEQUENCE
    if metric.better == "higher":
        scale = tuple((1 - at, colour) for at, colour in reversed(theme.SEQUENCE))
    figure = blank(height)
    figure.add_heatmap(
        x=list(range(24)),
        y=[WEEKDAYS[d] for d in days],
        z=[[axis_value(metric, v) for v in line] for line in grid],
        customdata=[[words.number(v, metric.unit) for v in line] for line in grid],
        showscale=False,
        colorscale=scale,
        xgap=2,
        ygap=2,
        hovertemplate="%{y} %{x}:00 UTC <b>%{customdata}</b><extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, dtick=1)
    figure.update_xaxes(dtick=3, ticksuffix=":00")
    figure.update_layout(hovermode="closest")
    return figure


def intervals(
    labels: Sequence[str],
    middle: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    suffix: str = "",
    colours: Sequence[str] = (),
    zero: bool = True,
    height: int = 240,
) -> go.Figure:
    """Points with their intervals, one a row."""
    figure = blank(height)
    figure.add_scatter(
        x=list(middle),
        y=list(labels),
        mode="markers",
        marker={"size": 9, "color": list(colours) or theme.ACCENT},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [h - m for h, m in zip(high, middle, strict=True)],
            "arrayminus": [m - lo for lo, m in zip(low, middle, strict=True)],
            "color": theme.NEUTRAL,
            "thickness": 1.4,
        },
        customdata=[f"{lo:,.2f} to {h:,.2f}{suffix}" for lo, h in zip(low, high, strict=True)],
        hovertemplate="%{y}: %{x:,.2f}" + suffix + " (%{customdata})<extra></extra>",
    )
    if zero:
        figure.add_vline(x=0, line={"color": theme.BASELINE, "width": 1})
    figure.update_yaxes(autorange="reversed", showgrid=False, rangemode="normal", dtick=1)
    figure.update_xaxes(ticksuffix=suffix, showgrid=True)
    figure.update_layout(hovermode="closest")
    return figure


def hours(rows: Rows, peak: float, height: int = 200) -> go.Figure:
    """Watch hours by hour of the day, the peak marked."""
    figure = blank(height)
    figure.add_bar(
        x=[r["hour"] for r in rows],
        y=[r["watch_hours"] for r in rows],
        marker_color=[theme.WARN if r["hour"] == peak else theme.ACCENT for r in rows],
        hovertemplate="%{x}:00 UTC <b>%{y:,.1f} h</b><extra></extra>",
    )
    figure.update_xaxes(dtick=3, ticksuffix=":00")
    figure.update_yaxes(ticksuffix=" h")
    figure.update_layout(bargap=0.25, hovermode="closest")
    return figure


OUTCOME_COLOURS = {
    "accepted": theme.ACCENT,
    "duplicate": theme.BASELINE,
    "invalid": theme.BAD,
    "rate_limited": theme.WARN,
    "filtered": theme.NEUTRAL,
}


def outcomes(rows: Rows, names: Sequence[str], height: int) -> go.Figure:
    """Events by what became of them, over time."""
    figure = blank(height)
    for name in names:
        figure.add_bar(
            x=[r["starts_at"] for r in rows],
            y=[r[name] for r in rows],
            name=name.replace("_", " "),
            marker_color=OUTCOME_COLOURS[name],
            hovertemplate="%{y:,}",
        )
    figure.update_layout(barmode="stack", bargap=0.25, showlegend=True)
    time_axis(figure)
    return figure
