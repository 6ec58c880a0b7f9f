"""Slices: values of some dimensions, and how the sessions that have them compare with the others."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice in codes (dimension → value, both as numbers), with its figures; the whole has no codes."""

    codes: Mapping[int, int]
    score: float
    """Log-likelihood ratio over the over-dispersion: how sure it is that the slice got worse."""
    preference: float
    """The same with the expectation taken as known: it ranks slices of unequal history."""
    gain: float
    """The preference less what the name costs."""
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

    @property
    def cost(self) -> float:
        """What its name costs: see `scan`."""
        return self.preference - self.gain

    @property
    def fingerprint(self) -> tuple[float, ...]:
        """What two names of as many dimensions for the same sessions have in common, if the same leaves were summed."""
        return (self.depth, *(round(figure, 6) for figure in (self.support, self.excess, self.score)))

    @property
    def name_order(self) -> list[int]:
        """Its dimensions in order: of names for the same sessions the one whose dimensions stand first wins."""
        return sorted(self.codes)
