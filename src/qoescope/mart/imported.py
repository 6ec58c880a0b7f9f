"""Who is named in rows of imported files, also in those that were kept aside, whatever is wrong with them."""

import csv
import re
from collections.abc import Callable, Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.compile import pseudonyms

DELIMITERS = ",;\t|"
MOST_JOINED = 8
"""Neighbouring cells that may be one id, which holds the delimiter."""
MOST_IDS = 8_000
"""Texts of a row that are looked at."""
_WORDS = re.compile(r"[^\s,;|\"'=:]+")


def without_forgotten(
    rows: pa.Table, keys: pseudonyms.ViewerKeys, property_id: str, names: Collection[str]
) -> pa.Table:
    """The sessions, which name viewers by their own ids, without those of viewers of these pseudonyms."""
    wanted = frozenset(names)
    viewers = [viewer for viewer in pc.unique(rows["viewer_id"]).to_pylist() if viewer] if wanted else []
    named = [
        viewer for viewer in viewers if not wanted.isdisjoint(pseudonyms.all_pseudonyms(keys, property_id, viewer))
    ]
    return rows.filter(pc.invert(pc.is_in(rows["viewer_id"], pa.array(named, rows["viewer_id"].type))))


def quarantined_without_forgotten(
    rows: pa.Table, keys: pseudonyms.ViewerKeys, property_id: str, names: Collection[str]
) -> pa.Table:
    """The rows that were kept aside, without those that may name viewers of these pseudonyms."""
    if not names:
        return rows
    may_name = row_judge(keys, property_id, names)
    return rows.filter(pa.array([not may_name(text or "") for text in rows["content"].to_pylist()], pa.bool_()))


def row_judge(keys: pseudonyms.ViewerKeys, property_id: str, names: Collection[str]) -> Callable[[str], bool]:
    """Says of a row's content whether it names a viewer of these pseudonyms, or holds too much to be looked at."""
    wanted = frozenset(names)

    def may_name(content: str) -> bool:
        seen = set[str]()
        for text in possible_ids(content):
            if text in seen:
                continue
            seen.add(text)
            if len(seen) > MOST_IDS or not wanted.isdisjoint(pseudonyms.all_pseudonyms(keys, property_id, text)):
                return True
        return False

    return may_name


def possible_ids(content: str) -> Iterator[str]:
    """The texts in a row that may be an id: its cells by each delimiter, neighbours joined, and its words.

    Never raises: a row that is no CSV is cut at its delimiters.
    """
    yield content
    yield from _WORDS.findall(content)
    for delimiter in DELIMITERS:
        for cells in (_read_cells(content, delimiter), content.split(delimiter)):
            for first in range(len(cells)):
                for end in range(first + 1, min(first + MOST_JOINED, len(cells)) + 1):
                    text = delimiter.join(cells[first:end])
                    yield text
                    bare = text.strip(" \r\n\t\"'")
                    yield bare
                    yield bare.replace('""', '"')


def _read_cells(content: str, delimiter: str) -> list[str]:
    """The cells as a reader of CSV sees them; none where it cannot."""
    try:
        return [cell for row in csv.reader(content.splitlines(keepends=True), delimiter=delimiter) for cell in row]
    except csv.Error:
        return []
