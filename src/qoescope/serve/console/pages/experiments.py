"""Experiments: did the new version help?"""

from math import floor, log10
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, clientside_callback, dcc, html
from dash.development.base_component import Component

from qoescope.catalog.dimensions import DIMENSION_BY_NAME, DIMENSIONS, UNKNOWN
from qoescope.catalog.errors import UnknownName
from qoescope.catalog.metrics import METRIC_BY_NAME, Ratio
from qoescope.serve.analysis import experiments
from qoescope.serve.analysis.experiments import ArmDifference, Filling
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import figures, theme, words

SHOWN: tuple[Ratio, ...] = tuple(
    m
    for name in (
        "good_session_ratio",
        "experience_score",
        "start_failure_ratio",
        "ebvs_ratio",
        "play_failure_ratio",
        "startup_avg_ms",
        "startup_unknown_ratio",
        "rebuffer_ratio",
        "stalls_per_minute",
        "bitrate_avg_kbps",
        "completion_ratio",
    )
    if isinstance(m := METRIC_BY_NAME[name], Ratio)
)
"""The first one decides; a startup metric comes with those that tell who did not stay."""
MOST_ARMS = 5
BASELINES = ("control", "baseline", "a", "off", "old")
SAMPLED_FROM = 150_000
"""Attempts above which a part of the viewers is enough."""
RANDOMISED = ("variant", "experiment")
MOST_PLACES = 6
COLOURS = {"better": theme.GOOD, "worse": theme.BAD, "open": theme.NEUTRAL, "early": theme.BASELINE}


def body(request: PageRequest) -> parts.Content:
    """The page's answer."""
    by = request.state.own.get("arms", "variant")
    if by not in DIMENSION_BY_NAME:
        raise UnknownName("dimension", by, DIMENSION_BY_NAME)
    known = {
        r["value"]: r["attempts"] for r in request.store.values(by, request.state.between) if r["value"] != UNKNOWN
    }
    arms = list(known)[:MOST_ARMS]
    chooser = _chooser(request, by, arms)
    if len(arms) < 2:  # noqa: PLR2004
        return parts.content(
            request.subject,
            chooser,
            parts.empty(
                f"{DIMENSION_BY_NAME[by].label} has fewer than two values here",
                "Players name their arm in the field ",
                html.Code("variant"),
                ". Take a longer range, or another dimension as arms.",
            ),
        )
    share = min(1.0, SAMPLED_FROM / max(sum(known[a] for a in arms), 1))
    rows = {r["arm"]: r for r in request.store.arms(SHOWN, by, arms, request.state.between, request.state.where, share)}
    base = _baseline(request, arms)
    viewers = {a: int(rows[a]["units"]) for a in arms if a in rows}
    planned = _planned(request.state.own.get("split", ""), arms) or experiments.simplest(viewers)
    filled = experiments.filling(viewers, planned)
    assigned = by in RANDOMISED
    cards = [
        _arm(arm, base, rows, filled if assigned else None, len(arms) - 1)
        for arm in arms
        if arm != base and arm in rows and base in rows
    ]
    note = (
        f"computed on {share:.0%} of viewers, by their hash"
        if share < 1
        else "one viewer is one unit, however often they watch"
    )
    return parts.content(f"{request.subject} · {note}", chooser, _filling(filled, planned, assigned), *cards)


def _baseline(request: PageRequest, arms: list[str]) -> str:
    wanted = request.state.own.get("base")
    if wanted in arms:
        return wanted
    return next((a for a in arms if a.lower() in BASELINES), arms[0])


def _planned(text: str, arms: list[str]) -> dict[str, float]:
    """The split that was written down, such as `50 25 25`, in the arms' order; empty where it does not fit them."""
    try:
        parts = [float(part) for part in text.replace(":", " ").replace(",", " ").replace("%", " ").split()]
    except ValueError:
        return {}
    fits = len(parts) == len(arms) and all(part > 0 for part in parts)
    return dict(zip(arms, parts, strict=True)) if fits else {}


def _chooser(request: PageRequest, by: str, arms: list[str]) -> Component:
    data = [{"value": d.name, "label": d.label} for d in DIMENSIONS if d.size != "high"]
    base = _baseline(request, arms) if arms else ""
    links = [
        dcc.Link(a, href=request.path + request.state.query(base=a), className="on" if a == base else "") for a in arms
    ]
    return html.Div(
        [
            dmc.Select(
                id="xp-arms", label="Arms", value=by, data=data, searchable=True, size="xs", allowDeselect=False
            ),
            html.Div(
                [
                    html.Span("Baseline", className="label"),
                    html.Div(links, className="segments", role="group", **{"aria-label": "Baseline"}),
                ],
                className="labelled",
            )
            if links
            else None,
            dmc.TextInput(
                id="xp-split",
                label="Planned split",
                value=request.state.own.get("split", ""),
                placeholder="50 25 25",
                debounce=600,
                size="xs",
            )
            if by in RANDOMISED
            else None,
            parts.chosen(arms=by, split=request.state.own.get("split", "")),
        ],
        className="chooser",
    )


def _filling(filled: Filling, planned: dict[str, float], assigned: bool) -> Component:
    total = sum(filled.viewers.values()) or 1
    rows = [
        [arm, f"{n:,}", f"{filled.expected[arm]:,.0f}", words.percent(n / total), parts.bar(n / total)]
        for arm, n in filled.viewers.items()
    ]
    if not assigned:
        state, text = (
            "warn",
            "Viewers were not assigned to these arms at random: differences may come from who is in them. "
            "Filter by device and country.",
        )
    elif filled.uneven:
        state, text = (
            "bad",
            f"The arms do not match the planned split (p = {filled.p:.1g}). Find the cause before reading the results.",
        )
    else:
        state, text = "good", f"The arms match the planned split (p = {filled.p:.2f})."
    split = " : ".join(f"{planned.get(arm, 1):g}" for arm in filled.viewers)
    text += f" The planned split is assumed to be {split}; enter another one above." if assigned else ""
    return parts.card(
        "Viewers by arm",
        html.P([parts.badge({"good": "even", "bad": "uneven", "warn": "not assigned"}[state], state), " ", text]),
        parts.table(["Arm", "Viewers", "As planned", "Share", ""], rows, (1, 2, 3), "Viewers by arm"),
    )


def _arm(arm: str, base: str, rows: dict[str, Any], filled: Filling | None, arms: int) -> Component:
    alpha = experiments.ALPHA / arms
    differences = [
        experiments.difference(
            m, experiments.moments(rows[base], i, m.times), experiments.moments(rows[arm], i, m.times), alpha
        )
        for i, m in enumerate(SHOWN)
    ]
    verdict = experiments.verdict(arm, base, differences, filled)
    kind = {"better": "good", "worse": "bad", "uneven": "bad"}.get(verdict.finding, "neutral")
    shown = [d for d in differences if d.relative is not None and d.finding != "early"]
    lines = [_line(d) for d in differences]
    head = [
        "Metric",
        base,
        arm,
        "Difference",
        f"{100 * (1 - alpha):g} % interval, one look",
        "Interval, any time",
        "So far",
    ]
    return parts.card(
        f"{arm} against {base}",
        html.P([parts.badge(verdict.finding, kind), " ", verdict.text], className="story"),
        parts.graph(
            figures.intervals(
                [d.metric.label for d in shown],
                [_share(d, d.difference) for d in shown],
                [_share(d, d.always_low) for d in shown],
                [_share(d, d.always_high) for d in shown],
                " %",
                [COLOURS[d.finding] for d in shown],
                True,
                60 + 28 * len(shown),
            ),
            60 + 28 * len(shown),
            f"Differences of {arm} from {base}, in per cent of {base}",
        )
        if shown
        else None,
        parts.table(head, lines, (1, 2, 3, 4, 5), f"{arm} against {base}"),
        note="relative differences with always-valid intervals",
    )


def _share(d: ArmDifference, value: float) -> float:
    return 100 * value / abs(d.base) if d.base else 0.0


def _line(d: ArmDifference) -> list[Any]:
    unit = d.metric.unit
    if d.finding == "early":
        return [
            _named(d),
            words.number(d.base, unit),
            words.number(d.arm, unit),
            words.NOTHING,
            words.NOTHING,
            words.NOTHING,
            parts.badge("not enough data"),
        ]
    kind = {"better": "good", "worse": "bad"}.get(d.finding, "neutral")
    return [
        _named(d),
        words.number(d.base, unit),
        words.number(d.arm, unit),
        _signed(d, d.difference),
        f"{_signed(d, d.low)} to {_signed(d, d.high)}",
        f"{_signed(d, d.always_low)} to {_signed(d, d.always_high)}",
        parts.badge({"open": "no difference found"}.get(d.finding, d.finding), kind),
    ]


def _named(d: ArmDifference) -> Component:
    return html.Span(
        d.metric.label, title=f"{d.metric.doc}: {words.formula(d.metric)}; {words.DIRECTIONS[d.metric.better]}"
    )


def _signed(d: ArmDifference, value: float) -> str:
    match d.metric.unit:
        case "ratio":
            return f"{_places(100 * value)} pt"
        case "ms" | "kbps":
            return f"{value:+,.0f} {d.metric.unit}"
        case _:
            return _places(value)


def _places(value: float) -> str:
    """Two places, or as many as it takes to show two digits."""
    small = value and abs(value) < 0.005  # noqa: PLR2004 - it would be shown as zero
    return f"{value:+.{min(1 - floor(log10(abs(value))), MOST_PLACES) if small else 2}f}"


for _id, _key in (("xp-arms", "arms"), ("xp-split", "split")):
    clientside_callback(
        ClientsideFunction("console", f"choose_{_key}"),
        Output("_pages_location", "search", allow_duplicate=True),
        Input(_id, "value"),
        State("chosen", "data"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
