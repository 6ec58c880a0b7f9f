"""Rows of imports: whoever is forgotten is found in them, whatever is wrong with the row."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.compile.pseudonyms import all_pseudonyms
from qoescope.mart.imported import (
    DELIMITERS,
    MOST_IDS,
    possible_ids,
    quarantined_without_forgotten,
    row_judge,
    without_forgotten,
)

KEYS = {1: b"m" * 32, 2: b"n" * 32}


def names_of(viewer: str) -> tuple[str, ...]:
    return all_pseudonyms(KEYS, "shop", viewer)


@pytest.mark.parametrize(
    ("viewer", "content"),
    [
        ("nora", "2026-01-01;s1;nora;12"),
        ("nora", "2026-01-01\ts1\tnora"),
        ("nora", '2026-01-01;"s1;nora;12;;;'),
        ("nora, ph", "2026-01-01,s1,nora, ph,12"),
        ("nora, ph", '2026-01-01,s1,"nora, ph"'),
        ('"nora', '2026-01-01;s1;"nora;12;3'),
        ('no"ra', '2026-01-01;s1;"no""ra";12'),
        ("nora", 's1,"a\nb,nora'),
        ("nora", "s1,a\rb\nc,nora,1"),
        ("nora", "s1,a\nb,nora," + "x" * 140_000),
        ("nora", 'viewer="nora"'),
        ("nora", "  nora  ,1"),
    ],
    ids=range(12),
)
def test_a_viewer_is_found_in_whatever_was_kept_aside(viewer: str, content: str) -> None:
    assert row_judge(KEYS, "shop", names_of(viewer))(content)
    assert not row_judge(KEYS, "shop", names_of("somebody else"))(content)


@given(
    cells=st.lists(st.text(max_size=6), min_size=1, max_size=5),
    delimiter=st.sampled_from(DELIMITERS),
    quoted=st.booleans(),
)
def test_each_cell_is_looked_at_as_it_was_written(cells: list[str], delimiter: str, quoted: bool) -> None:
    out = io.StringIO(newline="")
    if quoted:
        csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerow(cells)
    else:
        out.write(delimiter.join(cells))
    found = set(possible_ids(out.getvalue()))
    assert {cell for cell in cells if cell.splitlines() in ([], [cell])} <= found


@given(st.text())
def test_no_content_breaks_it(content: str) -> None:
    row_judge(KEYS, "shop", names_of("nora"))(content)


def test_a_row_with_more_than_is_looked_at_may_name_anybody() -> None:
    content = ",".join(map(str, range(MOST_IDS)))
    assert row_judge(KEYS, "shop", names_of("nora"))(content)


def test_an_import_leaves_out_the_forgotten_also_of_the_rows_that_it_keeps_aside() -> None:
    kept = pa.table({"line": [2, 3, 4], "content": ["s1;nora", None, "s3;olga"]})
    names = names_of("nora")[:1]
    assert quarantined_without_forgotten(kept, KEYS, "shop", names)["line"].to_pylist() == [3, 4]
    assert quarantined_without_forgotten(kept, {}, "shop", ()) == kept
    sessions = pa.table({"viewer_id": ["nora", "olga", None, "nora"]})
    assert without_forgotten(sessions, KEYS, "shop", names)["viewer_id"].to_pylist() == ["olga", None]
    assert len(without_forgotten(sessions, {}, "shop", ())) == 4
