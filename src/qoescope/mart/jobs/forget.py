"""Erases one viewer from the lake, the marts and the dead letters; the viewer's own id is stored nowhere."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.erasures import ERASURES
from qoescope.catalog.errors import Mistake
from qoescope.catalog.marts import MARTS
from qoescope.catalog.operations import (
    LATE,
    OUTCOMES,
    QUARANTINE,
    SESSION_ROWS,
    SESSION_VERSIONS,
)
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, pseudonyms, versions
from qoescope.compile.adding import negate
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.compile.live import LIVE_TABLES, live
from qoescope.connect import days, letters, postgres, viewer_keys, write_access
from qoescope.connect.causes import explain
from qoescope.connect.lake.deletion import erase_viewer
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.postgres import Connection, Write
from qoescope.mart import ledger_result
from qoescope.mart.imported import row_judge
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings

log = logging.getLogger("qoescope.forget")
TABLES_WITH_VIEWERS = (EVENTS, LATE, QUARANTINE, SESSION_VERSIONS)
"""Tables of the lake that name viewers."""
PURGE_DAYS = 38
"""Until the log has dropped its dead letters (30 days) and the lake its old files (7 days)."""
REPEAT_DAYS = 3
"""Events that collectors accepted before they knew of the erasure are erased in the following nights."""


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What an erasure deleted, and the day by which all data will be purged."""

    property: str
    viewers: tuple[str, ...]
    """The pseudonyms."""
    events: int
    sessions: int
    marts: int
    letters: int
    """Dead letters, or their bytes where nobody can read them, and rows of imported files that were quarantined."""
    gone_by: date

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.property}: {self.events} events, {self.sessions} sessions, {self.marts} rows of Postgres and "
            f"{self.letters} letters erased; all data will be purged by {self.gone_by}"
        )


@dataclass(frozen=True, slots=True)
class _KeptBytes:
    """What was kept as it came, and names or may name a viewer."""

    naming: letters.NamingLetters
    rows: list[tuple[str, str, int]]
    """(property, checksum, line) of quarantined rows of imports."""


def find_pseudonyms(settings: Settings, property_id: str, viewer: str) -> tuple[str, ...]:
    """The viewer's pseudonyms under each version of the key, by which an erasure is requested.

    Raises `Mistake` for an id that the collector takes for an unknown viewer.
    """
    if pseudonyms.is_unknown(viewer):
        raise Mistake("no viewer's id: give it on a line of standard input, as the players send it")
    return pseudonyms.all_pseudonyms(viewer_keys.read(settings), property_id, viewer)


def forget_viewer(settings: Settings, property_id: str, names: Sequence[str]) -> ErasureReceipt:
    """Erases the viewer of these pseudonyms from lake and Postgres, and returns the receipt.

    Tombstones make the collector filter later events. Deleted files are purged after a week, the log after its
    retention. Idempotent. Raises `Mistake` for names that are not pseudonyms.
    """
    if not names or not all(map(pseudonyms.is_pseudonym, names)):
        raise Mistake("an erasure is asked for by pseudonyms, never by the id: `qoescope batch pseudonyms` gives them")
    ensure_tables(settings)
    keys, asked_at = viewer_keys.read(settings), datetime.now(UTC)
    write_access.digest_forgotten(settings, keys)
    gone_by, total = asked_at.date() + timedelta(days=PURGE_DAYS), Counter[str]()
    with postgres.connect(settings, "writer") as connection:
        for name in names:
            connection.execute(
                "insert into forgotten (property, viewer_id, forgotten_at) values (%s, %s, %s) on conflict do nothing",
                (property_id, name, asked_at),
            )
        for name, as_sent in _ids_as_sent(settings, keys, connection, property_id, names).items():
            letters_of = frozenset(names) if name == names[-1] else frozenset()
            receipt = {"property": property_id, "viewer_id": name, "asked_at": asked_at, "gone_by": gone_by}
            total.update(_erase(settings, connection, receipt, (name, *as_sent), keys, letters_of))
    return ErasureReceipt(property_id, tuple(names), gone_by=gone_by, **total)


def repeat_erasures(settings: Settings, today: date) -> int:
    """Erases the viewers of the last days' erasures again; returns the number of rows deleted.

    Raises `Mistake` where some failed, once the others are done.
    """
    with postgres.connect(settings, "writer") as connection:
        recent = connection.execute(
            "select property, array_agg(viewer_id order by viewer_id) from forgotten where forgotten_at >= %s "
            "group by property, forgotten_at",
            (today - timedelta(days=REPEAT_DAYS),),
        ).fetchall()
    return erase_each(recent, lambda property_id, names: forget_viewer(settings, property_id, names))


def erase_each(
    viewers: Sequence[tuple[str, Sequence[str]]], erase: Callable[[str, Sequence[str]], ErasureReceipt]
) -> int:
    """Erases each viewer, by (property, pseudonyms); returns the number of rows deleted.

    Goes on where one fails, and raises `Mistake` with the causes at the end.
    """
    deleted, failed = 0, dict[str, str]()
    for property_id, names in viewers:
        try:
            receipt = erase(property_id, names)
        except Exception as error:  # noqa: BLE001 - one property's failure must not keep the viewers of others
            failed[property_id] = str(explain(error))
            log.warning("the erasure of a viewer of %s failed: %s", property_id, failed[property_id])
        else:
            deleted += receipt.events + receipt.sessions + receipt.marts + receipt.letters
    if failed:
        causes = "; ".join(f"{property_id}: {cause}" for property_id, cause in failed.items())
        raise Mistake(f"the erasures of {len(failed)} properties failed, repeat them by hand: {causes}")
    return deleted


def _ids_as_sent(
    settings: Settings, keys: pseudonyms.ViewerKeys, connection: Connection, property_id: str, names: Sequence[str]
) -> dict[str, list[str]]:
    """By pseudonym, the viewer's own ids in the lake, which imports have brought; all under the last pseudonym."""
    rows = connection.execute("select distinct viewer_id from sessions where property = %s", (property_id,)).fetchall()
    sent = {viewer for (viewer,) in rows if viewer and not pseudonyms.is_pseudonym(viewer)}
    of_property = pc.field("property") == property_id
    for table in TABLES_WITH_VIEWERS:
        files = list_files(open_table(settings, table))
        viewers = pc.unique(read_rows(settings, table, files, ["viewer_id"], of_property)["viewer_id"]).to_pylist()
        sent |= {viewer for viewer in viewers if viewer and not pseudonyms.is_pseudonym(viewer)}
    wanted = frozenset(names)
    named = sorted(
        viewer for viewer in sent if not wanted.isdisjoint(pseudonyms.all_pseudonyms(keys, property_id, viewer))
    )
    return {name: named if name == names[-1] else [] for name in names}


def _find_kept(
    connection: Connection, keys: pseudonyms.ViewerKeys, property_id: str, names: frozenset[str]
) -> _KeptBytes:
    """The dead letters and quarantined import rows that name the viewer, or that nobody can read to their end."""
    forgotten = ForgottenViewers(keys, frozenset((property_id, name) for name in names))
    naming = letters.find_naming(connection, property_id, forgotten)
    rows = connection.execute(
        "select checksum, line, content from import_quarantine where property = %s", (property_id,)
    ).fetchall()
    may_name = row_judge(keys, property_id, names)
    return _KeptBytes(naming, [(property_id, checksum, line) for checksum, line, text in rows if may_name(text or "")])


def _erase_kept(connection: Connection, kept: _KeptBytes) -> int:
    """Deletes what was found; returns the number of letters and rows. Call it in a transaction."""
    with connection.cursor() as cursor:
        cursor.executemany("delete from import_quarantine where (property, checksum, line) = (%s, %s, %s)", kept.rows)
    return letters.erase(connection, kept.naming, datetime.now(UTC)) + len(kept.rows)


def _erase(
    settings: Settings,
    connection: Connection,
    receipt: dict[str, object],
    names: Sequence[str],
    keys: pseudonyms.ViewerKeys,
    letters_of: frozenset[str],
) -> dict[str, int]:
    """Erases one viewer, under all of these names, from lake and Postgres; returns the numbers of rows deleted.

    In Postgres everything is deleted together with writing the receipt, by which a writer that has read the lake before
    notices the erasure.
    """
    property_id = str(receipt["property"])
    erased = {
        t.name: pa.concat_tables([erase_viewer(settings, t, property_id, each) for each in names])
        for t in TABLES_WITH_VIEWERS
    }
    events, sessions = erased[EVENTS.name], versions.latest(erased[SESSION_VERSIONS.name])
    taken = [Write(LIVE_TABLES[n], negate(t, LIVE_TABLES[n])) for n, t in live(events).items() if len(events)]
    kept = _find_kept(connection, keys, property_id, letters_of) if letters_of else None
    personal = (SESSION_ROWS, *(mart.table for mart in MARTS if mart.personal))
    with connection.transaction():
        days.lock(connection)
        gone = sum(days.erase(connection, table, property_id, each) for table in personal for each in names)
        letters_gone = _erase_kept(connection, kept) if kept else 0
        counts = {"events": len(events), "sessions": len(sessions), "marts": gone, "letters": letters_gone}
        for write in (Write(OUTCOMES, ledger_result.erasure_outcomes(erased)), *taken):
            postgres.upsert(connection, write)
        postgres.upsert(connection, Write(ERASURES, pa.Table.from_pylist([receipt | counts])))
    if started := pc.unique(sessions["day"]).to_pylist():
        days.replace(
            connection,
            started,
            lambda: arrow.conform(lake_days.read_sessions_of(settings, started), SESSION_ROWS),
            lake_days.mart_writes,
        )
    return counts
