"""Freshness: how far the streams have come, and how new the marts are."""

from datetime import datetime
from typing import Any

from qoescope.catalog.marts import Mart
from qoescope.serve.store.property_store import PropertyStore


def stream_progress(store: PropertyStore) -> list[dict[str, Any]]:
    """One row a stream: everything received before `complete_until` is in; none before the first batch."""
    return store.rows("select * from stream_progress order by stream") if store.has("stream_progress") else []


def lost_records(store: PropertyStore) -> int:
    """How many records the streams never saw, since Kafka had dropped them before they were read."""
    if not store.has("stream_offsets"):
        return 0
    return int(store.rows("select coalesce(sum(lost), 0)::bigint as lost from stream_offsets")[0]["lost"])


def newest_row(store: PropertyStore, mart: Mart) -> datetime | None:
    """The start of the newest row of the mart's total; None where it is older than 7 days."""
    sql = f"""select max(starts_at) as at from {mart.name}
    where grouping = '' and day >= current_date - 7 and starts_at <= now()"""
    return store.rows(sql)[0]["at"]
