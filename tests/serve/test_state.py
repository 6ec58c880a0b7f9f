"""PageState: an address says all that a page shows, and says it again the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.serve.request.state import PageState, default_range, filter_text, from_pairs, state, where

NOW = datetime(2026, 1, 31, 20, 14, 7, tzinfo=UTC)


def test_without_a_range_it_is_the_last_day_to_the_next_full_hour() -> None:
    asked = state("", NOW)
    assert asked.between == (datetime(2026, 1, 30, 21, tzinfo=UTC), datetime(2026, 1, 31, 21, tzinfo=UTC))
    assert (asked.span, asked.every) == ("24h", "hour")


def test_the_time_before_is_as_long_as_what_has_passed_so_that_counts_compare() -> None:
    asked = state("?t=24h", NOW)
    assert asked.before == (datetime(2026, 1, 29, 21, tzinfo=UTC), datetime(2026, 1, 30, 20, tzinfo=UTC))


def test_a_month_lies_on_days_so_that_the_smallest_mart_answers() -> None:
    asked = state("?t=30d", NOW)
    assert asked.between == (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert asked.every == "day"


def test_an_own_range_is_in_utc_and_needs_no_end() -> None:
    assert state("?from=2026-01-01T02:00%2B02:00&to=2026-01-02", NOW).between == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert state("?from=2026-01-31T12:00", NOW).between[1] == datetime(2026, 1, 31, 21, tzinfo=UTC)


def test_a_range_may_be_given_in_words() -> None:
    assert state("?from=yesterday 20:00&to=now", NOW).between == (
        datetime(2026, 1, 30, 20, tzinfo=UTC),
        datetime(2026, 1, 31, 20, 14, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("length", "step"), [(4, "10s"), (12, "10s"), (13, "minute"), (100, "minute"), (101, "5m"), (601, "hour")]
)
def test_a_short_range_is_drawn_in_short_steps(length: int, step: str) -> None:
    """Minutes, and the step that gives some twenty points or more."""
    end = NOW + timedelta(minutes=length)
    assert state(f"?from={NOW:%Y-%m-%dT%H:%M}&to={end:%Y-%m-%dT%H:%M}", NOW).every == step


@pytest.mark.parametrize(
    ("oldest", "newest", "name"),
    [
        (None, None, "24h"),
        (timedelta(minutes=40), timedelta(minutes=40), "1h"),
        (timedelta(hours=5), timedelta(hours=1), "6h"),
        (timedelta(hours=30), timedelta(hours=1), "24h"),
        (timedelta(days=9), timedelta(days=3), "7d"),
        (timedelta(days=80), timedelta(days=50), "90d"),
        (timedelta(days=300), timedelta(days=200), "24h"),
    ],
)
def test_the_range_of_an_address_that_names_none_is_where_sessions_are(
    oldest: timedelta | None, newest: timedelta | None, name: str
) -> None:
    hours = [None if age is None else NOW - age for age in (oldest, newest)]
    assert default_range(hours[0], hours[1], NOW) == name


def test_an_address_names_its_range_unless_it_is_everybody_s_default() -> None:
    young = from_pairs([], NOW, "1h")
    assert (young.span, young.query()) == ("1h", "?t=1h")
    assert replace(young, span="24h").query() == "?t=24h"
    assert from_pairs([], NOW).query() == ""


def test_filters_keep_and_leave_out_and_a_comma_may_be_part_of_a_value() -> None:
    asked = state("?f=device_type:smart_tv,web&f=!country_code:US&f=isp:a\\,b", NOW)
    assert asked.where == {"device_type": ("smart_tv", "web"), "!country_code": ("US",), "isp": ("a,b",)}


def test_narrowing_replaces_a_filter_of_the_same_dimension() -> None:
    asked = state("?f=!device_type:web", NOW).narrowed("device_type", "mobile")
    assert asked.where == {"device_type": ("mobile",)}
    assert asked.without("device_type").query() == ""


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("?t=fortnight", "unknown time range"),
        ("?from=someday", "is not a valid time"),
        ("?from=2026-01-02&to=2026-01-01", "ends before it begins"),
        ("?from=2024-01-01&to=2026-01-01", "at most 400 days"),
        ("?f=device_type", "is not a valid filter"),
        ("?f=device_typ:web", "did you mean 'device_type'"),
    ],
)
def test_what_is_wrong_in_an_address_is_said_with_what_to_do(search: str, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        state(search, NOW)


def test_an_unknown_dimension_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        where(["contry_code:US"])
    assert caught.value.suggestion == "country_code"


VALUES = st.text(st.characters(exclude_characters="\\\x00", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.dictionaries(
        st.sampled_from(sorted(DIMENSION_BY_NAME)), st.lists(VALUES, min_size=1, max_size=3).map(tuple), max_size=3
    ),
    st.sampled_from(["1h", "24h", "7d"]),
)
def test_an_address_read_again_shows_the_same(filters: dict[str, tuple[str, ...]], span: str) -> None:
    asked = state(f"?t={span}", NOW)
    first = PageState(asked.between, asked.span, filters, {"by": "isp"}, asked.until)
    assert state(first.query(), NOW) == first


def test_values_with_commas_are_written_so_that_they_are_read_back() -> None:
    assert where([filter_text("isp", ("a,b", "c"))]) == {"isp": ("a,b", "c")}


def test_a_range_that_is_over_is_compared_with_all_of_the_one_before() -> None:
    asked = state("?from=2026-01-01&to=2026-01-03", NOW)
    assert asked.until is None
    assert asked.before == (datetime(2025, 12, 30, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert asked.length == timedelta(days=2)
