"""SQL that keeps values that can be meant, and gives null or 0 for others."""

from qoescope.catalog.bounds import DATES
from qoescope.catalog.doors import LARGEST_INT
from qoescope.catalog.schema import Field


def believed_or_null(f: Field, said: str) -> str:
    """The field's number where it can be meant, else null."""
    return said if f.bounds is None else f"case when {within(said, f.bounds)} then {said} end"


def within(said: str, bounds: tuple[int, int]) -> str:
    """Whether the number is within the bounds, inclusive."""
    return f"{said} between {bounds[0]} and {bounds[1]}"


def instant(ms: str, dates: tuple[int, int] = DATES) -> str:
    """The timestamp of a time in ms; null for one that no clock shows."""
    return f"epoch_ms(case when {within(ms, dates)} then {ms} end)"


def count_or_zero(number: str) -> str:
    """A count that can be added up; 0 for an impossible one."""
    return f"case when {within(number, (0, LARGEST_INT))} then {number} else 0 end"
