"""What the baseline lets a leaf without a past expect."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from qoescope.monitor.search.baseline import expected_means
from qoescope.monitor.search.counts import leaves

CAP = 1.0


def test_two_causes_of_a_good_picture_do_not_add_up_beyond_what_their_pair_has_shown() -> None:
    """Either a Mac or a cable brings the best rendition, both bring no better one; v2 is new."""
    rows = [
        (device, line, version, 0.0 if version == "v2" else 2000.0)
        for device, line, version in product(("mac", "phone", "tv"), ("cable", "wifi", "mobile"), ("v1", "v2"))
    ]
    names = ("device_model", "network_type", "app_version")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    number = np.array([row[3] for row in rows])
    level = np.array([CAP if "mac" in row or "cable" in row else 0.0 for row in rows])
    counts = leaves(table, names, [number, number * level])
    means = expected_means(counts, counts.sums[0], counts.sums[1])
    expected = {
        (table["device_model"][i].as_py(), table["network_type"][i].as_py()): means[i]
        for i in range(table.num_rows)
        if table["app_version"][i].as_py() == "v2"
    }
    assert expected["mac", "cable"] == pytest.approx(CAP, abs=0.1)
    assert expected["phone", "wifi"] == pytest.approx(0, abs=0.1)
