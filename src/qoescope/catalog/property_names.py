"""Names of properties: one rule, checked wherever a name comes in."""

import re

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.errors import Mistake

LONGEST_PROPERTY = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST_PROPERTY - 1}}}")


def check_property(name: str) -> str:
    """The name, if a property may have it; raises `Mistake` where not.

    No property is called `UNKNOWN`, as dead letters of no known property are: its readers would see everybody's.
    """
    if name.lower() == UNKNOWN:
        raise Mistake(f"the property's name {name!r} is reserved for letters of no known property; use another name")
    if _NAME.fullmatch(name) is None:
        raise Mistake(
            f"invalid property {name[: LONGEST_PROPERTY + 1]!r}; use a letter or digit, then letters, digits, "
            f"'_', '-' and '.', {LONGEST_PROPERTY} characters at most"
        )
    return name
