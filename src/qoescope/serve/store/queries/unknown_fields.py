"""Unknown fields: how often values came that a field cannot hold."""

from typing import Any

from qoescope.compile.ask import Between
from qoescope.serve.store.property_store import PropertyStore

_COUNTS = """
select field, sum(count)::bigint as count, max(minute_at) as newest from unknown_fields
where minute_at >= %(from)s and minute_at < %(to)s group by field order by count desc, field limit 100"""


def counts(store: PropertyStore, between: Between) -> list[dict[str, Any]]:
    """One row a field of the range, the most frequent first."""
    return store.rows(_COUNTS, **{"from": between[0], "to": between[1]}) if store.has("unknown_fields") else []
