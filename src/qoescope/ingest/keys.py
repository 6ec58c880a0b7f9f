"""Write keys: who may write to which property. Only digests of keys are stored."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import msgspec

from qoescope.catalog.doors import LIVE_KEYS
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.property_names import check_property
from qoescope.compile import pseudonyms

BITS = 256
PREFIX_LENGTH = 11  # `qw_` and eight characters: enough for people to tell keys apart
LONGEST_SECRET = 200


class WriteKey(msgspec.Struct, frozen=True):
    """One write key as stored, a row of the table `keys`."""

    property: str
    prefix: str
    digest: str
    created_at: datetime
    revoked_at: datetime | None = None


class Property(msgspec.Struct, frozen=True, omit_defaults=True):
    """A property's settings, a row of the table `properties`."""

    property: str
    created_at: datetime
    enabled: bool = True
    cmcd: bool = True
    origins: str | None = None
    honours_dnt: bool = True

    def allows(self, origin: str | None) -> bool:
        """Whether a page of this origin may write; a request without an origin comes from no page."""
        return origin is None or not self.origins or origin in self.origins.split()


class Snapshot(msgspec.Struct, frozen=True):
    """All that decides who may write: keys, properties, and viewers who asked to be forgotten."""

    keys: tuple[WriteKey, ...] = ()
    properties: tuple[Property, ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()
    """(property, pseudonym)."""


class Keyring:
    """A snapshot, indexed for look-ups."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_prefix: dict[str, list[WriteKey]] = {}
        for key in snapshot.keys:
            self._by_prefix.setdefault(key.prefix, []).append(key)
        self._properties = {row.property: row for row in snapshot.properties}
        self.forgotten = frozenset(snapshot.forgotten)

    def key(self, secret: str | None) -> WriteKey | None:
        """The key, live or revoked, that has this secret; None where there is none. Compares in constant time."""
        if not secret or len(secret) > LONGEST_SECRET:
            return None
        row = digest(secret)
        for key in self._by_prefix.get(secret[:PREFIX_LENGTH], ()):
            if hmac.compare_digest(key.digest, row):
                return key
        return None

    def property(self, name: str) -> Property:
        """The property's row; one without a row has every default."""
        return self._properties.get(name) or Property(name, datetime.fromtimestamp(0, UTC))


@lru_cache(1024)  # a player sends its key with each request
def digest(secret: str) -> str:
    """SHA-256 of the key, hexadecimal: 256 random bits need neither salt nor a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def generate(property_id: str, now: datetime) -> tuple[str, WriteKey]:
    """A new key: its secret, to be shown once, and its row. Raises `Mistake` for an invalid property."""
    check_property(property_id)
    secret = "qw_" + secrets.token_urlsafe(BITS // 8)
    return secret, WriteKey(property_id, secret[:PREFIX_LENGTH], digest(secret), now)


def with_key(snapshot: Snapshot, key: WriteKey) -> Snapshot:
    """The snapshot with one more key and, if new, its property; raises `Mistake` when it has two live keys."""
    live = [other for other in snapshot.keys if other.property == key.property and other.revoked_at is None]
    if len(live) >= LIVE_KEYS:
        names = " and ".join(other.prefix for other in live)
        raise Mistake(f"{key.property} has {LIVE_KEYS} live keys, {names}: revoke one before making another")
    known = any(row.property == key.property for row in snapshot.properties)
    properties = snapshot.properties if known else (*snapshot.properties, Property(key.property, key.created_at))
    return Snapshot((*snapshot.keys, key), properties, snapshot.forgotten)


def without_key(snapshot: Snapshot, prefix: str, now: datetime) -> Snapshot:
    """The snapshot with the key of this prefix revoked; idempotent. Raises `UnknownName`."""
    if not any(key.prefix == prefix for key in snapshot.keys):
        raise UnknownName("key", prefix, [key.prefix for key in snapshot.keys])
    keys = tuple(
        msgspec.structs.replace(key, revoked_at=now) if key.prefix == prefix and key.revoked_at is None else key
        for key in snapshot.keys
    )
    return Snapshot(keys, snapshot.properties, snapshot.forgotten)


def token(authorization: str | None, query: str) -> str | None:
    """The secret in a request: `Authorization: Bearer …`, or `?key=…` where no header can be set."""
    if authorization is not None:
        scheme, _, rest = authorization.partition(" ")
        return rest.strip() if scheme.lower() == "bearer" else None
    if "key=" not in query:
        return None
    row = parse_qs(query, max_num_fields=20).get("key") if query.count("&") < 20 else None  # noqa: PLR2004
    return row[0] if row else None


def merge(ours: Snapshot, theirs: Snapshot) -> Snapshot:
    """All keys of both, revoked if either says so; properties as `theirs` has them; all tombstones."""
    keys = {key.digest: key for key in ours.keys}
    for key in theirs.keys:
        both = (key, keys.get(key.digest, key))
        revoked = [known.revoked_at for known in both if known.revoked_at is not None]
        keys[key.digest] = msgspec.structs.replace(key, revoked_at=min(revoked, default=None))
    properties = {row.property: row for row in (*ours.properties, *theirs.properties)}
    forgotten = {*ours.forgotten, *theirs.forgotten}
    return Snapshot(
        tuple(sorted(keys.values(), key=lambda key: (key.created_at, key.digest))),
        tuple(properties[name] for name in sorted(properties)),
        tuple(sorted(forgotten)),
    )


def is_digested(snapshot: Snapshot) -> bool:
    """Whether forgotten viewers are named by pseudonyms alone; an older version also kept the id itself."""
    return all(pseudonyms.is_pseudonym(name) for _, name in snapshot.forgotten)


def digest_forgotten(snapshot: Snapshot, viewer_keys: pseudonyms.ViewerKeys) -> Snapshot:
    """The snapshot with pseudonyms in place of viewers' own ids."""
    names = {
        (property_id, name)
        for property_id, known in snapshot.forgotten
        for name in (
            (known,) if pseudonyms.is_pseudonym(known) else pseudonyms.all_pseudonyms(viewer_keys, property_id, known)
        )
    }
    return Snapshot(snapshot.keys, snapshot.properties, tuple(sorted(names)))


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as the JSON file that the collector reads."""
    return msgspec.json.format(msgspec.json.encode(snapshot))


def decode(data: bytes) -> Snapshot:
    """The snapshot in the file; raises `Mistake` when it cannot be read."""
    try:
        return msgspec.json.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Mistake(f"the file of keys cannot be read: {error}") from error


def from_rows(keys: Iterable[Any], properties: Iterable[Any], forgotten: Iterable[Any]) -> Snapshot:
    """The snapshot of rows of the three tables, each a mapping."""
    return Snapshot(
        tuple(msgspec.convert(row, WriteKey) for row in keys),
        tuple(msgspec.convert(row, Property) for row in properties),
        tuple((row["property"], row["viewer_id"]) for row in forgotten),
    )
