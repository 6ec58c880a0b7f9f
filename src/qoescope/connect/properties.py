"""Which properties there are: those with a key or settings, and those with data."""

from qoescope.catalog.errors import UnknownName
from qoescope.connect.postgres import Connection


def require_property(connection: Connection, property_id: str) -> None:
    """Raises `UnknownName` where nothing was ever known of the property; `connection` is the writer's."""
    found = connection.execute(
        "select exists (select from properties where property = %(id)s) or exists (select from keys where "
        "property = %(id)s) or exists (select from outcomes where property = %(id)s) or exists (select from "
        "quality_day where property = %(id)s)",
        {"id": property_id},
    ).fetchone()
    if found is None or not found[0]:
        known = connection.execute(
            "select property from properties union select property from quality_day where grouping = ''"
        ).fetchall()
        raise UnknownName("property", property_id, [name for (name,) in known])
