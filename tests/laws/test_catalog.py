"""The catalog's laws: names exist, words agree, and every declared SQL is understood."""

import re
from typing import get_args

import pytest

from qoescope.catalog import dimensions, marts, measures, metrics, scores
from qoescope.catalog.schema import Field
from qoescope.catalog.tables import EVENTS, SESSIONS


def test_metrics_are_made_of_measures_that_exist() -> None:
    for metric in metrics.METRIC_BY_NAME.values():
        assert set(metric.measures) <= set(measures.ALL), metric.name


def test_live_metrics_are_made_of_live_measures_only() -> None:
    for metric in metrics.METRIC_BY_NAME.values():
        live = metric.name.startswith("live_")
        assert all(name.startswith("live_") == live for name in metric.measures), metric.name


@pytest.mark.parametrize("names", [
    [m.name for m in (*metrics.METRICS, *metrics.LIVE_METRICS)],
    [m.name for m in (*measures.MEASURES, *measures.LIVE_MEASURES)],
    [d.name for d in dimensions.DIMENSIONS],
    SESSIONS.names,
    EVENTS.names,
])  # fmt: skip
def test_no_name_is_taken_twice(names: list[str]) -> None:
    assert len(names) == len(set(names))


def test_measures_speak_of_session_columns_that_exist() -> None:
    words = {"is", "not", "null", "and", "or", "true", "false"}
    for m in measures.MEASURES:
        text = re.sub(r"'[^']*'", "", f"{m.of} {m.where}")
        assert set(re.findall(r"[a-z_][a-z_0-9]*", text)) - words <= set(SESSIONS.names), m.name


def test_units_are_in_names() -> None:
    ratios = [
        m.name for m in metrics.METRIC_BY_NAME.values() if m.unit == "ratio" and not m.name.endswith(("_ratio", "_avg"))
    ]
    times = [m.name for m in metrics.METRIC_BY_NAME.values() if m.unit == "ms" and not m.name.endswith("_ms")]
    assert (ratios, times) == ([], [])


def test_marts_are_kept_by_dimensions_of_few_values() -> None:
    kept = {name for mart in marts.MARTS if not mart.personal for grouping in mart.groupings for name in grouping}
    for name in kept:
        assert dimensions.DIMENSION_BY_NAME[name].size != "high", name


@pytest.mark.parametrize("use", get_args(dimensions.Use))
def test_each_dimension_has_a_place_of_its_own_in_each_use(use: dimensions.Use) -> None:
    places = sorted(d.uses[use] for d in dimensions.DIMENSIONS if use in d.uses)
    assert places == list(range(1, len(places) + 1))


def test_score_weights_sum_to_one() -> None:
    assert sum(scores.SCORE_WEIGHTS.values()) == pytest.approx(1)


def test_everything_declared_says_what_it_means() -> None:
    declared: list[Field] = [*EVENTS.fields, *SESSIONS.fields]
    assert [f.name for f in declared if not f.doc] == []
    assert [m.name for m in measures.ALL.values() if not m.doc] == []
