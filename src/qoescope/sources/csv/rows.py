"""CSV rows: each row by itself, so that a quote that is never closed costs one row and not all that follow."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from qoescope.catalog.errors import Mistake
from qoescope.sources.packing import OVERLONG, is_overlong

LINES = 20
"""A cell goes on over so many lines at most; a quote that is open for longer was never meant to be one."""
DELIMITERS = (",", ";", "\t", "|")
_DECLARED = re.compile(r'"?sep=(.)"?\s*')
"""A first line by which spreadsheets are told the delimiter."""
Row = tuple[int, list[str] | str, str]


def rows(lines: Iterable[tuple[int, str]], delimiter: str = ",") -> Iterator[Row]:
    """(line, cells or why there are none, text) of each row; `lines` are numbered."""
    coming = iter(lines)
    ahead: deque[tuple[int, str]] = deque()
    while True:
        line = ahead.popleft() if ahead else next(coming, None)
        if line is None:
            return
        number, text = line
        if is_overlong(text):
            yield number, OVERLONG, text
            continue
        cells, joined, used = _cells(text, delimiter), text, 0
        while isinstance(cells, str) and text.count('"') % 2 and used < LINES:
            if used == len(ahead):
                ahead.extend(islice(coming, 1))
            if used == len(ahead) or is_overlong(ahead[used][1]):
                break
            joined += ahead[used][1]
            used += 1
            if joined.count('"') % 2 == 0:
                cells = _cells(joined, delimiter)
                break
        if isinstance(cells, str):
            yield number, "a quote is opened and never closed" if text.count('"') % 2 else cells, text
            continue
        for _ in range(used):
            ahead.popleft()
        yield number, cells, joined


def header(lines: Iterator[tuple[int, str]], columns: Sequence[str]) -> tuple[str, list[str]]:
    """(delimiter, name of the column in each place, "" for one that is not among `columns`) by the first line.

    Case, order, spaces and signs in names do not matter. Raises `Mistake` where a column is missing or there twice.
    """
    known = {_bare(name): name for name in columns}
    first = next((text for _, text in lines if text.strip()), "").removeprefix("\ufeff")
    declared = _DECLARED.fullmatch(first)
    if declared:
        first = next((text for _, text in lines if text.strip()), "")
    readings = []
    for delimiter in (declared[1],) if declared else DELIMITERS:
        cells = _cells(first, delimiter)
        readings.append((delimiter, [known.get(_bare(name), "") for name in cells] if isinstance(cells, list) else []))
    delimiter, names = max(readings, key=lambda reading: len(set(reading[1])))
    missing = [name for name in columns if name not in names]
    if missing:
        raise Mistake(f"this is no streaming telemetry: its first line must name {', '.join(missing)}, too")
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise Mistake(f"its first line names {', '.join(twice)} more than once")
    return delimiter, names


def _bare(name: str) -> str:
    """A column's name without what spreadsheets and exporters change in it."""
    return re.sub(r"[\W_]", "", name).lower()


def _cells(text: str, delimiter: str) -> list[str] | str:
    """The one row of the text, or why it is none; quotes inside a cell are doubled, or escaped by a backslash."""
    reason = ""
    for doubled in (True, False) if '\\"' in text else (True,):
        escape = None if doubled else "\\"
        try:
            cells = list(csv.reader([text], strict=True, delimiter=delimiter, doublequote=doubled, escapechar=escape))
        except csv.Error as error:
            reason = reason or str(error)
            continue
        return cells[0] if cells else []
    return reason
