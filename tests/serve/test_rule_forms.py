"""Rules as people write and read them."""

import json
from typing import Any

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.serve.console import rule_forms

WRITTEN: dict[str, Any] = {
    "metric": "start_failure_ratio", "direction": "above", "threshold": "0.05", "minutes": 5, "audience": 50,
    "severity": "warning", "only": "device_type:smart_tv country_code:US,BR",
}  # fmt: skip


def test_a_rule_is_stored_as_the_monitor_reads_it_and_said_in_words() -> None:
    rule = rule_forms.parse(**WRITTEN)
    assert json.loads(rule["slice"]) == {"device_type": "smart_tv", "country_code": ["US", "BR"]}
    assert (rule["threshold"], rule["minutes"], rule["audience"]) == (0.05, 5, 50)
    _, whom, when = rule_forms.describe(rule)
    assert whom == "device_type smart_tv, country_code US or BR"
    assert when == "above 5.00 % for 5 min, of at least 50"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"metric": "rebufer_ratio"}, "did you mean 'rebuffer_ratio'"),
        ({"only": "device_typ:web"}, "did you mean 'device_type'"),
        ({"only": "!device_type:web"}, "leave out the '!'"),
        ({"threshold": "five"}, "'five' is not a number"),
        ({"minutes": 61}, "minutes must be between 1 and 60"),
        ({"threshold": "nan"}, "threshold must be between"),
        ({"severity": "loud"}, "severity"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(given: dict[str, Any], says: str) -> None:
    with pytest.raises(Mistake, match=says):
        rule_forms.parse(**(WRITTEN | given))
