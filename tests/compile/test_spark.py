"""What a task of Spark does beside its work."""

import gc

import pyarrow as pa

from qoescope.compile.frames import per_task


def test_what_modules_hold_is_left_out_of_the_collection_that_spark_makes_after_each_task() -> None:
    gc.unfreeze()
    given = pa.record_batch({"n": [1, 2]})
    (answered,) = per_task(lambda rows: rows)(iter([given, given.slice(0, 0)]))
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert (answered.num_rows, frozen > 0) == (2, True)
