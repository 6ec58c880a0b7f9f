"""A statement that is planned once answers for each table that comes after, and keeps none of them."""

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
import pytest

from qoescope.compile.duck import query_arrow

SUM = "select sum(cast(text as bigint))::bigint as total from given"


def total(*texts: str) -> int:
    return query_arrow(SUM, given=pa.table({"text": pa.array(texts, pa.string())}))["total"][0].as_py()


def test_each_table_has_its_own_answer() -> None:
    assert [total("1", "2"), total("5"), total(*map(str, range(5_000)))] == [3, 5, 12_497_500]


def test_columns_of_another_type_are_another_plan() -> None:
    numbers = pa.table({"text": pa.array([1, 2])})
    numbered = pa.table({"text": pa.array(["1", "2"]).dictionary_encode()})
    assert [query_arrow(SUM, given=rows)["total"].to_pylist() for rows in (numbers, numbered)] == [[3], [3]]


def test_a_row_that_cannot_be_read_fails_alone() -> None:
    with pytest.raises(duckdb.ConversionException):
        total("1", "one")
    assert total("4") == 4


def test_threads_do_not_see_each_others_tables() -> None:
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda n: total(str(n)), range(200))) == list(range(200))


@pytest.mark.parametrize("chunk", [300_000, 1_000, 37])
def test_rows_come_in_their_order(chunk: int) -> None:
    given = pa.Table.from_batches(pa.table({"n": pa.array(range(300_000))}).to_batches(chunk))
    assert query_arrow("select n from given", given=given)["n"].combine_chunks().equals(given["n"].combine_chunks())
