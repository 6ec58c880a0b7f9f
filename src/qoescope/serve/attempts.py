"""Attempts: how often a sign-in may be tried, counted before it is; and passwords hashed where nobody waits."""

import asyncio
import ipaddress
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from qoescope.catalog.people import FAILURES, FAILURES_ACCOUNT, FAILURES_ADDRESS, FAILURES_S

T = TypeVar("T")
MOST_WAITING = 32
"""Passwords that wait to be hashed; some four seconds of them."""


@dataclass(slots=True)
class Attempts:
    """Tries that failed, or may still fail, of an account, of an address, and of both; of too many none is tried.

    An account that many addresses guess at stays open to those from which its owner has signed in.
    """

    most: int = 30_000
    """Accounts, addresses and pairs that are remembered."""
    _seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _known: dict[tuple[str, str], None] = field(default_factory=dict)

    def reserve(self, name: str, address: str, now: float) -> float:
        """0 where the try is allowed, and counted from now on; else the seconds until one is."""
        limits = {(name, address): FAILURES, ("", address): FAILURES_ADDRESS}
        if (name, address) not in self._known:
            limits[name, ""] = FAILURES_ACCOUNT
        wait = max(self._wait_s(key, most, now) for key, most in limits.items())
        if not wait:
            for key in limits:
                self._times(key, now).append(now)
        return wait

    def release(self, name: str, address: str, at: float) -> None:
        """The try of then succeeded: it does not count, nor do the failures before of this account from here."""
        self.withdraw(name, address, at)
        self._seen.pop((name, address), None)
        self._known.pop((name, address), None)
        self._known[name, address] = None
        if len(self._known) > self.most:
            del self._known[next(iter(self._known))]

    def withdraw(self, name: str, address: str, at: float) -> None:
        """The try of then was not made after all: it does not count."""
        for key in ((name, address), ("", address), (name, "")):
            times = self._seen.get(key)
            if times and at in times:
                times.remove(at)

    def _wait_s(self, key: tuple[str, str], most: int, now: float) -> float:
        times = self._seen.get(key)
        while times and times[0] <= now - FAILURES_S:
            times.popleft()
        return times[-most] + FAILURES_S - now if times and len(times) >= most else 0.0

    def _times(self, key: tuple[str, str], now: float) -> deque[float]:
        if key not in self._seen and len(self._seen) >= self.most:
            over = [old for old, times in self._seen.items() if not times or times[-1] <= now - FAILURES_S]
            for old in over or [next(iter(self._seen))]:
                del self._seen[old]
        return self._seen.setdefault(key, deque())


class Hashing:
    """Threads of its own for what takes a tenth of a second and tens of megabytes; few, so that others have a core."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max((os.cpu_count() or 1) // 2, 1), thread_name_prefix="hash")
        self._waiting = 0

    async def do(self, work: Callable[[], T]) -> T | None:
        """What the work answers; None, and it is not done, where too many wait already."""
        if self._waiting >= MOST_WAITING:
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
    return _house(last) or _house(peer) or peer


def _is(peer: str, proxy: str) -> bool:
    """Whether the connection may be the named proxy's; a name that is no address is anybody's who reaches us."""
    try:
        return ipaddress.ip_address(peer) in ipaddress.ip_network(proxy, strict=False)
    except ValueError:
        return bool(proxy)


def _house(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(address), 64), strict=False).network_address)
