"""Text tables: rows, lines that go on, cells left out, and rows that do not fit."""

import pytest

from qoescope.catalog.text_tables import numbers, records, shares


def test_a_row_is_a_record_and_an_indented_line_goes_on_with_it() -> None:
    table = """
name | of | doc
stalls | 1
    | times without data
play_ms | t | content
    shown
"""
    assert records(table) == [
        {"name": "stalls", "of": "1", "doc": "times without data"},
        {"name": "play_ms", "of": "t", "doc": "content shown"},
    ]


def test_cells_left_out_at_the_end_are_empty() -> None:
    assert records("name | of | doc\nstalls") == [{"name": "stalls", "of": "", "doc": ""}]


def test_a_row_with_too_many_cells_is_an_error_that_shows_it() -> None:
    with pytest.raises(ValueError, match=r"3 cells in a table of 2 columns: .*stalls"):
        records("name | of\nstalls | 1 | times")


def test_a_cell_may_hold_shares_or_numbers() -> None:
    assert shares("7.0 0.4, 8.0 0.6") == (("7.0", 0.4), ("8.0", 0.6))
    assert numbers(" 0.5  2 ") == (0.5, 2.0)
