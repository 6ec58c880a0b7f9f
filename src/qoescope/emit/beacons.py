"""Beacons: events as they go over the wire, one JSON text for each request; put together column by column."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.events import EVENT_FIELDS, IN_TABLES

_CONTEXT_IN_TABLE = {"started_at": "session_started_at"}
_SAFE_FROM = 5_000
"""Dictionaries longer than this hold ids, which need no escaping."""


def beacons(table: pa.Table) -> pa.Table:
    """One row a beacon of a block of events, in the order received: `body` without its end, and what it holds.

    The whole request is `body` + `,"sent_at":` + ms + `}`; so a sender can put in the moment at which it sends.
    """
    first = np.flatnonzero(table["position"].to_numpy() == 0)
    offsets = pa.array(np.append(first, len(table)).astype(np.int32))
    events = pc.binary_join(pa.ListArray.from_arrays(offsets, _objects(table, EVENT_FIELDS, IN_TABLES)), ",")
    heads = table.take(pa.array(first))
    contexts = _objects(heads, CONTEXT_FIELDS, _CONTEXT_IN_TABLE)
    body = pc.binary_join_element_wise('{"session":', contexts, ',"events":[', events, "]", "")
    counts = np.diff(np.append(first, len(table)))
    return pa.table(
        {
            "body": body,
            "sent_at": _ms(heads["sent_at"]),
            "received_at": _ms(heads["received_at"]),
            "session_id": heads["session_id"],
            "first_seq": heads["seq"],
            "last_seq": table["seq"].take(pa.array(first + counts - 1)),
            "events": pa.array(counts),
        }
    )


def lines(table: pa.Table) -> bytes:
    """A block of events as NDJSON: a beacon a line."""
    b = beacons(table)
    whole = pc.binary_join_element_wise(
        b["body"], ',"sent_at":', b["sent_at"].cast(pa.string()), "}\n", ""
    ).combine_chunks()
    return _bytes(whole)


def _bytes(texts: pa.Array) -> bytes:
    """All the texts, one after the other."""
    if isinstance(texts, pa.ChunkedArray):
        return b"".join(_bytes(chunk) for chunk in texts.chunks)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)
    begin, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return bytes(memoryview(texts.buffers()[2])[begin:end]) if len(texts) else b""


def _ms(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(instants.cast(pa.int64()), 1000)


def _objects(table: pa.Table, fields: tuple, in_table: dict[str, str]) -> pa.Array:  # type: ignore[type-arg]
    """A JSON object for each row, without what is absent or the default."""
    parts = []
    for f in fields:
        name = in_table.get(f.name, f.name)
        if name in table.column_names:
            parts.append(_member(f.name, f.default, table[name].combine_chunks()))
    present = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    return pc.binary_join_element_wise("{", present, "}", "")


def _member(name: str, default: object, values: pa.Array) -> pa.Array:
    """`"name":value` for each row; null where it is absent."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    key = f'"{name}":'
    if isinstance(values, pa.DictionaryArray):
        return _texts(key, values.dictionary).take(values.indices)
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, pa.scalar(key + "true"), pa.scalar(None, pa.string()))
    if pa.types.is_timestamp(values.type):
        values = pc.divide(values.cast(pa.int64()), 1000)
    if pa.types.is_floating(values.type):
        if pc.all(pc.equal(values, 1.0)).as_py():
            return pa.nulls(len(values), pa.string())
        return pc.if_else(pc.equal(values, 1.0), None, pc.binary_join_element_wise(key, values.cast(pa.string()), ""))
    if default == 0:
        values = pc.if_else(pc.equal(values, 0), pa.scalar(None, values.type), values)
    return pc.binary_join_element_wise(key, values.cast(pa.string()), "")


def _texts(key: str, dictionary: pa.Array) -> pa.Array:
    if len(dictionary) >= _SAFE_FROM:
        return pc.binary_join_element_wise(f'{key}"', dictionary, '"', "")
    return pa.array(
        [None if text in (UNKNOWN, "") else key + json.dumps(text) for text in dictionary.to_pylist()], pa.string()
    )
