"""Results that a Spark task sends to the driver, as rows of a kind and a body."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from qoescope.connect.lake.tables import File
from qoescope.connect.lake.writing import pack_files

SCHEMA = "kind string, body binary"
"""Spark's schema of a message: names of files that were written, and small tables as Arrow streams."""


def body_messages(kind: str, bodies: Sequence[bytes]) -> pa.Table:
    """One message a body, all of one kind."""
    return pa.table({"kind": pa.repeat(pa.scalar(kind), len(bodies)), "body": pa.array(bodies, pa.binary())})


def file_messages(kind: str, written: Iterable[File]) -> pa.Table:
    """One message a file that was written."""
    return body_messages(kind, [line.encode() for line in pack_files(written)])


def to_ipc(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def from_ipc(stream: bytes) -> pa.Table:
    """The table in an Arrow stream."""
    return pa.ipc.open_stream(stream).read_all()
