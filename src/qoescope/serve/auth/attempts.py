"""Attempts: limits on sign-in attempts, each counted before it is made; and threads that hash passwords."""

import asyncio
import hmac
import ipaddress
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")
MOST_WAITING = 32
"""Passwords that wait to be hashed; some four seconds of them."""
CLOSED_S, MOST_CLOSED = 1.0, 10_000
NEVER = (float("-inf"), 0.0)
DIGEST_BYTES = 16


class AttemptCounts(Protocol):
    """Where tries are counted, for all consoles together."""

    def reserve_try(self, keys: Sequence[str]) -> tuple[int, int, str]:
        """When the try was counted, the seconds until one is allowed, and the key that is closed."""

    def withdraw_try(self, keys: Sequence[str], at: int) -> None:
        """The try of then was not made."""

    def release_try(self, keys: Sequence[str], at: int) -> None:
        """The try of then succeeded."""


class Try(NamedTuple):
    """A try that is allowed and counted, or the seconds until one is."""

    keys: tuple[str, str, str]
    at: int
    wait_s: float


@dataclass(slots=True)
class Attempts:
    """Tries that failed, or may still fail, of an account, of an address, and of both; of too many none is tried.

    An account that many addresses guess at stays open to those from which its owner signed in within the day. Names and
    addresses are counted by digests under the console's key.
    """

    key: bytes
    counts: AttemptCounts
    _closed: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When an address, or an account at one, was found closed and when it opens: for a second a flood asks no store."""

    def reserve(self, name: str, address: str) -> Try:
        """The try, counted from now on unless there were too many."""
        keys = self._digest(name, address), self._digest("", address), self._digest(name, "")
        now = time.monotonic()
        for key in keys[:2]:
            found_at, opens_at = self._closed.get(key, NEVER)
            if now < found_at + CLOSED_S:
                return Try(keys, 0, opens_at - now)
        at, wait_s, closed = self.counts.reserve_try(keys)
        if closed in keys[:2]:
            if len(self._closed) >= MOST_CLOSED:
                self._closed.clear()
            self._closed[closed] = now, now + wait_s
        return Try(keys, at, wait_s)

    def release(self, attempt: Try) -> None:
        """It succeeded: it does not count, nor do the failures before of this account from here."""
        self.counts.release_try(attempt.keys, attempt.at)

    def withdraw(self, attempt: Try) -> None:
        """It was not made after all: it does not count."""
        self.counts.withdraw_try(attempt.keys, attempt.at)

    def _digest(self, name: str, address: str) -> str:
        text = f"attempt {len(name)} {name} {address}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, text, "sha256")[:DIGEST_BYTES].hex()


class Hashing:
    """Threads of its own for what takes a tenth of a second and tens of megabytes; few, so that others have a core."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max((os.cpu_count() or 1) // 2, 1), thread_name_prefix="hash")
        self._waiting = 0

    @property
    def full(self) -> bool:
        """Whether too many wait already."""
        return self._waiting >= MOST_WAITING

    async def do(self, work: Callable[[], T]) -> T | None:
        """What the work answers; None, and it is not done, where too many wait already."""
        if self.full:
            return None
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def address_of(peer: str, forwarded: Sequence[str], proxy: str) -> str:
    """Who asks: the connection's other end; behind a named proxy what that one wrote last into X-Forwarded-For.

    Some proxies append to the header that a client sent, some add a header of their own behind it: the last of all is
    the proxy's, whatever stands before.

    A proxy named by its address or network is believed only from there. Of IPv6 the network counts: a house has many.
    """
    last = ",".join(forwarded).rpartition(",")[2].strip() if _is(peer, proxy) else ""
    return _network(last) or _network(peer) or peer


def _is(peer: str, proxy: str) -> bool:
    """Whether the connection may be the named proxy's; a name that is no address is anybody's who reaches us."""
    try:
        return ipaddress.ip_address(peer) in ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        return bool(proxy)


_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")
"""An address as some proxies write it: in brackets, or with the port that it came from."""


def _network(text: str) -> str:
    written = _WITH_PORT.fullmatch(text)
    bare = (written[1] or written[2] or "") if written else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(address), 64), strict=False).network_address)
