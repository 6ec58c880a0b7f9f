"""The bytes of records as text that DuckDB, Delta and Postgres accept."""

import re

import pyarrow as pa


def decode_texts(records: pa.Table) -> pa.Table:
    """Bytes as text, without NUL; invalid UTF-8 becomes null, with its bytes beside it."""
    try:
        value = records["value"].cast(pa.string())
    except pa.ArrowInvalid:
        value = pa.chunked_array([[_text(v) for v in records["value"].to_pylist()]], pa.string())
    if any(map(_has_nul, value.chunks)):
        value = pa.array([v and _NUL.sub(r"\1", v) for v in value.to_pylist()], pa.string())
    key = pa.array([(_text(v) or "").replace("\0", "") or None for v in records["key"].to_pylist()], pa.string())
    columns = {"key": key, "value": value, "bytes": records["value"]}
    return pa.table(columns | {n: records[n] for n in ("kafka_partition", "kafka_offset")})


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""NUL as JSON says it. Postgres refuses it, so that it must not be in the lake either: the two are compared."""

_SAYS_NUL = re.compile(rb"\\u0000")


def _has_nul(texts: pa.Array) -> bool:
    """Whether any text may hold NUL; searching all at once is twenty times faster than one by one."""
    said = texts.buffers()[2]
    return said is not None and _SAYS_NUL.search(said) is not None


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
