"""Erases one viewer from the lake, the marts and the dead letters; the viewer's own id is stored nowhere."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

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
from qoescope.connect.lake.deletion import erase_viewer
from qoescope.connect.lake.reading import list_files, read_rows
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.postgres import Connection, Write
from qoescope.mart import ledger_result
from qoescope.mart.jobs import lake_days
from qoescope.settings import Settings

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


def without_forgotten(settings: Settings, connection: Connection, property_id: str, rows: pa.Table) -> pa.Table:
    """The rows, which name viewers by their own ids, without those of forgotten viewers."""
    forgotten_rows = connection.execute(
        "select viewer_id from forgotten where property = %s", (property_id,)
    ).fetchall()
    names = {name for (name,) in forgotten_rows}
    if not names:
        return rows
    keys = viewer_keys.read(settings)
    viewers = [viewer for viewer in pc.unique(rows["viewer_id"]).to_pylist() if viewer]
    named = [viewer for viewer in viewers if not names.isdisjoint(pseudonyms.all_pseudonyms(keys, property_id, viewer))]
    return rows.filter(pc.invert(pc.is_in(rows["viewer_id"], pa.array(named, rows["viewer_id"].type))))


def repeat_erasures(settings: Settings, today: date) -> int:
    """Erases the viewers of the last days' erasures again; returns the number of rows deleted."""
    with postgres.connect(settings, "writer") as connection:
        recent = connection.execute(
            "select property, array_agg(viewer_id order by viewer_id) from forgotten where forgotten_at >= %s "
            "group by property, forgotten_at",
            (today - timedelta(days=REPEAT_DAYS),),
        ).fetchall()
    receipts = [forget_viewer(settings, property_id, names) for property_id, names in recent]
    return sum(files.events + files.sessions + files.marts + files.letters for files in receipts)


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


def _erase_letters(connection: Connection, keys: pseudonyms.ViewerKeys, property_id: str, names: frozenset[str]) -> int:
    """Deletes dead letters and quarantined import rows that name the viewer; returns their number.

    Of letters that cannot be read the bytes are deleted, since they may name them.
    """

    def is_named(viewer: str) -> bool:
        return not names.isdisjoint(pseudonyms.all_pseudonyms(keys, property_id, viewer))

    forgotten = ForgottenViewers(keys, frozenset((property_id, name) for name in names))
    gone = letters.erase(connection, property_id, partial(forgotten.judge, property_id), datetime.now(UTC))
    rows = connection.execute(
        "select checksum, line, content from import_quarantine where property = %s", (property_id,)
    )
    named = [
        (property_id, checksum, line) for checksum, line, text in rows.fetchall() if any(map(is_named, _fields(text)))
    ]
    with connection.cursor() as cursor:
        cursor.executemany("delete from import_quarantine where (property, checksum, line) = (%s, %s, %s)", named)
    return gone + len(named)


def _fields(content: str | None) -> list[str]:
    return [field for row in csv.reader([content or ""]) for field in row]


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
    personal = (SESSION_ROWS, *(mart.table for mart in MARTS if mart.personal))
    with connection.transaction():
        days.lock(connection)
        gone = sum(days.erase(connection, table, property_id, each) for table in personal for each in names)
        letters_gone = _erase_letters(connection, keys, property_id, letters_of) if letters_of else 0
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
