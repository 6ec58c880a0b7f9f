"""Slices: values of some dimensions, and how the sessions that have them compare with the others."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice in codes, with its figures; the whole has no codes."""

    codes: Mapping[int, int]
    score: float
    preference: float
    gain: float
    excess: float
    lift: float
    support: float
    actual: float
    expected: float
    information: float

    @property
    def depth(self) -> int:
        """How many dimensions it names."""
        return len(self.codes)
