"""Accounts: people and API tokens are made, given new secrets, and revoked."""

from collections.abc import Sequence
from datetime import UTC, datetime

from qoescope.catalog.errors import Mistake
from qoescope.catalog.people import TOKENS, USERS
from qoescope.catalog.property_names import check_property
from qoescope.connect import people
from qoescope.connect.postgres import pool
from qoescope.connect.properties import require_property
from qoescope.serve.auth import credentials
from qoescope.settings import Settings


def new_user(settings: Settings, name: str, role: str, properties: Sequence[str], password: str = "") -> str:
    """Makes the account, or gives it a new password; returns the password, which is stored nowhere."""
    name = name.strip().lower()
    if not name:
        raise Mistake("a person needs a name")
    now, chosen = datetime.now(UTC), password or credentials.new_password()
    row = {
        "name": name,
        "digest": credentials.digest(chosen),
        "role": credentials.checked_role(role),
        "properties": credentials.checked_properties(properties),
        "created_at": now,
        "changed_at": now,
        "disabled_at": None,
    }
    with pool(settings, "writer", 1) as writer:
        people.put(writer, USERS, row)
    return chosen


def new_token(settings: Settings, label: str, property_id: str, scopes: Sequence[str] = ("read",)) -> str:
    """Makes an API token for the property and returns it; it is stored nowhere.

    Raises `Mistake` where the name is invalid, or there is no such property.
    """
    check_property(property_id)
    token, prefix, digest = credentials.new_token()
    row = {
        "prefix": prefix,
        "digest": digest,
        "label": label,
        "property": property_id,
        "scopes": credentials.checked_scopes(scopes),
        "created_at": datetime.now(UTC),
        "revoked_at": None,
    }
    with pool(settings, "writer", 1) as writer:
        with writer.connection() as connection:
            require_property(connection, property_id)
        people.put(writer, TOKENS, row)
    return token


def revoke_token(settings: Settings, prefix: str) -> None:
    """Refuses the token of this prefix from now on; raises `Mistake` where there is none."""
    with pool(settings, "writer", 1) as writer:
        row = people.token(writer, prefix)
        if row is None:
            raise Mistake(f"there is no token '{prefix}': it is the first {credentials.PREFIX} characters of one")
        people.put(writer, TOKENS, row | {"revoked_at": datetime.now(UTC)})
