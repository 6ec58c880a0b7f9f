"""Credentials: passwords, logins and tokens, and what each person may do; pure, no clock of its own."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadData, URLSafeTimedSerializer

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.people import EVERY_PROPERTY, LOGIN_S, LONGEST_PASSWORD, RANK, SCOPES
from qoescope.catalog.property_names import check_property

COOKIE = "qoescope_login"
PROPERTIES_APART = ","
"""Between the properties of an account. Blanks do not part them: a name of an earlier version may have some."""
TOKEN_MARK, PREFIX = "qt_", 11
ARGON2 = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
"""Argon2id of 32 MiB and one thread; its parameters stand in each digest."""
SCRYPT = "scrypt$"
"""Digests of earlier versions; each is made anew when its owner signs in."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a signed-in person, or a token with its one property and its scopes."""

    name: str
    role: str
    properties: tuple[str, ...]
    scopes: frozenset[str] = frozenset(SCOPES)
    is_token: bool = False
    """Whether a program asks: what it may do, its scopes say, and no role."""

    def may(self, role: str) -> bool:
        """Whether they have this role or a higher one."""
        return RANK[self.role] >= RANK[role]

    def sees(self, property_id: str) -> bool:
        """Whether the property is theirs to see."""
        return EVERY_PROPERTY in self.properties or property_id in self.properties


def digest(password: str) -> str:
    """The password as it is stored: Argon2id with its parameters and a new salt."""
    return ARGON2.hash(password[:LONGEST_PASSWORD])


def matches(password: str, stored: str) -> bool:
    """Whether it is the password behind what is stored."""
    if stored.startswith(SCRYPT):
        _, cost, block, parallel, salt, wanted = stored.split("$")
        made = hashlib.scrypt(
            password[:LONGEST_PASSWORD].encode(),
            salt=base64.b64decode(salt),
            n=int(cost),
            r=int(block),
            p=int(parallel),
            maxmem=2**27,
            dklen=32,
        )
        return hmac.compare_digest(made, base64.b64decode(wanted))
    try:
        return ARGON2.verify(stored, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False


def stale(stored: str) -> bool:
    """Whether what is stored was made in another way than it would be now."""
    return stored.startswith(SCRYPT) or ARGON2.check_needs_rehash(stored)


@cache
def nobody() -> str:
    """Compared with where there is no such account, so that time tells nothing."""
    return digest(secrets.token_urlsafe(16))


def new_password() -> str:
    """A password nobody chose: 96 bits in four groups."""
    raw = secrets.token_hex(12)
    return "-".join(raw[i : i + 6] for i in range(0, 24, 6))


def new_token() -> tuple[str, str, str]:
    """A token of 256 bits, its prefix, and the digest that is stored of it."""
    token = TOKEN_MARK + secrets.token_urlsafe(32)
    return token, token[:PREFIX], token_digest(token)


def token_digest(token: str) -> str:
    """SHA-256 of the token: enough for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def person(user: Mapping[str, Any]) -> Person:
    """Who the account's row is."""
    return Person(user["name"], user["role"], tuple(user["properties"].split(PROPERTIES_APART)))


def bearer(row: Mapping[str, Any] | None, token: str) -> Person | None:
    """Who the token is, if it is the one behind the row and not revoked; nobody for one that is of no one property."""
    if row is None or row["revoked_at"] is not None or not hmac.compare_digest(row["digest"], token_digest(token)):
        return None
    if row["property"] == EVERY_PROPERTY:
        return None
    return Person(f"token {row['prefix']}", "reader", (row["property"],), frozenset(row["scopes"].split()), True)


def checked_role(role: str) -> str:
    """The role, if there is such a one."""
    if role not in RANK:
        raise UnknownName("role", role, RANK)
    return role


def checked_properties(properties: Iterable[str]) -> str:
    """An account's properties as they are stored; raises `Mistake` for an invalid name, or for none."""
    wanted = list(dict.fromkeys(properties))
    if not wanted:
        raise Mistake(f"an account needs a property, or {EVERY_PROPERTY} for all")
    if wanted != [EVERY_PROPERTY]:
        for name in wanted:
            check_property(name)
    return PROPERTIES_APART.join(wanted)


def checked_scopes(scopes: Iterable[str]) -> str:
    """The scopes as they are stored."""
    wanted = list(dict.fromkeys(scopes))
    for scope in wanted:
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
    if not wanted:
        raise Mistake(f"a token needs a scope, of: {', '.join(SCOPES)}")
    return " ".join(wanted)


def version(user: Mapping[str, Any]) -> int:
    """Of the account: it changes with password and role, and ends the logins before."""
    changed_at: datetime = user["changed_at"]
    return round(changed_at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Login:
    """One login: of whom, to which version of the account, and its id, by which it is ended."""

    name: str
    version: int
    id: str


@dataclass(frozen=True, slots=True)
class Logins:
    """Signed cookies, one a login."""

    key: bytes

    def cookie(self, name: str, version: int) -> str:
        """The value of a new login's cookie."""
        return self._signer().dumps([name, version, secrets.token_hex(16)])

    def read(self, value: str) -> Login | None:
        """The login in the cookie; None when it is forged, broken or older than 12 h."""
        try:
            name, changed, identity = self._signer().loads(value, max_age=LOGIN_S)
        except (BadData, ValueError, TypeError):
            return None
        known = isinstance(name, str) and isinstance(changed, int) and isinstance(identity, str)
        return Login(name, changed, identity) if known else None

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="qoescope login", signer_kwargs={"digest_method": hashlib.sha256})


def is_same_origin(headers: Mapping[str, str], proxied: bool = False) -> bool:
    """Whether a request that changes something comes from our own pages, as browsers tell by `Origin`."""
    host = headers.get("x-forwarded-host", "") if proxied else ""
    host = host or headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None:
        parts = _split(origin)
        return parts is not None and bool(host) and parts.netloc == host
    return headers.get("sec-fetch-site") == "same-origin"


def _split(address: str) -> SplitResult | None:
    """The address in its parts; None for what is no address, such as `//[`."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def safe_next(address: str) -> str:
    """Where to go after signing in: a page of ours, whatever the link says."""
    parts = _split(address)
    if parts is None or parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//"):
        return "/"
    return "/" if "\\" in address else address
