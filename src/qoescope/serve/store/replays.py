"""Replays: dead letters are judged again in the background, one replay of a property at a time, with its progress."""

import logging
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.connect import replays
from qoescope.serve.store.connections import AWAY
from qoescope.serve.store.outside import Progress
from qoescope.serve.store.property_store import PropertyStore
from qoescope.serve.store.queries import dead_letters

LOG = logging.getLogger(__name__)
Row = dict[str, Any]


def start(store: PropertyStore, reason: str, who: str) -> Row | None:
    """Begins to replay the property's letters of this reason, or all; None where a replay runs already."""
    identity = secrets.token_hex(8)
    total = dead_letters.count_waiting(store, reason)
    if not replays.begin(
        store.connections.writer, store.property_id, identity, {"reason": reason, "total": total, "made_by": who}
    ):
        return None
    threading.Thread(target=_run, args=(store, reason, identity), name="replay", daemon=True).start()
    return state(store)


def state(store: PropertyStore) -> Row | None:
    """The property's replay that runs, or the last one; None where there never was one."""
    return replays.last(store.connections.reader, store.property_id)


def progress_text(row: Mapping[str, Any]) -> str:
    """Where it stands, in words."""
    if row["state"] == "running":
        return f"replaying: {row['letters']:,} of {row['total']:,} letters so far"
    if row["state"] == "died":
        return f"the last replay ended after {row['letters']:,} of {row['total']:,} letters: start it again"
    return str(row["detail"])


def _run(store: PropertyStore, reason: str, identity: str) -> None:
    done: Row = {"letters": 0, "replayed": 0, "events": 0, "detail": None}

    def tell(progress: Progress) -> None:
        done.update(letters=progress.letters, replayed=progress.replayed, events=progress.events)
        replays.note(store.connections.writer, store.property_id, identity, "running", done)

    try:
        found = store.connections.outside.replay(store.connections.settings, store.property_id, reason, tell)
        ended, detail = "done", f"{found}."
    except Mistake as mistake:
        ended, detail = "failed", str(mistake)
    except AWAY as error:
        LOG.warning("a replay of %s stopped: %s", store.property_id, type(error).__name__)
        ended, detail = "failed", "Postgres went away: replay again when it is back"
    except Exception:
        LOG.exception("a replay of %s failed", store.property_id)
        ended, detail = "failed", "internal error; the details are in the log"
    try:
        replays.note(store.connections.writer, store.property_id, identity, ended, done | {"detail": detail})
    except AWAY as error:
        LOG.warning("the end of a replay of %s is not noted: %s", store.property_id, type(error).__name__)
