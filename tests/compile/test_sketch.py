"""Sketches of parts that overlap, merged, count distinct viewers to 2 %, however many there are."""

import duckdb
import numpy as np
import pytest

from qoescope.compile import sketch

PARTS = 7


@pytest.mark.parametrize("viewers", [1, 50, 1_000, 12_000, 60_000, 1_000_000])
def test_merged_sketches_of_parts_that_overlap_are_within_two_percent(viewers: int) -> None:
    with duckdb.connect() as engine:
        register = sketch.register_sql("'viewer ' || n")
        select = f"select distinct {register} as r from range({viewers}) t(n) where n % {PARTS} in "
        parts = [engine.sql(f"{select} ({part}, {(part + 3) % PARTS})").fetchnumpy()["r"] for part in range(PARTS)]
    merged = [sketch.merge(np.asarray(part, dtype=np.int64)) for part in parts]
    whole = sketch.merge(np.concatenate(merged))
    assert sketch.estimate(whole.astype(np.int32)) == pytest.approx(viewers, rel=0.02, abs=0.5)
    assert np.array_equal(whole, sketch.merge(np.concatenate([*merged[3:], whole, *merged[:3]])))
