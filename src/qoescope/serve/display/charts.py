"""Charts of one thing: an incident against its past, a session from press of play to its end; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from qoescope.catalog.metrics import Metric
from qoescope.serve.analysis.sessions import Moment, Stretch
from qoescope.serve.display import theme, words
from qoescope.serve.display.figures import axis_value, blank, time_axis, y_axis

Rows = Sequence[Mapping[str, Any]]


def incident(
    metric: Metric, points: Rows, rest: Rows, expected: float, onset: datetime, until: datetime, height: int = 330
) -> go.Figure:
    """The slice's metric with what its past lets expect, everybody else's, and the time in which it held."""
    figure = blank(height)
    figure.add_vrect(x0=onset, x1=until, fillcolor=theme.BAD, opacity=0.08, line_width=0)
    if rest:
        figure.add_scatter(
            x=[r["starts_at"] for r in rest],
            y=[axis_value(metric, r[metric.name]) for r in rest],
            name="the rest",
            mode="lines",
            line={"color": theme.NEUTRAL, "width": 1.5},
            customdata=[words.number(r[metric.name], metric.unit) for r in rest],
            hovertemplate="%{customdata}",
        )
    figure.add_scatter(
        x=[r["starts_at"] for r in points],
        y=[axis_value(metric, r[metric.name]) for r in points],
        name="the slice",
        mode="lines+markers",
        line={"color": theme.BAD, "width": 2.2},
        marker={"size": 4},
        customdata=[words.number(r[metric.name], metric.unit) for r in points],
        hovertemplate="<b>%{customdata}</b>",
    )
    figure.add_hline(
        y=axis_value(metric, expected),
        line={"color": theme.BASELINE, "width": 1.5, "dash": "dot"},
        annotation={"text": f"expected {words.number(expected, metric.unit)}", "font": {"size": 11}},
    )
    y_axis(figure, metric)
    time_axis(figure)
    figure.update_layout(showlegend=True)
    return figure


LONG_MS = 5 * 60_000
"""Longer sessions are drawn in minutes."""


def session(runs: Sequence[Stretch], marks: Sequence[Moment], events: Rows, height: int = 380) -> go.Figure:
    """What the player did: its states as a bar with marks, bitrate as steps, playhead as a line, over the same time."""
    end_ms = max((s.start_ms + s.length_ms for s in runs), default=1000)
    unit, per = ("min", 60_000) if end_ms > LONG_MS else ("s", 1000)
    figure = make_subplots(3, 1, shared_xaxes=True, row_heights=[0.24, 0.38, 0.38], vertical_spacing=0.05)
    figure.update_layout(
        template=theme.NAME, height=height, barmode="overlay", showlegend=False, hovermode="closest", bargap=0
    )
    _add_states(figure, runs, per)
    if marks:
        _add_marks(figure, marks, per)
    _add_bitrate(figure, runs, per)
    _add_playhead(figure, events, unit, per)
    figure.update_yaxes(showgrid=False, showticklabels=False, row=1, col=1)
    figure.update_yaxes(title_text="Mbps", rangemode="tozero", row=2, col=1)
    figure.update_yaxes(title_text=f"playhead, {unit}", row=3, col=1)
    figure.update_xaxes(range=[0, end_ms / per])
    figure.update_xaxes(ticksuffix=f" {unit}", row=3, col=1)
    return figure


def _add_states(figure: go.Figure, runs: Sequence[Stretch], per: int) -> None:
    for name in dict.fromkeys(s.state for s in runs):
        mine = [s for s in runs if s.state == name]
        figure.add_bar(
            orientation="h",
            base=[s.start_ms / per for s in mine],
            x=[s.length_ms / per for s in mine],
            y=["state"] * len(mine),
            marker={"color": theme.STATES[name], "line": {"width": 0}},
            name=name,
            customdata=[
                (words.milliseconds(s.length_ms), words.without_markup(s.cdn), "out of sight" if s.hidden else "")
                for s in mine
            ],
            hovertemplate="<b>" + name + "</b> %{customdata[0]} %{customdata[1]} %{customdata[2]}<extra></extra>",
            row=1,
            col=1,
        )


def _add_marks(figure: go.Figure, marks: Sequence[Moment], per: int) -> None:
    figure.add_scatter(
        x=[m.at_ms / per for m in marks],
        y=["state"] * len(marks),
        mode="markers",
        text=[words.without_markup(m.text) for m in marks],
        marker={"symbol": "line-ns-open", "size": 22, "color": [_mark(m) for m in marks], "line": {"width": 1.5}},
        hovertemplate="%{text}<extra></extra>",
        row=1,
        col=1,
    )


def _add_bitrate(figure: go.Figure, runs: Sequence[Stretch], per: int) -> None:
    shown = [s for s in runs if s.state == "playing" and s.bitrate_kbps is not None]
    x = [v for s in shown for v in (s.start_ms / per, (s.start_ms + s.length_ms) / per, None)]
    y = [v for s in shown for v in ((s.bitrate_kbps or 0) / 1000, (s.bitrate_kbps or 0) / 1000, None)]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": theme.ACCENT, "width": 2.2},
        hovertemplate="%{y:.2f} Mbps<extra></extra>",
        row=2,
        col=1,
    )


def _add_playhead(figure: go.Figure, events: Rows, unit: str, per: int) -> None:
    heads, at = [], 0
    for event in sorted(events, key=lambda e: e["seq"]):
        at += int(event["state_ms"] or 0)
        if event.get("playhead_ms") is not None:
            heads.append((at / per, event["playhead_ms"] / per))
    figure.add_scatter(
        x=[h[0] for h in heads],
        y=[h[1] for h in heads],
        mode="lines",
        line={"color": theme.SERIES[2], "width": 1.8},
        hovertemplate="playhead %{y:.1f} " + unit + "<extra></extra>",
        row=3,
        col=1,
    )


def _mark(moment: Moment) -> str:
    return theme.BAD if moment.type in ("error", "playback_fail", "playback_stall") else theme.NEUTRAL


def _out_of_sight(stretch: Stretch) -> str:
    return "out of sight" if stretch.hidden else ""
