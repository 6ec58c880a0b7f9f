"""Report: one page that shows a simulated data set to a person; nothing is loaded from elsewhere."""

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
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
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1f2933;background:#fff;max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.4rem 0 .2rem}p{margin:.2rem 0 .6rem;color:#52606d}
table{border-collapse:collapse;width:100%;font-size:.86rem}
th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid #e4e7eb}
td:nth-child(1),td:nth-child(4),td:nth-child(5){white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
.tile{border:1px solid #e4e7eb;border-radius:8px;padding:.6rem .9rem;min-width:8.5rem}
.tile b{display:block;font-size:1.3rem}
.scroll{overflow-x:auto}
"""


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
    body = [_head(run, s, m), "<h2>What was injected</h2>", _table(key)]
    for number, (title, text, figure) in enumerate(sections):
        drawn = to_html(
            figure, include_plotlyjs=number == 0, full_html=False, config={"displayModeBar": False, "responsive": True}
        )
        body.append(f"<h2>{escape(title)}</h2><p>{escape(text)}</p>{drawn}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Simulated viewing sessions</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _head(run: Scenario, s: Sessions, m: Measures) -> str:
    n = len(s.viewing)
    startup = m.startup_ms[m.startup_ms >= 0]
    tiles = (
        (f"{n:,}", "presses of play"), (f"{m.is_play.mean():.1%}", "saw a frame"),
        (f"{np.median(startup) / 1000:.1f} s", "median startup"), (f"{(m.stall_count > 0).mean():.1%}", "had a stall"),
        (f"{m.start_failed.mean():.2%}", "failed to start"),
        (f"{m.exited_before_start.mean():.1%}", "left before the start"),
        (f"{m.watched_ms.sum() / 3_600_000:,.0f} h", "watched"),
    )  # fmt: skip
    drawn = "".join(f'<div class="tile"><b>{value}</b>{what}</div>' for value, what in tiles)
    span = f"{day_of(run.begin_ms):%Y-%m-%d %H:%M} to {day_of(run.end_ms):%Y-%m-%d %H:%M} UTC"
    return f'<h1>Simulated viewing sessions</h1><p>{span}, seed {run.seed}</p><div class="tiles">{drawn}</div>'


def _table(key: dict[str, Any]) -> str:
    names = [name for name in answers.TABLE if not name.startswith("kpi")]
    right = set(names[5:])
    head = "".join(f"<th{' class=n' if name in right else ''}>{name.replace('_', ' ')}</th>" for name in names)
    rows = []
    for row in answers.table(key):
        cells = []
        for name in names:
            value = row[name]
            text = "" if value is None else f"{value:,.0f}" if name in right and value != "" else str(value)
            text = text[:16].replace("T", " ") if name.endswith("_at") else text
            cells.append(f"<td{' class=n' if name in right else ''}>{escape(text)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


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
