"""Keys in file and Postgres: what either knows the door knows, and it goes on when Postgres is away."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qoescope.catalog.doors import FORGOTTEN, PROPERTIES
from qoescope.connect import doors
from qoescope.ingest import jobs, keys
from qoescope.settings import Settings
from qoescope.stack import postgres, processes
from qoescope.stack.children import Children

pytestmark = pytest.mark.live
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Children]]:
    """A Postgres of this module's own."""
    settings = Settings(var=tmp_path_factory.mktemp("keys"), postgres_port=processes.free_port(0))
    children = Children(settings.var, [postgres.part(settings)])
    children.start()
    children.wait(["postgres"], 90)
    yield settings, children
    children.stop()


def elsewhere(settings: Settings, folder: Path) -> Settings:
    """Another machine's collector: its own file, the same Postgres."""
    return settings.model_copy(update={"door_keys": folder / "keys.json"})


def test_a_key_made_here_is_known_and_revoked_there(database: tuple[Settings, Children], tmp_path: Path) -> None:
    here, there = database[0], elsewhere(database[0], tmp_path)
    secret = jobs.new_key(here, "shop")
    jobs.synchronise(there)
    found = keys.Keyring(jobs.snapshot(there)).key(secret)
    assert found is not None
    assert (found.property, found.revoked_at) == ("shop", None)
    jobs.revoke(there, found.prefix)
    jobs.synchronise(here)
    again = keys.Keyring(jobs.snapshot(here)).key(secret)
    assert again is not None
    assert again.revoked_at is not None
    jobs.synchronise(there)
    assert jobs.snapshot(there).keys == jobs.snapshot(here).keys


def test_properties_and_tombstones_come_from_postgres(database: tuple[Settings, Children]) -> None:
    settings = database[0]
    jobs.new_key(settings, "news")
    row = {"property": "news", "enabled": False, "cmcd": True, "origins": "https://a", "honours_dnt": True}
    doors.put(settings, PROPERTIES, [{**row, "created_at": NOW}])
    doors.put(settings, FORGOTTEN, [{"property": "news", "viewer_id": "v1:00", "forgotten_at": NOW}])
    jobs.synchronise(settings)
    ring = keys.Keyring(jobs.snapshot(settings))
    assert (ring.property("news").enabled, ring.property("news").origins) == (False, "https://a")
    assert ("news", "v1:00") in ring.forgotten


def test_without_postgres_the_file_is_enough(database: tuple[Settings, Children]) -> None:
    settings, children = database
    secret = jobs.new_key(settings, "sport")
    children.stop()
    jobs.synchronise(settings)
    assert keys.Keyring(jobs.snapshot(settings)).key(secret) is not None
    second = jobs.new_key(settings, "sport")
    assert keys.Keyring(jobs.snapshot(settings)).key(second) is not None
