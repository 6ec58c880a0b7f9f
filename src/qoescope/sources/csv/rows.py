"""CSV rows: each row by itself, so that a quote that is never closed costs one row and not all that follow."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator

LINES = 20
"""A cell goes on over so many lines at most; a quote that is open for longer was never meant to be one."""
Row = tuple[int, list[str] | str, str]


def rows(lines: Iterable[tuple[int, str]]) -> Iterator[Row]:
    """(line, cells or why there are none, text) of each row; `lines` are numbered."""
    coming = iter(lines)
    ahead: deque[tuple[int, str]] = deque()
    while True:
        line = ahead.popleft() if ahead else next(coming, None)
        if line is None:
            return
        number, text = line
        if text.count('"') % 2 == 0:
            yield number, _cells(text), text
            continue
        cells = _cells(text)
        joined, used = text, 0
        while isinstance(cells, str) and used < LINES:
            if used == len(ahead):
                following = next(coming, None)
                if following is None:
                    break
                ahead.append(following)
            joined += ahead[used][1]
            used += 1
            if joined.count('"') % 2 == 0:
                cells = _cells(joined)
                break
        if isinstance(cells, str):
            yield number, "a quote is opened and never closed", text
            continue
        for _ in range(used):
            ahead.popleft()
        yield number, cells, joined


def _cells(text: str) -> list[str] | str:
    """The one row of the text, or why it is none."""
    try:
        cells = list(csv.reader([text], strict=True))
    except csv.Error as error:
        return str(error)
    return cells[0] if cells else []
