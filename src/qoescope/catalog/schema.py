"""Fields and tables: the two words in which the catalog declares everything that is stored."""

from dataclasses import dataclass, field
from typing import Literal

Type = Literal[
    "text", "int", "float", "bool", "instant", "day", "score", "score_sum", "ints", "sketch", "bytes", "json"
]
"""int: 64 bit · instant: microseconds, UTC · score: decimal(5,2) · score_sum: decimal(18,2) ·
ints: a list of int (a histogram) · sketch: a list of 32-bit registers, packed as `index * 64 + rank`."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name (with unit), type and meaning; `default` is what absence means, None is null.

    `bounds` are the least and the greatest value that can be meant: a number beyond them is unknown.
    """

    name: str
    type: Type
    doc: str
    default: str | int | float | bool | None = None
    nullable: bool = True
    bounds: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One stored table; `key` identifies a row, `partition` names the columns that partition it."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    sums: tuple[str, ...] = field(default=())
    """Columns that a second write of the same key adds to; the others are replaced."""
    private: bool = False
    """Not for the reader: digests of passwords, tokens and keys, and who asked to be forgotten."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(f.name for f in self.fields)
