"""Compares tables by their keys, column by column; pure."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from qoescope.catalog.schema import Field, Table
from qoescope.compile.duck import open_cursor, without_zone

CLOSE = 1e-12
"""Sums of floats may differ by this share: engines add in another order."""


def differing_rows(there: pa.Table, again: pa.Table, table: Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows in which `again`, what should be, and what is `there` differ; both may be without the row.

    Each with the table's key, `column`, `expected`, `found`, and `more`, how many other columns differ, in the order
    of the key.
    """
    fields = [f for f in table.fields if f.name in columns]
    cells = ", ".join(
        f"{{'name': '{f.name}', 'a': again.{f.name}::varchar, 'b': there.{f.name}::varchar, 'unequal': {_unequal(f)}}}"
        for f in fields
    )
    key = ", ".join(table.key)
    sql = f"""
with paired as (
  select {key}, again.is_row as expected_row, there.is_row as found_row,
    list_filter([{cells}], lambda cell: cell.unequal) as cells
  from (select *, true as is_row from again) again full join (select *, true as is_row from there) there using ({key})
)
select {key}, case when expected_row and found_row then cells[1].name else '' end as column,
  case when expected_row is null then 'no row' when found_row is null then 'a row' else coalesce(cells[1].a, '-') end
    as expected,
  case when found_row is null then 'no row' when expected_row is null then 'a row' else coalesce(cells[1].b, '-') end
    as found,
  greatest(len(cells) - 1, 0)::bigint as more
from paired where expected_row is null or found_row is null or len(cells) > 0 order by all"""
    with open_cursor(2) as engine:
        engine.register("there", without_zone(there))
        engine.register("again", without_zone(again))
        rows: list[dict[str, Any]] = engine.sql(sql).to_arrow_table().to_pylist()
    return rows


def _unequal(field: Field) -> str:
    a, b = f"again.{field.name}", f"there.{field.name}"
    if field.type == "float":
        return f"abs({a} - {b}) > {CLOSE} * greatest(1, abs({a}))"
    return f"{a} is distinct from {b}"
