"""Distinct viewers as HyperLogLog registers that any engine can merge."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

INDEX_BITS = 14
REGISTERS = 1 << INDEX_BITS
WIDTH = REGISTERS * 64
"""Greater than any register."""
HASH_BITS = 50
Register = TypeVar("Register", np.int32, np.int64)


def register_sql(column: str) -> str:
    """The register of a value, in DuckDB, as `index * 64 + rank`."""
    h = f"(md5_number_lower({column}))"
    rest = f"(({h} >> {INDEX_BITS}) & ((1::ubigint << {HASH_BITS}) - 1))"
    rank = f"case when {rest} = 0 then {HASH_BITS + 1} else {HASH_BITS + 1} - length(bin({rest})) end"
    return f"cast(({h} & {REGISTERS - 1}) * 64 + {rank} as bigint)"


def merge(registers: npt.NDArray[Register]) -> npt.NDArray[Register]:
    """The merged sketch of any number of concatenated sketches; sorted."""
    ordered = np.sort(registers)
    last = np.append(np.diff(ordered >> 6) != 0, np.ones(min(1, len(ordered)), bool))
    return ordered[last]


def estimate(registers: npt.NDArray[np.int32]) -> int:
    """The number of distinct values in a sketch, or in several concatenated ones, exact to ±0.8 %.

    Ertl's estimator (2017), which needs no bias tables.
    """
    ranks = merge(registers) & 63
    counts = np.bincount(ranks, minlength=HASH_BITS + 2).astype(float)
    counts[0] = REGISTERS - len(ranks)
    z = REGISTERS * _tau(1 - counts[HASH_BITS + 1] / REGISTERS)
    for rank in range(HASH_BITS, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * math.log(2)) / z) if z and not math.isinf(z) else 0


def _sigma(x: float) -> float:
    """Correction for empty registers (Ertl 2017, equation 13)."""
    if x == 1:
        return math.inf
    y, z = 1.0, x
    while True:
        x *= x
        previous, z = z, z + x * y
        y += y
        if z == previous:
            return z


def _tau(x: float) -> float:
    """Correction for full registers (Ertl 2017, equation 14)."""
    if x in (0, 1):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        previous, y = z, y * 0.5
        z -= (1 - x) ** 2 * y
        if z == previous:
            return z / 3
