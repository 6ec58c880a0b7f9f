"""What corrected session rows add to the marts."""

import pyarrow as pa

from qoescope.catalog.marts import Mart
from qoescope.compile.adding import add_cubes, negate
from qoescope.compile.cube import cube


def corrections(new: pa.Table, old: pa.Table, mart: Mart) -> pa.Table:
    """What to add to the mart when session rows `old` become `new`. Sketches cannot shrink."""
    if not len(old):
        return add_cubes([cube(new, mart)], mart.table)
    return add_cubes([cube(new, mart), negate(cube(old, mart), mart.table)], mart.table)
