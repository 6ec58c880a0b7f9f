"""Rows: the data set's CSV, one row a session, twenty columns."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from qoescope.catalog.data_set import COLUMNS, HEIGHTS
from qoescope.emit import draws
from qoescope.emit.measures import Measures
from qoescope.emit.scenario import Times, local_hours
from qoescope.emit.slices import DIMENSIONS
from qoescope.emit.viewers import Viewing

HEADER = (",".join(COLUMNS) + "\n").encode()
RESOLUTIONS = tuple(HEIGHTS)
_LEAST_HEIGHT = np.array(list(HEIGHTS.values())[1:])
_HEX = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), dtype=np.uint8).reshape(256, 2)
_DASHES = (8, 13, 18, 23)
_DIGITS = [i for i in range(36) if i not in _DASHES]


def texts(fixed: NDArray[np.uint8]) -> pa.Array:
    """Texts of one length each, from their bytes, a row a text."""
    n, width = fixed.shape
    offsets = np.arange(n + 1, dtype=np.int32) * width
    return pa.Array.from_buffers(
        pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(fixed))]
    )


def session_ids(v: Viewing) -> pa.Array:
    """A random UUID (version 4) for each session, from its key and its moment, so that live runs never repeat one."""
    moment = draws.mixed(v.started_ms.astype(np.uint64))
    halves = np.stack([draws.bits(v.key ^ moment, 70), draws.bits(v.key ^ moment, 71)], axis=1).astype(">u8")
    raw = halves.view(np.uint8).reshape(-1, 16)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.full((len(v), 36), ord("-"), dtype=np.uint8)
    text[:, _DIGITS] = _HEX[raw].reshape(-1, 32)
    return texts(text)


def said(values: list[str], codes: NDArray[np.integer]) -> pa.Array:
    """What the codes say, as text."""
    return pa.array(values, pa.string()).take(pa.array(codes))


def dimension(v: Viewing, name: str) -> pa.Array:
    """A dimension of each session, as text."""
    array, values = DIMENSIONS[name]
    return said(values, getattr(v, array).astype(np.int64))


def viewer_ids(v: Viewing) -> pa.Array:
    """The viewer's pseudonym: `user_` and a number below a million."""
    return pc.binary_join_element_wise("user_", pa.array(v.viewer).cast(pa.string()), "")


def _known(values: Times) -> pa.Array:
    return pa.array(values, mask=values < 0)


def rows(v: Viewing, m: Measures) -> pa.Table:
    """The CSV's rows as a table."""
    hour, weekday = local_hours(v.started_ms)
    never = m.main_height < 0
    resolution = pa.array(np.searchsorted(_LEAST_HEIGHT, m.main_height, side="right"), mask=never)
    values = (
        session_ids(v),
        viewer_ids(v),
        pa.array(v.started_ms * 1000, pa.timestamp("us")),
        dimension(v, "device_type"),
        dimension(v, "user_agent"),
        dimension(v, "app_version"),
        dimension(v, "content_id"),
        _known(m.startup_ms),
        m.stall_count,
        m.stall_ms,
        _known(m.bitrate_avg_kbps),
        pa.array(RESOLUTIONS).take(resolution),
        m.dropped_frames,
        (m.watched_ms + 500) // 1000,
        dimension(v, "network_type"),
        dimension(v, "country_code"),
        dimension(v, "isp"),
        dimension(v, "cdn_pop"),
        hour.astype(np.int64),
        weekday,
    )
    return pa.table(list(values), names=list(COLUMNS))


def sessions(v: Viewing, m: Measures) -> pa.Table:
    """The same sessions with every dimension and what a mart counts, under the names of the table `sessions`."""
    outcome = np.select([m.is_play, m.start_failed, m.start_refused, m.exited_before_start], [0, 1, 2, 3], 4)
    columns = {
        "session_id": session_ids(v), "viewer_id": viewer_ids(v),
        "started_at": pa.array(v.started_ms * 1000, pa.timestamp("us", tz="UTC")),
        **{name: dimension(v, name) for name in DIMENSIONS},
        "start_outcome": pa.array(OUTCOMES).take(pa.array(outcome)), "is_play": m.is_play,
        "play_failed": m.play_failed, "timed_out": m.timed_out, "startup_ms": _known(m.startup_ms),
        "stall_count": m.stall_count, "stall_ms": m.stall_ms, "watched_ms": m.watched_ms, "session_ms": m.session_ms,
        "bitrate_kbps_ms": m.bitrate_kbps_ms, "bitrate_known_ms": m.bitrate_known_ms,
        "bitrate_avg_kbps": _known(m.bitrate_avg_kbps), "main_height": _known(m.main_height),
        "dropped_frames": m.dropped_frames,
    }  # fmt: skip
    return pa.table(columns)


OUTCOMES = ("played", "failed_technical", "failed_business", "exited", "exited_hidden")


def csv_bytes(table: pa.Table) -> bytes:
    """The rows as CSV, without header; unknown is an empty cell, and only a text with a comma is quoted."""
    sink = pa.BufferOutputStream()
    table = table.set_column(4, COLUMNS[4], pa.chunked_array([_marked(table[4].combine_chunks())]))
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False, quoting_style="none", batch_size=len(table) or 1))
    return sink.getvalue().to_pybytes().replace(_COMMA, b",").replace(_QUOTE, b'"')


_COMMA, _QUOTE = b"\x01", b"\x02"


def _marked(agents: pa.Array) -> pa.Array:
    """User agents with stand-ins for commas and for the quotes around them: Arrow quotes all texts or none."""
    comma, quote = _COMMA.decode(), _QUOTE.decode()
    marked = pc.replace_substring(agents, ",", comma)
    return pc.if_else(pc.match_substring(marked, comma), pc.binary_join_element_wise(quote, marked, quote, ""), marked)
