"""Creates, revokes and lists write keys, and keeps the collector's file of keys and Postgres the same."""

import contextlib
import fcntl
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from qoescope.catalog.doors import KEYS, PROPERTIES
from qoescope.connect import viewer_keys, write_access
from qoescope.host.files import make_private_folder, write_private
from qoescope.ingest import keys
from qoescope.settings import Settings

log = logging.getLogger(__name__)


def keys_path(settings: Settings) -> Path:
    """The file of keys that the collector reads."""
    return settings.door_keys or settings.var / "door" / "keys.json"


def create_key(settings: Settings, property_id: str) -> str:
    """Creates a write key for the property and returns its secret, which is stored nowhere.

    Raises `Mistake` when the name is invalid, or the property has two keys already.
    """
    now = datetime.now(UTC)
    secret, row = keys.generate(property_id, now)
    with _locked_snapshot(settings) as known:
        _write_snapshot(settings, keys.with_key(known, row))
    synchronise_keys(settings)
    return secret


def revoke_key(settings: Settings, prefix: str) -> None:
    """Revokes the key of this prefix: the collector refuses it within a few seconds."""
    with _locked_snapshot(settings) as known:
        _write_snapshot(settings, keys.without_key(known, prefix, datetime.now(UTC)))
    synchronise_keys(settings)


def list_keys(settings: Settings) -> list[keys.WriteKey]:
    """All keys, oldest first; secrets are not part of them."""
    return sorted(read_snapshot(settings).keys, key=lambda key: key.created_at)


def read_snapshot(settings: Settings) -> keys.Snapshot:
    """The keys, properties and tombstones in the file; empty before the first key."""
    path = keys_path(settings)
    return keys.decode(path.read_bytes()) if path.exists() else keys.Snapshot()


def synchronise_keys(settings: Settings) -> None:
    """Merges the file of keys and the tables in Postgres into both; while Postgres is away the file stays as it is."""
    try:
        theirs = keys.from_rows(*write_access.read_rows(settings))
        with _locked_snapshot(settings) as ours:
            both = keys.merge(ours, theirs)
            if not keys.is_digested(both):
                both = keys.digest_forgotten(both, viewer_keys.read(settings))
            if both != ours:
                _write_snapshot(settings, both)
        if not keys.is_digested(theirs):
            write_access.digest_forgotten(settings, viewer_keys.read(settings))
        write_access.put(settings, KEYS, [msgspec.structs.asdict(key) for key in both.keys if key not in theirs.keys])
        new = [row for row in both.properties if row not in theirs.properties]
        write_access.put(settings, PROPERTIES, [msgspec.structs.asdict(row) for row in new])
    except write_access.AWAY as error:
        log.info("keys come from the file alone: %s", error)


def merged_snapshot(settings: Settings) -> keys.Snapshot:
    """What the file and Postgres know together: a console has no file, and must not let in who is forgotten.

    Raises what `write_access.AWAY` names.
    """
    return keys.merge(read_snapshot(settings), keys.from_rows(*write_access.read_rows(settings)))


def viewer_secret(settings: Settings) -> tuple[int, bytes]:
    """(version, key) of the viewers' pseudonyms, the newest one; the first is made on first use.

    Raises `Mistake` when others may read one.
    """
    viewer_keys.ensure(settings)
    secrets = viewer_keys.read(settings)
    return max(secrets), secrets[max(secrets)]


@contextlib.contextmanager
def _locked_snapshot(settings: Settings) -> Iterator[keys.Snapshot]:
    """What the file holds, while no other process changes it."""
    path = keys_path(settings)
    make_private_folder(path.parent)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield read_snapshot(settings)


def _write_snapshot(settings: Settings, known: keys.Snapshot) -> None:
    write_private(keys_path(settings), keys.encode(known))
