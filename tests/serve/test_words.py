"""Words: numbers with their unit, and changes judged by what they mean for viewers."""

from datetime import timedelta

import pytest

from qoescope.catalog.metrics import METRIC_BY_NAME, Unit
from qoescope.serve.display import words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ratio", "–"),
        (12_345, "count", "12,345"),
        (0.0042, "ratio", "0.42 %"),
        (0.314, "ratio", "31.4 %"),
        (842, "ms", "842 ms"),
        (2_354, "ms", "2.35 s"),
        (3_725_000, "ms", "1 h 02 min"),
        (812, "kbps", "812 kbps"),
        (5_210, "kbps", "5.21 Mbps"),
        (78.06, "score", "78.1"),
        (1_302.4, "hours", "1,302 h"),
        (0.021, "per_minute", "0.021 /min"),
    ],
)
def test_a_number_is_said_with_its_unit(value: float | None, unit: Unit, text: str) -> None:
    assert words.number(value, unit) == text


@pytest.mark.parametrize(
    ("metric", "now", "before", "text", "verdict"),
    [
        ("rebuffer_ratio", 0.02, 0.01, "▲ 100%", "bad"),
        ("rebuffer_ratio", 0.01, 0.02, "▼ 50%", "good"),
        ("bitrate_avg_kbps", 5000.0, 4000.0, "▲ 25%", "good"),
        ("plays", 50, 100, "▼ 50%", "neutral"),
        ("rebuffer_ratio", 0.0100, 0.0101, "steady", "neutral"),
        ("rebuffer_ratio", 0.01, 0.0, "from 0", "bad"),
        ("rebuffer_ratio", 0.0, 0.0, "steady", "neutral"),
        ("rebuffer_ratio", None, 0.1, "–", "neutral"),
    ],
)
def test_a_change_is_good_or_bad_by_the_metrics_direction(
    metric: str, now: float | None, before: float | None, text: str, verdict: str
) -> None:
    change = words.change(METRIC_BY_NAME[metric], now, before)
    assert (change.text, change.verdict) == (text, verdict)


def test_every_metric_has_a_definition_and_a_formula_made_of_its_measures() -> None:
    for metric in METRIC_BY_NAME.values():
        meaning, formula = words.definition(metric)
        assert meaning.endswith(".")
        assert formula


def test_the_parts_of_a_number_are_its_measures_with_their_meaning() -> None:
    parts = words.parts(METRIC_BY_NAME["rebuffer_ratio"], {"stall_ms": 1500, "watched_ms": 90_000})
    assert [(name, value) for name, value, _ in parts] == [("stall_ms", "1,500"), ("watched_ms", "90,000")]
    assert words.formula(METRIC_BY_NAME["rebuffer_ratio"]) == "stall_ms / watched_ms"


def test_a_span_is_said_roughly() -> None:
    said = [words.length(timedelta(seconds=s)) for s in (12, 600, 20_000, 300_000)]
    assert said == ["12 s", "10 min", "6 h", "3 days"]
