"""Counts sign-in attempts in Postgres, for all consoles together, by keys that do not reveal who tried."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString, NamedTuple

from qoescope.catalog.people import ATTEMPTS_KEPT, FAILURES, FAILURES_ACCOUNT, FAILURES_ADDRESS, FAILURES_S, KNOWN_S
from qoescope.connect.people import Pool
from qoescope.connect.postgres import Connection

LIMITS = (FAILURES, FAILURES_ADDRESS, FAILURES_ACCOUNT)
"""Of an attempt's keys: account and address together, address, account."""
_ALONE: LiteralString = (
    "select set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(hashtext('qoescope.attempts'))"
)
_RESERVE: LiteralString = """
with clock as (select extract(epoch from clock_timestamp())::int as now),
asked as (select * from unnest(%(keys)s::text[], %(limits)s::int[]) with ordinality as asked (key, most, place)),
known as (
  select from attempts where key = (%(keys)s::text[])[1] and known_at > now() - make_interval(secs => %(known_s)s)
),
there as (
  select key, most, array(select tried from unnest(a.tries) as tried where tried > now - %(within_s)s order by 1)
    as tries
  from clock, asked left join attempts as a using (key) where place < 3 or not exists (select from known)
),
closed as (
  select key, tries[cardinality(tries) - most + 1] + %(within_s)s - now as wait_s
  from clock, there where cardinality(tries) >= most order by 2 desc limit 1
),
counted as (
  insert into attempts as a (key, tries, tried_at) select key, tries || now, now() from clock, there
  where not exists (select from closed)
  on conflict (key) do update set tries = excluded.tries, tried_at = excluded.tried_at
)
select now, coalesce((select wait_s from closed), 0), coalesce((select key from closed), '') from clock
"""
_WITHDRAW: LiteralString = """
update attempts set tries = tries[:array_position(tries, %(at)s) - 1] || tries[array_position(tries, %(at)s) + 1:]
where key = any(%(keys)s) and %(at)s = any(tries)
"""
_KNOW: LiteralString = """
insert into attempts (key, tries, tried_at, known_at) values (%s, '{}', now(), now())
on conflict (key) do update set tries = '{}', tried_at = now(), known_at = now()
"""
_PRUNE: LiteralString = """
delete from attempts where tried_at < now() - make_interval(secs => %(within_s)s)
  and coalesce(known_at < now() - make_interval(secs => %(known_s)s), true)
  or key in (select key from attempts order by tried_at desc offset %(most)s)
"""


@contextmanager
def _exclusive_transaction(writer: Pool) -> Iterator[Connection]:
    """A transaction that excludes other ones of its kind; a crash of the server may lose the last ones."""
    with writer.connection() as connection, connection.transaction():
        connection.execute(_ALONE)
        yield connection


class Reservation(NamedTuple):
    """The outcome of an attempt: when it was counted, or the seconds to wait and the key that is over its limit."""

    at: int
    wait_s: int
    closed: str


def reserve(writer: Pool, keys: Sequence[str]) -> Reservation:
    """Counts an attempt under its keys, unless one is over its limit.

    The account's own key is only checked where the address has not signed in to it before.
    """
    parameters = {"keys": list(keys), "limits": list(LIMITS), "within_s": FAILURES_S, "known_s": KNOWN_S}
    with _exclusive_transaction(writer) as connection:
        (row,) = connection.execute(_RESERVE, parameters).fetchall()
    return Reservation(*row)


def withdraw(writer: Pool, keys: Sequence[str], at: int) -> None:
    """Removes the attempt counted at `at`."""
    with _exclusive_transaction(writer) as connection:
        connection.execute(_WITHDRAW, {"keys": list(keys), "at": at})


def release(writer: Pool, keys: Sequence[str], at: int) -> None:
    """Removes a successful attempt, and earlier failures of this account from this address."""
    with _exclusive_transaction(writer) as connection:
        connection.execute(_WITHDRAW, {"keys": list(keys[1:]), "at": at})
        connection.execute(_KNOW, (keys[0],))


def prune(writer: Pool) -> None:
    """Deletes expired attempts, and the oldest beyond what is kept."""
    parameters = {"within_s": FAILURES_S, "known_s": KNOWN_S, "most": ATTEMPTS_KEPT}
    with _exclusive_transaction(writer) as connection:
        connection.execute(_PRUNE, parameters)
