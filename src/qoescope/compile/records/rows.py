"""The events of records, one row each, as in the catalog's table `events`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES
from qoescope.catalog.schema import Field
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.compile.duck import TYPES, query_arrow
from qoescope.compile.records.values import believed_or_null, instant, within


def event_rows(records: pa.Table) -> pa.Table:
    """The records' events as rows of `events`, with the record's columns repeated, and whether each is `good`.

    Context texts are dictionary-encoded: thirty texts an event are never copied.
    """
    lists = records["events"].combine_chunks()
    said, parents = lists.flatten(), pc.list_parent_indices(lists)
    first = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0))
    position = np.arange(len(said)) - np.append(0, first)[parents]
    parts = pa.Table.from_arrays(said.flatten(), [f.name for f in said.type])
    told = query_arrow(_EVENTS_SQL, said=parts).append_column("position", pa.array(position))
    shared = {name: records[name] for name in EVENTS.names if name not in told.column_names}
    known = {name: _numbered(c).take(parents) for name, c in shared.items()}
    if told["at"].null_count:  # then it is placed at its arrival
        marked = pc.or_(told["clock_adjusted"], pc.is_null(told["at"]))
        told = told.set_column(told.column_names.index("clock_adjusted"), "clock_adjusted", marked)
        told = told.set_column(told.column_names.index("at"), "at", pc.coalesce(told["at"], known["received_at"]))
    columns = {name: known[name] if name in known else told[name] for name in EVENTS.names}
    return pa.table(columns | {"good": told["good"]})


def _numbered(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_string(column.type) else column


def encode_rows(rows: pa.Table) -> pa.Table:
    """The rows as the catalog's `events`; dictionary-encoded texts stay so."""
    columns = [
        rows[f.name] if pa.types.is_dictionary(rows[f.name].type) else rows[f.name].cast(arrow.TYPES[f.type])
        for f in EVENTS.fields
    ]
    return pa.table(columns, EVENTS.names)


def _event(f: Field) -> str:
    name = IN_TABLES[f.name]
    said = f'said."{f.name}"'
    if f.type == "instant":
        return f'{instant(said)} as "{name}"'
    if f.nullable:
        said = believed_or_null(f, said)
    return f"{said if f.default is None else _filled(f, said)} as {name}"


def _filled(f: Field, said: str) -> str:
    return f"coalesce({said}, cast({str(f.default).lower()} as {TYPES[f.type]}))"


_NEEDED = [f for f in EVENT_FIELDS if not f.nullable and f.type != "instant"]
_EVENTS_SQL = f"""
select {", ".join(_event(f) for f in EVENT_FIELDS)}, coalesce(clock_adjusted, false) as clock_adjusted,
  {" and ".join(f"said.{f.name} is not null" for f in _NEEDED)}
    and {" and ".join(within(f"said.{f.name}", f.bounds) for f in _NEEDED if f.bounds)} as good
from said"""
"""Events, and which of them hold what every event must."""
