"""Auth: passwords, logins and tokens, and what each person may do; pure, no clock of its own."""

import base64
import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.people import EVERY_PROPERTY, FAILURES, FAILURES_S, LOGIN_S, LONGEST_PASSWORD, RANK, SCOPES

COOKIE = "qoescope_login"
TOKEN_MARK, PREFIX = "qt_", 11
COST, BLOCK, PARALLEL = 2**15, 8, 1
"""scrypt's parameters: 32 MiB and some 80 ms a try."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a signed-in person, or a token with its one property and its scopes."""

    name: str
    role: str
    properties: tuple[str, ...]
    scopes: frozenset[str] = frozenset(SCOPES)

    def may(self, role: str) -> bool:
        """Whether they have this role or a higher one."""
        return RANK[self.role] >= RANK[role]

    def sees(self, tenant: str) -> bool:
        """Whether the property is theirs to see."""
        return EVERY_PROPERTY in self.properties or tenant in self.properties


def digest(password: str) -> str:
    """The password as it is stored: scrypt with its parameters and a new salt."""
    salt = secrets.token_bytes(16)
    return f"scrypt${COST}${BLOCK}${PARALLEL}${_text(salt)}${_text(_scrypt(password, salt, COST, BLOCK, PARALLEL))}"


def matches(password: str, stored: str) -> bool:
    """Whether it is the password behind what is stored."""
    _, cost, block, parallel, salt, wanted = stored.split("$")
    made = _scrypt(password[:LONGEST_PASSWORD], base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(made, base64.b64decode(wanted))


@cache
def nobody() -> str:
    """Compared with where there is no such account, so that time tells nothing."""
    return digest(secrets.token_urlsafe(16))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=2**27, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


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
    return Person(user["name"], user["role"], tuple(user["properties"].split()))


def bearer(row: Mapping[str, Any] | None, token: str) -> Person | None:
    """Who the token is, if it is the one behind the row and not revoked."""
    if row is None or row["revoked_at"] is not None or not hmac.compare_digest(row["digest"], token_digest(token)):
        return None
    return Person(f"token {row['prefix']}", "reader", (row["property"],), frozenset(row["scopes"].split()))


def checked_role(role: str) -> str:
    """The role, if there is such a one."""
    if role not in RANK:
        raise UnknownName("role", role, RANK)
    return role


def checked_scopes(scopes: Iterable[str]) -> str:
    """The scopes as they are stored."""
    wanted = list(dict.fromkeys(scopes))
    for scope in wanted:
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
    if not wanted:
        raise Mistake(f"a token needs a scope, of: {', '.join(SCOPES)}")
    return " ".join(wanted)


@dataclass(frozen=True, slots=True)
class Logins:
    """Signed cookies: who signed in, and to which version of the account."""

    key: bytes

    def cookie(self, name: str, changed_at: datetime) -> str:
        """The cookie's value."""
        return self._signer().dumps([name, round(changed_at.timestamp() * 1000)])

    def read(self, value: str) -> tuple[str, int] | None:
        """The account's name and version in the cookie; None when it is forged, broken or older than 12 h."""
        try:
            name, version = self._signer().loads(value, max_age=LOGIN_S)
        except (BadData, ValueError, TypeError):
            return None
        return (name, version) if isinstance(name, str) and isinstance(version, int) else None

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="qoescope login", signer_kwargs={"digest_method": hashlib.sha256})


@dataclass(slots=True)
class Failures:
    """Failed logins by account and address; too many of one, and no more are tried for a while."""

    seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    most: int = 10_000
    """Pairs that are remembered."""

    def wait_s(self, name: str, address: str, now: float) -> float:
        """Seconds until another try is allowed; 0 when it is now."""
        times = self.seen.get((name, address))
        if not times:
            return 0.0
        while times and times[0] <= now - FAILURES_S:
            times.popleft()
        return max(times[0] + FAILURES_S - now, 0.0) if len(times) >= FAILURES else 0.0

    def failed(self, name: str, address: str, now: float) -> None:
        """Notes a failed try."""
        if len(self.seen) >= self.most:
            self.seen.pop(next(iter(self.seen)))
        self.seen.setdefault((name, address), deque(maxlen=FAILURES)).append(now)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets the failures before."""
        self.seen.pop((name, address), None)


def from_here(headers: Mapping[str, str], proxied: bool = False) -> bool:
    """Whether a request that changes something comes from our own pages, as browsers tell by `Origin`."""
    host = headers.get("x-forwarded-host", "") if proxied else ""
    host = host or headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None:
        return bool(host) and urlsplit(origin).netloc == host
    return headers.get("sec-fetch-site") == "same-origin"


def safe_next(address: str) -> str:
    """Where to go after signing in: a page of ours, whatever the link says."""
    parts = urlsplit(address)
    ours = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and "\\" not in address else "/"
