import pytest

from qoescope.catalog.errors import Mistake
from qoescope.catalog.schema import Field, Table
from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.compile import ddl
from qoescope.stack.schema import changes

FIELDS = (
    Field("id", "text", "", nullable=False),
    Field("count", "int", "", default=0, nullable=False),
    Field("note", "text", ""),
)
BOOKS = Table("books", "", FIELDS, key=("id",))


def test_tables_as_declared_need_no_change() -> None:
    assert (
        list(changes([BOOKS], {"books": {"id", "count", "note"}}, {"books": {"id"}}, {"books": {"id", "count"}})) == []
    )


def test_a_new_column_is_added_and_filled_and_an_old_one_may_be_empty() -> None:
    assert list(changes([BOOKS], {"books": {"id", "lost"}}, {"books": {"id"}}, {"books": {"id", "lost"}})) == [
        "alter table qoescope.books add column \"count\" bigint not null default '0'",
        'alter table qoescope.books add column "note" text',
        'alter table qoescope.books alter column "lost" drop not null',
    ]


def test_a_column_that_may_be_empty_by_now_is_told_so() -> None:
    strict = {"books": {"id", "count", "note"}}
    assert list(changes([BOOKS], strict, {"books": {"id"}}, strict)) == [
        'alter table qoescope.books alter column "note" drop not null'
    ]


def test_another_key_needs_a_fresh_start() -> None:
    with pytest.raises(Mistake, match="make clean"):
        list(changes([BOOKS], {"books": {"id", "count", "note"}}, {"books": {"count"}}, {}))


def test_whoever_reads_metrics_reads_no_digest_and_not_who_asked_to_be_forgotten() -> None:
    assert {table.name for table in POSTGRES_TABLES if table.private} == {
        "users", "ended_logins", "attempts", "tokens", "keys", "forgotten",
    }  # fmt: skip
    assert not [table.name for table in POSTGRES_TABLES if "digest" in table.names and not table.private]
    for table in POSTGRES_TABLES:
        granted = f"grant select on qoescope.{table.name} to {ddl.READER};" in ddl.create(table)
        taken = f"revoke all on qoescope.{table.name} from {ddl.READER};" in ddl.create(table)
        assert (granted, taken) == (not table.private, table.private)
