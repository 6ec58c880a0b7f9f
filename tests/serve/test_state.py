"""PageState: an address says all that a page shows, and says it again the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.catalog.dimensions import BY_NAME as DIMENSIONS
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.serve.request.state import PageState, filter_text, state, where

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
        ("?from=yesterday", "is not a valid time"),
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
        st.sampled_from(sorted(DIMENSIONS)), st.lists(VALUES, min_size=1, max_size=3).map(tuple), max_size=3
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
