"""Each field whose values are counted is explained: what it is, what it may hold, what to do."""

import pytest

from qoescope.catalog.cmcd import COUNTED_AS, KEYS
from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS
from qoescope.serve.console.unknown_fields import CLOCK, OLD, SENTINEL, VERSION, explain

COUNTED = [*(f.name for f in (*EVENT_FIELDS, *CONTEXT_FIELDS)), *(COUNTED_AS + name for name in KEYS)]


@pytest.mark.parametrize("name", [*COUNTED, "cmcd:custom", "status"])
def test_every_field_that_is_counted_has_a_meaning_what_it_may_hold_and_an_advice(name: str) -> None:
    found = explain(name)
    assert found.meaning
    assert found.allowed
    assert found.advice not in ("", OLD)


def test_the_advice_goes_by_what_is_wrong() -> None:
    assert (explain("width").allowed, explain("width").advice) == ("integer, 0 to 65,535", SENTINEL)
    assert (explain("error_class").allowed, explain("at").advice) == ("business, technical", CLOCK)
    assert (explain("cmcd:st").allowed, explain("cmcd:msd").allowed) == ("v, l, ll", "integer, 0 to 86,400,000")
    assert (explain("cmcd:v").allowed, explain("cmcd:v").advice) == ("1 or 2", VERSION)


@pytest.mark.parametrize("name", ["", "cmcd:", "cmcd:unheard", "<b>", "of_an_older_version"])
def test_a_field_that_nobody_knows_here_is_shown_all_the_same(name: str) -> None:
    assert (explain(name).allowed, explain(name).advice) == ("", OLD)
