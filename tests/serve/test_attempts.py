"""Attempts: who waits for a password's hash is only who signs in, and an address is whose it is."""

import asyncio
import threading

import pytest

from qoescope.serve.auth.attempts import MOST_WAITING, Hashing, address_of


def test_who_does_not_hash_waits_for_no_hash_and_too_many_are_refused() -> None:
    async def crowd() -> tuple[list[bool | None], bool]:
        hashing, go = Hashing(), threading.Event()
        waiting = [asyncio.create_task(hashing.do(go.wait)) for _ in range(MOST_WAITING + 5)]
        other = await asyncio.to_thread(lambda: True)
        go.set()
        return await asyncio.gather(*waiting), other

    found, other = asyncio.run(crowd())
    assert other
    assert found.count(None) == 5


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxy", "address"),
    [
        ("10.0.0.5", ["203.0.113.9"], "", "10.0.0.5"),
        ("10.0.0.5", ["203.0.113.9"], "ingress", "203.0.113.9"),
        ("10.0.0.5", ["1.2.3.4, 203.0.113.9"], "ingress", "203.0.113.9"),
        ("10.0.0.5", ["1.2.3.4", "203.0.113.9"], "ingress", "203.0.113.9"),
        ("10.0.0.5", ["203.0.113.9"], "10.0.0.0/24", "203.0.113.9"),
        ("10.0.1.5", ["203.0.113.9"], "10.0.0.0/24", "10.0.1.5"),
        ("10.0.0.5", ["nobody"], "ingress", "10.0.0.5"),
        ("10.0.0.5", [], "ingress", "10.0.0.5"),
        ("2001:db8:1:2:3:4:5:6", [], "", "2001:db8:1:2::"),
        ("::ffff:10.0.0.5", [], "", "10.0.0.5"),
        ("10.0.0.5", ["[2001:db8:1:2::9]"], "ingress", "2001:db8:1:2::"),
        ("10.0.0.5", ["203.0.113.9:51824"], "ingress", "203.0.113.9"),
        ("10.0.0.5", ["[2001:db8:1:2::9]:443"], "ingress", "2001:db8:1:2::"),
        ("10.0.0.5", ["[]:443"], "ingress", "10.0.0.5"),
    ],
)
def test_who_asks_is_the_connection_s_other_end_or_what_the_named_proxy_says(
    peer: str, forwarded: list[str], proxy: str, address: str
) -> None:
    assert address_of(peer, forwarded, proxy) == address
