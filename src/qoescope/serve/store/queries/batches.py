"""Batches: days that the nightly run restated, and the quality rules that their data was checked by."""

from typing import Any

from qoescope.serve.store.property_store import PropertyStore


def restatements(store: PropertyStore) -> list[dict[str, Any]]:
    """The last restated days, the newest run first."""
    return store.rows("select * from restatements order by finished_at desc limit 8")


def checks(store: PropertyStore) -> list[dict[str, Any]]:
    """The last checks of days, those that failed first; none before the first one."""
    if not store.has("checks"):
        return []
    return store.rows("select * from checks order by passed, checked_at desc limit 8")
