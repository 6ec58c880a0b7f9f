"""Messages: what a task tells the driver, as rows of a kind and a body."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from qoescope.connect.lake.tables import File
from qoescope.connect.lake.writing import pack_files

TOLD = "kind string, body binary"
"""What a task tells the driver: names of files that it wrote, and small tables as Arrow streams."""


def lines(kind: str, bodies: Sequence[bytes]) -> pa.Table:
    """Bodies of one kind."""
    return pa.table({"kind": pa.repeat(pa.scalar(kind), len(bodies)), "body": pa.array(bodies, pa.binary())})


def files(kind: str, written: Iterable[File]) -> pa.Table:
    """Names of files that were written."""
    return lines(kind, [line.encode() for line in pack_files(written)])


def packed(table: pa.Table) -> bytes:
    """The table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def unpacked(stream: bytes) -> pa.Table:
    """The table of an Arrow stream."""
    return pa.ipc.open_stream(stream).read_all()
