"""Draws: random numbers that are a function of (seed, session, purpose), so that no draw can shift another."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_ONE = np.uint64(0xBF58476D1CE4E5B9)
_TWO = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
LOW16 = np.uint64(0xFFFF)
NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 65536) for i in range(65536)])
"""The standard normal's quantiles at 65,536 even steps: a draw is a look-up."""
UNIT16 = (np.arange(65536) + 0.5) / 65536
EXPONENTIAL = -np.log1p(-UNIT16)


def mixed(x: Bits) -> Bits:
    """The bits of x scrambled (splitmix64's finalizer, Steele et al. 2014); overwrites x."""
    x ^= x >> _S30
    x *= _ONE
    x ^= x >> _S27
    x *= _TWO
    x ^= x >> _S31
    return x


def keys(seed: int, stream: int, numbers: NDArray[np.int64]) -> Bits:
    """One key for each number of a stream of the seed."""
    base = ((seed * 2 + 1) * 0xD1342543DE82EF95 + stream * 0xA24BAED4963EE407) & _MASK
    start = mixed(np.array([base], dtype=np.uint64))
    return mixed(numbers.astype(np.uint64) * np.uint64(_GOLDEN) + start)


def bits(key: Bits, purpose: int) -> Bits:
    """64 fresh bits for each key, different for each purpose."""
    return mixed(key + np.uint64((purpose * _GOLDEN) & _MASK))


def uniform(key: Bits, purpose: int) -> Floats:
    """Uniform on [0, 1)."""
    return (bits(key, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def part(word: Bits, which: int) -> NDArray[np.int64]:
    """One of the four 16-bit parts of 64 bits, an index into the tables above."""
    return ((word >> np.uint64(16 * which)) & LOW16).astype(np.int64)


def normal(key: Bits, purpose: int) -> Floats:
    """Standard normal."""
    return NORMAL[part(bits(key, purpose), 0)]


def exponential(key: Bits, purpose: int) -> Floats:
    """Exponential with mean 1."""
    return -np.log1p(-uniform(key, purpose))


def lognormal(key: Bits, purpose: int, sigma: float) -> Floats:
    """Log-normal around 1."""
    return np.exp(sigma * normal(key, purpose))


def picks(shares: tuple[float, ...] | list[float]) -> NDArray[np.int16]:
    """A table of 65,536 choices in these shares, so that a weighted choice is a look-up."""
    bounds = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.searchsorted(bounds / bounds[-1], UNIT16, side="right").clip(0, len(shares) - 1).astype(np.int16)
