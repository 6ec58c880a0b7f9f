"""Engagement: does quality cost watch time?"""

from collections import defaultdict
from typing import Any

from dash import html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.analysis import engagement
from qoescope.serve.analysis.engagement import Cell
from qoescope.serve.console import grids, parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.console.sections import empty_range
from qoescope.serve.display import figures, words

STRATA = ("device_type", "network_type")
QUALITIES = {
    "startup_ms": ("Startup", ("below 1 s", "1–2 s", "2–4 s", "4–8 s", "above 8 s"), 0),
    "stall_share_around": (
        "Stalls on the same ISP and CDN",
        ("below 0.05 %", "0.05–0.1 %", "0.1–0.2 %", "0.2–0.5 %", "above 0.5 %"),
        0,
    ),
    "stall_share": ("Own stalls", ("no stall", "below 0.2 %", "0.2–1 %", "1–3 %", "above 3 %"), 0),
    "bitrate_avg_kbps": ("Bitrate", ("below 0.8 Mbps", "0.8–1.5 Mbps", "1.5–3 Mbps", "3–5 Mbps", "above 5 Mbps"), 4),
}
"""For each quality its name, its buckets' names, and the best of them."""
CONTENT = ("plays", "viewers", "watch_hours", "completion_ratio", "rebuffer_ratio", "good_session_ratio")
MOST = 200
SAMPLED_FROM = 250_000
"""Plays above which a part of them is enough."""


def body(request: PageRequest) -> parts.Content:
    """The page's answer."""
    plays = request.ask(("plays",)).rows[0]["plays"]
    if not plays:
        return parts.content(request.subject, empty_range.hint(request))
    share = min(1.0, SAMPLED_FROM / plays)
    rows = request.store.watched(STRATA, request.state.between, request.state.where, share)
    by_quality = {name: [r for r in rows if r["quality"] == name and r["bucket"] is not None] for name in QUALITIES}
    strata = " and ".join(DIMENSION_BY_NAME[n].label.lower() for n in STRATA)
    note = html.P(
        [
            "Adjusted: inside each ",
            strata,
            ", plays of a row are compared with those of the best row. A long play has more time to stall, "
            "so a play's own stalls say little; what the others on the same provider and CDN had that day does not "
            "depend on it. This shows what goes together, not what causes it.",
        ],
        className="note",
    )
    return parts.content(
        f"{request.subject} · minutes of content a play; adjusted for {strata}"
        + (f"; computed on {share:.0%} of plays" if share < 1 else ""),
        note,
        html.Div([_quality(name, rows) for name, rows in by_quality.items()], className="grid-2"),
        _hours(request),
        _content(request),
    )


def _quality(name: str, rows: list[dict[str, Any]]) -> Component:
    label, buckets, best = QUALITIES[name]
    cells = [Cell(r["bucket"], tuple(r[h] for h in STRATA), r["plays"], r["minutes"], r["squares"]) for r in rows]
    plain = {m.bucket: m for m in engagement.naive(cells)}
    if best not in plain:
        return parts.card(label, parts.empty("Too few plays", "Choose a longer range."))
    effects = {e.bucket: e for e in engagement.adjusted(cells, best)}
    complete = _completion(rows)
    lines, labels, middle, low, high = [], [], [], [], []
    for bucket, text in enumerate(buckets):
        if bucket not in plain:
            continue
        mean, effect = plain[bucket], effects.get(bucket)
        reference = bucket == best
        lines.append(
            [
                text.replace(" ", "\N{NO-BREAK SPACE}"),
                f"{mean.n:,}",
                f"{mean.mean:.1f}",
                words.percent(complete[bucket]) if bucket in complete else words.NOTHING,
                _minutes(mean.mean - plain[best].mean) if not reference else "best",
                _minutes(effect.difference) if effect else "",
            ]
        )
        if effect:
            labels.append(text)
            middle.append(effect.difference)
            low.append(effect.low)
            high.append(effect.high)
    figure = figures.intervals(labels, middle, low, high, " min", (), True, 230)
    return parts.card(
        label,
        parts.graph(figure, 230, f"Minutes watched against the best bucket of {label.lower()}"),
        parts.table(
            [label, "Plays", "Minutes", "Completed", "Raw, min", "Adjusted, min"],
            lines,
            (1, 2, 3, 4, 5),
            f"Watch time by {label.lower()}",
        ),
        note=f"minutes against “{buckets[best]}”, with 95 % intervals",
    )


def _minutes(difference: float) -> str:
    return f"{round(difference, 1) + 0.0:+.1f}"


def _completion(rows: list[dict[str, Any]]) -> dict[int, float]:
    done: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for r in rows:
        done[r["bucket"]][0] += r["completed"]
        done[r["bucket"]][1] += r["measured"]
    return {bucket: k / n for bucket, (k, n) in done.items() if n}


def _hours(request: PageRequest) -> Component:
    answer = request.ask(("plays", "watch_hours"), every="hour")
    total: dict[int, list[float]] = defaultdict(list)
    for row in answer.rows:
        total[row["starts_at"].hour].append(row["watch_hours"])
    rows = [{"hour": h, "watch_hours": sum(v) / len(v)} for h, v in sorted(total.items())]
    peak = max(rows, key=lambda r: r["watch_hours"])
    return parts.card(
        "Peak hours",
        parts.graph(figures.hours(rows, peak["hour"], 200), 200, "Watch hours by hour of the day"),
        note=f"watch hours that begin in an hour of the day, UTC; most at {peak['hour']}:00",
    )


def _content(request: PageRequest) -> Component:
    answer = request.ask(CONTENT, ("content_id",))
    rows = []
    for row in sorted(answer.rows, key=lambda r: -r["watch_hours"])[:MOST]:
        href = "/explore" + request.state.narrowed("content_id", row["content_id"]).query()
        line: dict[str, Any] = {"content": grids.linked(row["content_id"], href)}
        for name in CONTENT:
            line |= {name: row[name], f"{name}_text": words.number(row[name], METRIC_BY_NAME[name].unit)}
        rows.append(line)
    columns = [
        grids.link("content", DIMENSION_BY_NAME["content_id"].label, minWidth=160),
        *(grids.number(n, METRIC_BY_NAME[n].label) for n in CONTENT),
    ]
    return parts.card(
        "Content",
        grids.grid(
            "en-grid", columns, rows, grids.height(len(rows), 10), "qoescope-content.csv", "Content by watch time"
        ),
        note="most watched first",
        actions=grids.saver("en-grid"),
    )
