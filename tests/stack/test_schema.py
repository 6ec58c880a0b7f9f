import pytest

from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Field, Table
from qoescope.stack.schema import changes

FIELDS = (
    Field("id", "text", "", nullable=False),
    Field("count", "int", "", default=0, nullable=False),
    Field("note", "text", ""),
)
BOOKS = Table("books", "", FIELDS, key=("id",))


def test_tables_as_declared_need_no_change() -> None:
    assert list(changes([BOOKS], {"books": {"id", "count", "note"}}, {"books": {"id"}})) == []


def test_a_new_column_is_added_and_filled_and_an_old_one_may_be_empty() -> None:
    assert list(changes([BOOKS], {"books": {"id", "lost"}}, {"books": {"id"}})) == [
        "alter table qoescope.books add column \"count\" bigint not null default '0'",
        'alter table qoescope.books add column "note" text',
        'alter table qoescope.books alter column "lost" drop not null',
    ]


def test_another_key_needs_a_fresh_start() -> None:
    with pytest.raises(Mistake, match="make clean"):
        list(changes([BOOKS], {"books": {"id", "count", "note"}}, {"books": {"count"}}))
