"""The ledger's result: which books were compared, what differs, and what is still under way."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from qoescope.catalog.operations import OUTCOMES
from qoescope.compile import arrow
from qoescope.compile.duck import open_cursor, without_zone

BOOKS = {
    "log": "records between first and next offset = records read; the topic is the one that was read",
    "door": "received = accepted + duplicate + invalid + rate_limited + filtered",
    "lake": "accepted = events and reports in the lake + late + quarantined + erased; each once, each file as written",
    "epochs": "each batch in the lake = a batch in the books",
    "letters": "dead letters read = their rows",
    "sessions": "time by state: a day's events = its sessions; each row = its events, folded again",
    "rows": "the last version of each session in the lake = its row in Postgres",
    "delivery": "the rows of each CMCD session in Postgres = its reports in the lake, read again",
    "marts": "every measure = its recomputation by another engine; a day = the sum of its hours",
    "sender": "what was acknowledged is in the lake, once",
}
"""In the order of the data flow: a difference is listed before those that follow from it."""
LINES_SHOWN = 20
"""Differences that are printed unless more are asked for."""
MOST_KEPT = 10_000
"""Differences of a book that are kept; further ones are counted."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """Two values that should be equal."""

    book: str
    where: str
    expected: int | float | str
    found: int | float | str

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.book}: {self.where}: expected {self.expected}, found {self.found}"


@dataclass(slots=True)
class LedgerResult:
    """The comparison of all books."""

    checked: dict[str, int] = field(default_factory=dict)
    """Values compared, by book."""
    differences: list[Difference] = field(default_factory=list)
    unnamed: int = 0
    open: dict[str, int] = field(default_factory=dict)
    """What is under way and no difference: counts by kind."""
    totals: dict[str, int] = field(default_factory=dict)
    lag: dict[int, int] = field(default_factory=dict)
    """Records of the log that are still to be read, by partition."""

    @property
    def ok(self) -> bool:
        """Whether every book agrees."""
        return not self.differences

    @property
    def holds(self) -> bool:
        """Whether every book agrees."""
        return self.ok

    @property
    def lines(self) -> list[str]:
        """The result as lines for people, with the default number of differences."""
        return self.limited_lines()

    def limited_lines(self, limit: int = LINES_SHOWN) -> list[str]:
        """Lines for people: one when all books agree; else up to `limit` differences and their number."""
        compared = ", ".join(f"{book} {n:,}" for book, n in self._ordered(self.checked).items())
        under_way = ", ".join(f"{n:,} {what}" for what, n in self.open.items() if n)
        summary = f" ({compared} compared{'; under way: ' + under_way if under_way else ''})"
        if self.ok:
            return [f"all books agree{summary}"]
        lines = [str(difference) for difference in self.differences[:limit]]
        count = len(self.differences) + self.unnamed
        if count > len(lines):
            by_book = Counter(difference.book for difference in self.differences[limit:])
            more = ", ".join(f"{book} {n:,}" for book, n in self._ordered(by_book).items())
            lines.append(f"and {count - len(lines):,} more differences{f' ({more})' if more else ''}")
        return [*lines, f"{count:,} {'difference' if count == 1 else 'differences'}{summary}"]

    @staticmethod
    def _ordered(by_book: Mapping[str, int]) -> dict[str, int]:
        return {book: by_book[book] for book in BOOKS if book in by_book}

    def add(self, book: str, compared: int, found: Iterable[Difference]) -> None:
        """Adds a comparison; differences are sorted by book and place."""
        differences = sorted(found, key=_sort_key)
        self.checked[book] = self.checked.get(book, 0) + compared
        kept = sum(difference.book == book for difference in self.differences)
        room = max(0, MOST_KEPT - kept)
        self.differences += differences[:room]
        self.unnamed += len(differences[room:])
        order = list(BOOKS)
        self.differences.sort(key=lambda difference: (order.index(difference.book), *_sort_key(difference)))

    def add_open(self, what: str, count: int) -> None:
        """Adds to what is under way."""
        self.open[what] = self.open.get(what, 0) + count

    def as_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "ok": self.ok,
            "checked": self.checked,
            "differences": [asdict(difference) for difference in self.differences],
            "unnamed": self.unnamed,
            "open": self.open,
            "totals": self.totals,
            "lag": {str(partition): n for partition, n in self.lag.items()},
        }


def _sort_key(difference: Difference) -> tuple[str, str, str]:
    return difference.where, str(difference.expected), str(difference.found)


def erasure_outcomes(rows: Mapping[str, pa.Table]) -> pa.Table:
    """Rows of `outcomes` that book the erasure of these rows, by minute; received counts stay."""
    names = {"events": "lake", "late": "late", "quarantine": "quarantined"}
    return _erasure_outcomes({name: rows[table] for table, name in names.items()})


def _erasure_outcomes(rows: Mapping[str, pa.Table]) -> pa.Table:
    counted = " union all by name ".join(
        f"select property, time_bucket(interval '1 minute', received_at) as minute_at, -count(*) as {name}, "
        f"count(*) as erased "
        f"from {name} group by all"
        for name in rows
    )
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint as {name}" for name in (*rows, "erased"))
    with open_cursor() as engine:
        for name, table in rows.items():
            engine.register(name, without_zone(table.select(["property", "received_at"])))
        found = engine.sql(f"select property, minute_at, {sums} from ({counted}) group by all").to_arrow_table()
    return arrow.conform(found, OUTCOMES)
