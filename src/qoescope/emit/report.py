"""Report: one page that shows a simulated data set to a person; nothing is loaded from elsewhere."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.io import to_html

from qoescope.emit import key as answers
from qoescope.emit.draws import Floats
from qoescope.emit.measures import Measures
from qoescope.emit.scenario import HOUR_MS, Scenario, day_of
from qoescope.emit.simulation import Sessions
from qoescope.emit.slices import DIMENSIONS
from qoescope.emit.spans import EVENTS, FAIL, PAUSED, PLAYING, RESUMING, SEEKING, STALL, STALLED, STARTING, STATES
from qoescope.emit.viewers import DEVICE_TYPES, NETWORK_TYPES, local_clock

INK, MUTED, ACCENT, BAD = "#1f2933", "#7b8794", "#2f6f9f", "#c0392b"
STATE_COLOURS = {
    STARTING: "#e0a526", PLAYING: "#2f6f9f", STALLED: "#c0392b", SEEKING: "#8e6bbf",
    RESUMING: "#d98f5c", PAUSED: "#c9d1d9",
}  # fmt: skip
SHOWN_SESSIONS = 14
LEAST_MS, MOST_MS = 60_000, 1_500_000
FAULT_COLUMNS = [name for name in answers.TABLE if not name.startswith("kpi")]
NUMBERS = set(FAULT_COLUMNS[5:])


def page(run: Scenario, s: Sessions, m: Measures, key: dict[str, Any]) -> str:
    """The page as HTML."""
    sections = [
        ("How long viewers waited", "Time from the press of play to the first frame.", _startup(m)),
        ("How long they watched", "Watched minutes of plays; most are short, a few are very long.", _watched(m)),
        ("What picture they got", "Mean bitrate of a play, by kind of network.", _bitrate(s, m)),
        ("A day's load", "Presses of play by the viewer's own hour and device: the evening is the peak.", _load(s)),
        ("The whole period", "Presses of play an hour, UTC: weekends and live events stand out.", _period(run, s)),
        ("What goes with what", "Rank correlation between measures of plays.", _together(m)),
        ("What each fault did", "On the sessions it touched: its metric with it over without it.", _faults(key)),
        ("Sessions from the inside", "What some players did, second by second.", _inside(s)),
    ]  # fmt: skip
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html").render(
        span=f"{day_of(run.begin_ms):%Y-%m-%d %H:%M} to {day_of(run.end_ms):%Y-%m-%d %H:%M} UTC",
        seed=run.seed,
        tiles=_tiles(s, m),
        columns=[Column(name.replace("_", " "), name in NUMBERS) for name in FAULT_COLUMNS],
        faults=[[_cell(name, row[name]) for name in FAULT_COLUMNS] for row in answers.table(key)],
        sections=[
            (title, text, _drawn(figure, with_script=number == 0))
            for number, (title, text, figure) in enumerate(sections)
        ],
    )


class Column(NamedTuple):
    """A column of the table of faults."""

    title: str
    is_number: bool


def _drawn(figure: go.Figure, with_script: bool) -> str:
    """The figure as HTML; the first one of the page brings Plotly's script for all."""
    config = {"displayModeBar": False, "responsive": True}
    drawn: str = to_html(figure, include_plotlyjs=with_script, full_html=False, config=config)
    return drawn


def _tiles(s: Sessions, m: Measures) -> list[tuple[str, str]]:
    """The data set in a few numbers, each with what it counts."""
    startup = m.startup_ms[m.startup_ms >= 0]
    return [
        (f"{len(s.viewing):,}", "presses of play"),
        (f"{m.is_play.mean():.1%}", "saw a frame"),
        (f"{np.median(startup) / 1000:.1f} s", "median startup"),
        (f"{(m.stall_count > 0).mean():.1%}", "had a stall"),
        (f"{m.start_failed.mean():.2%}", "failed to start"),
        (f"{m.exited_before_start.mean():.1%}", "left before the start"),
        (f"{m.watched_ms.sum() / 3_600_000:,.0f} h", "watched"),
    ]


def _cell(name: str, value: Any) -> str:  # noqa: ANN401 - a column of the answer key
    text = "" if value is None else f"{value:,.0f}" if name in NUMBERS and value != "" else str(value)
    return text[:16].replace("T", " ") if name.endswith("_at") else text


def _figure(*traces: Any, height: int = 340, **layout: Any) -> go.Figure:  # noqa: ANN401 - Plotly has no types
    figure = go.Figure(list(traces))
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 60, "r": 20, "t": 30, "b": 50}, font={"color": INK},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        colorway=[ACCENT, "#e0a526", "#5b9e6f", "#8e6bbf", "#d98f5c", BAD], **layout,
    )  # fmt: skip
    return figure


def _histogram(values: Floats, edges: Floats, colour: str = ACCENT) -> go.Bar:
    counts, _ = np.histogram(values, edges)
    return go.Bar(x=np.sqrt(edges[:-1] * edges[1:]), y=counts, width=np.diff(edges), marker={"color": colour})


def _startup(m: Measures) -> go.Figure:
    values = m.startup_ms[m.startup_ms >= 0] / 1000
    return _figure(
        _histogram(values, np.geomspace(0.3, 60, 60)), xaxis={"type": "log", "title": "seconds"}, yaxis_title="sessions"
    )


def _watched(m: Measures) -> go.Figure:
    minutes = m.watched_ms[m.is_play] / 60_000
    return _figure(
        _histogram(minutes, np.geomspace(0.1, 240, 60)), xaxis={"type": "log", "title": "minutes"}, yaxis_title="plays"
    )


def _bitrate(s: Sessions, m: Measures) -> go.Figure:
    edges, traces = np.linspace(0, 16_500, 34), []
    for code, name in enumerate(NETWORK_TYPES):
        values = m.bitrate_avg_kbps[(s.viewing.network == code) & (m.bitrate_avg_kbps >= 0)]
        counts = np.histogram(values, edges)[0] / max(len(values), 1)
        traces.append(
            go.Scatter(x=(edges[:-1] + edges[1:]) / 2, y=counts, name=name, mode="lines", line={"shape": "hvh"})
        )
    return _figure(*traces, xaxis_title="kbps", yaxis={"title": "share of plays", "tickformat": ".0%"})


def _load(s: Sessions) -> go.Figure:
    hour, _ = local_clock(s.viewing)
    traces = [
        go.Bar(x=np.arange(24), y=np.bincount(hour[s.viewing.device_type == code].astype(int), minlength=24), name=name)
        for code, name in enumerate(DEVICE_TYPES)
    ]
    return _figure(*traces, barmode="stack", xaxis_title="hour where the viewer is", yaxis_title="presses of play")


def _period(run: Scenario, s: Sessions) -> go.Figure:
    hours = (s.viewing.started_ms - run.begin_ms) // HOUR_MS
    counts = np.bincount(hours)
    times = [day_of(run.begin_ms + int(h) * HOUR_MS) for h in range(len(counts))]
    live = np.bincount(hours[s.viewing.live], minlength=len(counts))
    return _figure(
        go.Scatter(x=times, y=counts, name="all", line={"width": 1}),
        go.Scatter(x=times, y=live, name="live", line={"width": 1}),
        yaxis_title="presses of play an hour",
    )  # fmt: skip


def _together(m: Measures) -> go.Figure:
    plays = m.is_play & (m.startup_ms >= 0) & (m.bitrate_avg_kbps >= 0)
    columns = {
        "startup": m.startup_ms, "stalls": m.stall_count, "stall time": m.stall_ms, "bitrate": m.bitrate_avg_kbps,
        "height": m.main_height, "dropped frames": m.dropped_frames, "watched": m.watched_ms,
    }  # fmt: skip
    ranks = np.stack([np.argsort(np.argsort(values[plays])) for values in columns.values()])
    table = np.corrcoef(ranks)
    names = list(columns)
    return _figure(
        go.Heatmap(z=table, x=names, y=names, zmin=-1, zmax=1, colorscale="RdBu", text=np.round(table, 2),
                   texttemplate="%{text}"),
        height=420,
    )  # fmt: skip


def _faults(key: dict[str, Any]) -> go.Figure:
    named, factors, words = [], [], []
    for e in reversed(key["faults"]):
        before, after = e["kpi_without"], e["kpi_with"]
        if before and after:
            named.append(e["name"])
            factors.append(before / after if e["kpi"] == "bitrate_avg_kbps" else after / before)
            words.append(f"{e['kpi']}: {before:.4g} → {after:.4g}, {e['sessions']:,} sessions")
    bars = go.Bar(
        x=factors, y=named, orientation="h", text=words, textposition="auto", hovertext=words, marker={"color": BAD}
    )
    return _figure(
        bars, height=90 + 34 * len(named), xaxis={"type": "log", "title": "times worse"}, yaxis={"automargin": True}
    )


def _inside(s: Sessions) -> go.Figure:
    t = s.timeline
    eventful = t.total(t["event"] == STALL) + t.total(t["state"] == PAUSED) + t.total(t["event"] == FAIL)
    length = t.length_ms
    order = np.argsort(-np.where((length > LEAST_MS) & (length < MOST_MS), np.minimum(eventful, 4), -1), kind="stable")[
        :SHOWN_SESSIONS
    ]
    traces, shown = [], set()
    for line, session in enumerate(order):
        rows = slice(int(t.first[session]), int(t.first[session + 1]))
        country = DIMENSIONS["country_code"][1][s.viewing.country[session]]
        place = f"{country} {DEVICE_TYPES[s.viewing.device_type[session]]} {line + 1}"
        for state, colour in STATE_COLOURS.items():
            mine = (t["state"][rows] == state) & (t["ms"][rows] > 0)
            if mine.any():
                ms, end = t["ms"][rows][mine] / 1000, t.end_ms[rows][mine] / 1000
                traces.append(go.Bar(
                    x=ms, base=end - ms, y=[place] * len(ms), orientation="h", name=STATES[state],
                    legendgroup=STATES[state],
                    showlegend=state not in shown, marker={"color": colour, "line": {"width": 0}},
                ))  # fmt: skip
                shown.add(state)
        last = rows.stop - 1
        traces.append(go.Scatter(
            x=[t.end_ms[last] / 1000], y=[place], mode="markers", showlegend=False, hovertext=EVENTS[t["event"][last]],
            marker={"symbol": "x" if t["event"][last] == FAIL else "circle", "color": INK, "size": 7},
        ))  # fmt: skip
    return _figure(
        *traces,
        height=120 + 26 * len(order),
        barmode="overlay",
        xaxis_title="seconds since the press of play",
        yaxis={"autorange": "reversed", "automargin": True},
    )
