"""Attempts: tries to sign in, counted in Postgres by keys that tell nobody who tried, for all consoles together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString, NamedTuple

from qoescope.catalog.people import ATTEMPTS_KEPT, FAILURES, FAILURES_ACCOUNT, FAILURES_ADDRESS, FAILURES_S, KNOWN_S
from qoescope.connect.people import Pool
from qoescope.connect.postgres import Connection

LIMITS = (FAILURES, FAILURES_ADDRESS, FAILURES_ACCOUNT)
"""Of the keys of a try: account and address together, address, account."""
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
def _alone(writer: Pool) -> Iterator[Connection]:
    """A transaction that no other one of these runs beside; the last ones may be lost with the server."""
    with writer.connection() as connection, connection.transaction():
        connection.execute(_ALONE)
        yield connection


class Reserved(NamedTuple):
    """What became of a try: when it was counted, or the seconds until one is allowed and the key that is closed."""

    at: int
    wait_s: int
    closed: str


def reserve(writer: Pool, keys: Sequence[str]) -> Reserved:
    """Counts a try under its keys, unless one of them has too many; the account's own is asked only of strangers."""
    given = {"keys": list(keys), "limits": list(LIMITS), "within_s": FAILURES_S, "known_s": KNOWN_S}
    with _alone(writer) as connection:
        (found,) = connection.execute(_RESERVE, given).fetchall()
    return Reserved(*found)


def withdraw(writer: Pool, keys: Sequence[str], at: int) -> None:
    """The try of then was not made after all."""
    with _alone(writer) as connection:
        connection.execute(_WITHDRAW, {"keys": list(keys), "at": at})


def release(writer: Pool, keys: Sequence[str], at: int) -> None:
    """The try of then succeeded: it does not count, nor do failures before it of this account from this address."""
    with _alone(writer) as connection:
        connection.execute(_WITHDRAW, {"keys": list(keys[1:]), "at": at})
        connection.execute(_KNOW, (keys[0],))


def prune(writer: Pool) -> None:
    """Forgets what counts no more, and the oldest beyond what is kept."""
    given = {"within_s": FAILURES_S, "known_s": KNOWN_S, "most": ATTEMPTS_KEPT}
    with _alone(writer) as connection:
        connection.execute(_PRUNE, given)
