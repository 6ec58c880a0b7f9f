"""Rule forms: alarms by threshold as people write and read them; pure."""

import json
from collections.abc import Mapping
from typing import Any

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.marts import LEAF_DIMENSIONS
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.catalog.watch import RULES, WATCHED
from qoescope.serve.display import words
from qoescope.serve.request import state

LIVE = tuple(w.metric for w in WATCHED if w.leaf)
"""Metrics that the monitor sees every minute."""
MEANING = {field.name: field.doc for field in RULES.fields}
SEVERITIES = ("info", "warning", "critical")
DIRECTIONS = ("above", "below")


def describe(rule: Mapping[str, Any]) -> tuple[str, str, str]:
    """A rule in words: its metric, of whom, and when it rings."""
    metric = METRIC_BY_NAME[rule["metric"]]
    chosen = rule["slice"] if isinstance(rule["slice"], Mapping) else json.loads(rule["slice"])
    values = {name: value if isinstance(value, str) else " or ".join(value) for name, value in chosen.items()}
    whom = ", ".join(f"{name} {value}" for name, value in values.items()) or "everyone"
    limit = words.number(rule["threshold"], metric.unit)
    when = f"{rule['direction']} {limit} for {rule['minutes']} min, of at least {rule['audience']:,.0f}"
    return metric.label, whom, when


def parse(
    metric: str, direction: str, threshold: object, minutes: object, audience: object, severity: str, only: str
) -> dict[str, Any]:
    """The rule as it is stored. Raises `Mistake` with what is wrong in it."""
    for kind, value, known in (
        ("metric", metric, LIVE),
        ("severity", severity, SEVERITIES),
        ("direction", direction, DIRECTIONS),
    ):
        if value not in known:
            raise UnknownName(kind, value, known)
    where = state.where((only or "").split())
    for name in where:
        if name.startswith("!"):
            raise Mistake("a rule is about a slice: leave out the '!'")
        if name not in LEAF_DIMENSIONS:
            raise UnknownName("dimension of live numbers", name, LEAF_DIMENSIONS)
    return {
        "metric": metric,
        "direction": direction,
        "severity": severity,
        "threshold": _number("threshold", threshold, 0, 1e12),
        "minutes": int(_number("minutes", minutes, 1, 60)),
        "audience": _number("audience", audience, 1, 1e9),
        "slice": json.dumps({name: values[0] if len(values) == 1 else list(values) for name, values in where.items()}),
    }


def _number(name: str, text: object, least: float, most: float) -> float:
    try:
        value = float(str(text).replace(",", "."))
    except ValueError as error:
        raise Mistake(f"'{text}' is not a number: {MEANING[name]}") from error
    if not least <= value <= most:  # not a number is neither
        raise Mistake(f"{name} must be between {least:g} and {most:g}")
    return value
