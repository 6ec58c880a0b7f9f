"""`ask`: the one query on the marts, for the API, the console, notebooks and the command line."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from qoescope.catalog.metrics import Distinct, DistinctRatio
from qoescope.catalog.operations import SESSION_ROWS
from qoescope.compile.ask import Between, Plan, Question, Where, plan, question
from qoescope.compile.metrics import evaluate
from qoescope.connect.postgres import Connection, reading

_ELEMENT = 8
"""Bytes of one integer in Postgres' binary array: its length, then itself."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of the result: `starts_at` where a step was asked for, the dimensions, then the metrics.

    `measures` are the sums behind each row (numerators and denominators), in the same order.
    """

    question: Question
    plan: Plan
    rows: list[dict[str, Any]]
    measures: list[dict[str, Any]]


def ask(
    connections: ConnectionPool[Connection],
    property_id: str,
    metrics: Sequence[str],
    between: Between,
    by: Sequence[str] = (),
    where: Where | None = None,
    every: str | None = None,
) -> QueryResult:
    """Queries the metrics of one property. Raises `UnknownName` or `Mistake` for an invalid question."""
    return answer_question(connections, property_id, question(metrics, between, by=by, where=where, every=every))


def answer_question(connections: ConnectionPool[Connection], property_id: str, q: Question) -> QueryResult:
    """Runs a validated question."""
    chosen = plan(q)
    sums = _sums(connections, property_id, q, chosen)
    behind = _look_back(connections, property_id, q)
    keys = [*(["starts_at"] if q.every else []), *q.by]
    rows = []
    for row in sums:
        merged = row | _sketches_until(row, behind, q) if behind else row
        rows.append(
            {k: row[k] for k in keys} | {m.name: evaluate(m, merged if _looks_back(m) else row) for m in q.metrics}
        )
    hidden = {m.name for m in q.measures if m.type == "sketch"}
    shown = [{k: v for k, v in row.items() if k not in hidden} for row in sums]
    return QueryResult(q, chosen, rows, shown)


def _sums(connections: ConnectionPool[Connection], property_id: str, q: Question, chosen: Plan) -> list[dict[str, Any]]:
    sketches = [m.name for m in q.measures if m.type == "sketch"]
    with (
        reading(connections, property_id) as connection,
        connection.cursor(row_factory=dict_row, binary=True) as cursor,
    ):
        if chosen.mart != SESSION_ROWS.name:  # marts are small: workers cost more than they bring
            cursor.execute("set local max_parallel_workers_per_gather = 0")
        rows: list[dict[str, Any]] = cursor.execute(chosen.sql, chosen.parameters).fetchall()
    for row in rows:
        row.update({name: registers(row[name]) for name in sketches})
    return rows


def registers(sent: bytes) -> npt.NDArray[np.int32]:
    """The integers of any number of concatenated binary Postgres arrays."""
    parts, at = [], 0
    while at < len(sent):
        dimensions = struct.unpack_from(">i", sent, at)[0]
        count = struct.unpack_from(">i", sent, at + 12)[0] if dimensions else 0
        at += 20 if dimensions else 12
        parts.append(np.frombuffer(sent, ">i4", 2 * count, at)[1::2])
        at += _ELEMENT * count
    return np.concatenate(parts).astype(np.int32) if parts else np.empty(0, np.int32)


def _looks_back(metric: object) -> TypeGuard[Distinct | DistinctRatio]:
    return isinstance(metric, Distinct | DistinctRatio) and metric.look_back_s > 0


def _look_back(connections: ConnectionPool[Connection], property_id: str, q: Question) -> list[dict[str, Any]]:
    """For metrics that look back: the sketches of single windows, from before the time asked for."""
    looking = [m for m in q.metrics if _looks_back(m)]
    if not looking or not q.every:
        return []
    start, end = q.between
    earlier = replace(
        q,
        metrics=tuple(looking),
        every="10s",
        between=(start - timedelta(seconds=max(m.look_back_s for m in looking)), end),
    )
    return _sums(connections, property_id, earlier, plan(earlier))


def _sketches_until(row: dict[str, Any], behind: list[dict[str, Any]], q: Question) -> dict[str, Any]:
    """The row's sketches merged with those of the windows that it looks back on."""
    joined: dict[str, Any] = {}
    for metric in filter(_looks_back, q.metrics):
        since = row["starts_at"] - timedelta(seconds=metric.look_back_s)
        parts = [
            b[metric.sketch]
            for b in behind
            if since <= b["starts_at"] < row["starts_at"] and all(b[name] == row[name] for name in q.by)
        ]
        joined[metric.sketch] = np.concatenate([row[metric.sketch], *parts])
    return joined
