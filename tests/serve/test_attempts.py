"""Attempts: a guess counts before it is tried; who waits for a password's hash is only who signs in."""

import asyncio
import threading

import pytest

from qoescope.serve.attempts import MOST_WAITING, Attempts, Hashing, address_of


def test_ten_guesses_close_the_door_for_that_account_and_address_only() -> None:
    attempts = Attempts()
    assert [attempts.reserve("ada", "10.0.0.1", second) for second in range(10)] == [0] * 10
    assert attempts.reserve("ada", "10.0.0.1", 10) == 890
    assert attempts.reserve("ada", "10.0.0.2", 10) == 0
    assert attempts.reserve("bob", "10.0.0.1", 10) == 0
    assert attempts.reserve("ada", "10.0.0.1", 901) == 0


def test_guesses_side_by_side_count_before_one_of_them_has_failed() -> None:
    attempts = Attempts()
    assert sum(attempts.reserve("ada", "10.0.0.1", 0) == 0 for _ in range(60)) == 10


def test_an_address_that_guesses_at_many_accounts_is_closed() -> None:
    attempts = Attempts()
    assert sum(attempts.reserve(f"user{n}", "10.0.0.1", 0) == 0 for n in range(60)) == 30


def test_an_account_that_many_addresses_guess_at_stays_open_to_its_owner() -> None:
    attempts = Attempts()
    assert attempts.reserve("ada", "10.9.9.9", 0) == 0
    attempts.release("ada", "10.9.9.9", 0)
    assert sum(attempts.reserve("ada", f"10.0.0.{n}", 1) == 0 for n in range(60)) == 30
    assert attempts.reserve("ada", "10.9.9.9", 2) == 0


def test_a_success_forgets_the_failures_of_this_account_from_here_and_no_others() -> None:
    attempts = Attempts()
    for n in range(9):
        attempts.reserve("ada", "here", n)
        attempts.reserve("bob", "here", n)
    attempts.reserve("ada", "here", 9)
    attempts.release("ada", "here", 9)
    assert attempts.reserve("ada", "here", 10) == 0
    attempts.reserve("bob", "here", 10)
    assert attempts.reserve("bob", "here", 11) > 0


def test_a_try_that_was_not_made_does_not_count() -> None:
    attempts = Attempts()
    for n in range(60):
        assert attempts.reserve("ada", "here", n) == 0
        attempts.withdraw("ada", "here", n)


def test_what_is_remembered_is_bounded() -> None:
    attempts = Attempts(most=100)
    for n in range(1_000):
        attempts.reserve(f"user{n}", f"10.0.{n // 250}.{n % 250}", n)
    assert len(attempts._seen) <= 100  # noqa: SLF001 - nothing else tells


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
    ],
)
def test_who_asks_is_the_connection_s_other_end_or_what_the_named_proxy_says(
    peer: str, forwarded: list[str], proxy: str, address: str
) -> None:
    assert address_of(peer, forwarded, proxy) == address
