"""Figures: rows become charts without a browser; what is drawn is what was answered."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qoescope.catalog.measures import BUCKETS
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.serve.analysis import sessions
from qoescope.serve.analysis.sessions import Moment, Stretch
from qoescope.serve.display import charts, figures, sparks, theme

AT = datetime(2026, 1, 31, 20, tzinfo=UTC)
REBUFFER = METRIC_BY_NAME["rebuffer_ratio"]


def steps(*values: float | None) -> list[dict[str, Any]]:
    return [{"starts_at": AT + timedelta(hours=i), "rebuffer_ratio": v} for i, v in enumerate(values)]


def test_a_trend_shows_per_cent_leaves_gaps_and_lays_the_time_before_over_it() -> None:
    figure = figures.trend(REBUFFER, steps(0.01, None, 0.02), steps(0.03), timedelta(hours=3))
    before, now = figure.data
    assert list(now.y) == [1.0, None, 2.0]
    assert list(before.x) == [AT + timedelta(hours=3)]
    assert now.connectgaps is False
    assert list(now.customdata) == ["1.00 %", "–", "2.00 %"]


def test_one_point_is_a_mark_since_a_line_would_show_nothing() -> None:
    assert figures.trend(REBUFFER, steps(0.01)).data[-1].mode == "markers"


def test_startups_stand_beside_those_who_left_and_those_who_failed() -> None:
    started, left = [0] * BUCKETS, [0] * BUCKETS
    started[20], left[25] = 40, 7
    figure = figures.startups(started, left, 3)
    assert {trace.name: sum(trace.y) for trace in figure.data} == {
        "started": 40,
        "left before the first frame": 7,
        "failed to start": 3,
    }


def test_the_map_colours_only_countries_that_have_the_number() -> None:
    rows: list[dict[str, Any]] = [
        {"country_code": "US", "rebuffer_ratio": 0.01, "attempts": 10},
        {"country_code": "BR", "rebuffer_ratio": None, "attempts": 1},
    ]
    base, shown = figures.world(REBUFFER, rows).data
    assert list(shown.locations) == ["US"]
    assert {"US", "BR", "KR"} <= set(base.locations)
    assert shown.geojson == "/assets/countries.geojson"


def test_higher_is_drawn_as_better_where_the_catalog_says_so() -> None:
    rows = [{"country_code": "US", "attempts": 1, "rebuffer_ratio": 0.1, "experience_score": 80.0}]
    lower = figures.world(REBUFFER, rows).data[1].colorscale
    higher = figures.world(METRIC_BY_NAME["experience_score"], rows).data[1].colorscale
    assert lower[0][1] == higher[-1][1]


def test_the_heat_map_has_a_cell_for_every_hour_of_the_weekdays_that_there_are() -> None:
    rows = [{"day_of_week": day, "hour": 23, "rebuffer_ratio": 0.5} for day in (6, 4)]
    (drawn,) = figures.heat(REBUFFER, rows).data
    assert list(drawn.y) == ["Fri", "Sun"]
    assert [list(line) for line in drawn.z] == [[None] * 23 + [50.0]] * 2


def test_a_session_is_drawn_state_by_state_over_one_time() -> None:
    runs = [Stretch("starting", 0, 1200, None, "", False), Stretch("playing", 1200, 8000, 4500, "aurora", False)]
    events = [{"seq": 1, "state_ms": 1200, "playhead_ms": 0}, {"seq": 2, "state_ms": 8000, "playhead_ms": 8000}]
    figure = charts.session(runs, [Moment(9200, "error", "lost")], events)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [(bar.name, bar.base[0], bar.x[0]) for bar in bars] == [("starting", 0.0, 1.2), ("playing", 1.2, 8.0)]
    assert bars[0].marker.color == theme.STATES["starting"]


def test_an_incident_shows_what_was_expected() -> None:
    figure = charts.incident(REBUFFER, steps(0.01, 0.09), steps(0.01), 0.011, AT, AT + timedelta(hours=1))
    assert [trace.name for trace in figure.data] == ["the rest", "the slice"]
    assert "expected 1.10 %" in figure.layout.annotations[0].text


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([], ""),
        ([None], ""),
        ([5], "M0.0 16.0h.1"),
        ([0, 10], "M0.0 29.0L120.0 3.0"),
        ([0, None, 10], "M0.0 29.0h.1M120.0 3.0h.1"),
    ],
)
def test_a_spark_keeps_gaps(values: list[float | None], path: str) -> None:
    assert sparks.line(values) == path


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "good", "bad", "warn"])
def test_every_text_can_be_read_on_both_grounds(text: str, scheme: str) -> None:
    colours = {c.meaning: getattr(c, scheme) for c in theme.COLOURS}
    for ground in ("ground", "panel"):
        assert contrast(colours[text], colours[ground]) >= 4.5
    if f"{text}-soft" in colours:
        assert contrast(colours[text], colours[f"{text}-soft"]) >= 4.5


def test_marks_can_be_seen_on_both_grounds() -> None:
    for scheme in ("light", "dark"):
        panel = next(getattr(c, scheme) for c in theme.COLOURS if c.meaning == "panel")
        for mark in (theme.ACCENT, theme.GOOD, theme.BAD):
            assert contrast(mark, panel) >= 3


LINK = '<a href="https://evil.example">click</a>'


def test_no_name_is_mark_up_in_a_chart() -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)
    metric = METRIC_BY_NAME["plays"]
    rows = [{"starts_at": at, "plays": 5}]
    event = {"seq": 1, "state": "playing", "state_ms": 1000, "type": "error", "error_code": LINK, "event_cdn": LINK}
    for figure in (
        figures.trend(metric, rows, rows, notes=[(at, LINK)], other=LINK),
        figures.lines(metric, {LINK: rows}),
        charts.session(sessions.stretches([event]), sessions.moments([event]), [event]),
    ):
        assert "<a" not in str(json.loads(figure.to_json()))
