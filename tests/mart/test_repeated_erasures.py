"""Erasures of many viewers: one that fails keeps none of the others, and is not passed over in silence."""

from collections.abc import Sequence
from datetime import date

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.mart.jobs.forget import ErasureReceipt, erase_each


def test_one_failure_keeps_no_other_viewer_and_is_reported_at_the_end() -> None:
    erased = []

    def erase(property_id: str, names: Sequence[str]) -> ErasureReceipt:
        if property_id == "broken":
            raise ValueError("no such column")
        erased.append(property_id)
        return ErasureReceipt(property_id, tuple(names), 1, 2, 3, 4, date(2026, 3, 4))

    viewers = [("first", ["v1:a"]), ("broken", ["v1:b"]), ("last", ["v1:c"])]
    with pytest.raises(Mistake, match=r"broken: .*no such column"):
        erase_each(viewers, erase)
    assert erased == ["first", "last"]
    assert erase_each([viewers[0], viewers[2]], erase) == 20
