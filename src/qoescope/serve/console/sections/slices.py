"""Slices: an incident's viewers: as filters, on the explore page, and everybody else beside them."""

import json
from datetime import datetime, timedelta
from typing import Any

from qoescope.catalog.metrics import Metric
from qoescope.compile.metrics import evaluate
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.request import state
from qoescope.serve.request.times import ceiling, floor

MARGIN = timedelta(hours=1)
LONGEST = timedelta(days=2)


def explore_address(row: dict[str, Any], metric: Metric) -> str:
    """The slice on the explore page, from an hour before to an hour after."""
    between = floor(row["onset_at"] - MARGIN, MARGIN), ceiling(end(row) + MARGIN, MARGIN)
    own = {} if metric.name.startswith("live_") else {"m": metric.name}
    return "/explore" + state.PageState(between, "", where(row), own).query()


def end(row: dict[str, Any]) -> datetime:
    """When it was over, or seen last."""
    return row["closed_at"] or row["last_seen_at"]


def where(row: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Its slice as filters."""
    slice_ = json.loads(row["slice"]) if isinstance(row["slice"], str) else row["slice"]
    return {k: tuple(v if isinstance(v, list) else [v]) for k, v in slice_.items()}


def rest(request: PageRequest, row: dict[str, Any], metric: Metric) -> list[dict[str, Any]]:
    """The metric of everybody outside the slice, in five-minute steps."""
    filters = where(row)
    if metric.name.startswith("live_") or not filters:
        return []
    until = min(end(row) + MARGIN, row["onset_at"] + LONGEST)
    between = floor(row["onset_at"] - MARGIN, timedelta(minutes=5)), until
    whole, inside = (request.ask((metric.name,), every="5m", between=between, where=w) for w in ({}, filters))
    mine = {r["starts_at"]: m for r, m in zip(inside.rows, inside.measures, strict=True)}
    rows = []
    for r, sums in zip(whole.rows, whole.measures, strict=True):
        inner = mine.get(r["starts_at"], {})
        left = {
            k: [a - b for a, b in zip(v, inner.get(k, [0] * len(v)), strict=True)]
            if isinstance(v, list)
            else v - inner.get(k, 0)
            for k, v in sums.items()
            if k != "starts_at"
        }
        rows.append({"starts_at": r["starts_at"], metric.name: evaluate(metric, left)})
    return rows
