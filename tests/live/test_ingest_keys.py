"""Keys in file and Postgres: what either knows the door knows, and it goes on when Postgres is away."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import errors, sql

from qoescope.catalog.doors import FORGOTTEN, PROPERTIES
from qoescope.connect import write_access
from qoescope.connect.postgres import connect as connected
from qoescope.ingest import keys
from qoescope.ingest.jobs import manage_keys
from qoescope.settings import Settings
from qoescope.stack import postgres, processes
from qoescope.stack.children import Children

pytestmark = pytest.mark.live
NOW = datetime(2026, 3, 1, tzinfo=UTC)
UP_S = 300
GONE = f"v1:{'0' * 32}"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Children]]:
    """A Postgres of this module's own."""
    with processes.reserve_ports(0) as (port,):
        settings = Settings(var=tmp_path_factory.mktemp("keys"), postgres_port=port)
        children = Children(settings.var, [postgres.part(settings)])
        children.start()
        try:
            children.wait(["postgres"], UP_S)
            yield settings, children
        finally:
            children.stop()


def elsewhere(settings: Settings, folder: Path) -> Settings:
    """Another machine's collector: its own file, the same Postgres."""
    return settings.model_copy(update={"door_keys": folder / "keys.json"})


def test_a_key_made_here_is_known_and_revoked_there(database: tuple[Settings, Children], tmp_path: Path) -> None:
    here, there = database[0], elsewhere(database[0], tmp_path)
    secret = manage_keys.create_key(here, "shop")
    manage_keys.synchronise_keys(there)
    found = keys.Keyring(manage_keys.read_snapshot(there)).key(secret)
    assert found is not None
    assert (found.property, found.revoked_at) == ("shop", None)
    manage_keys.revoke_key(there, found.prefix)
    manage_keys.synchronise_keys(here)
    again = keys.Keyring(manage_keys.read_snapshot(here)).key(secret)
    assert again is not None
    assert again.revoked_at is not None
    manage_keys.synchronise_keys(there)
    assert manage_keys.read_snapshot(there).keys == manage_keys.read_snapshot(here).keys


def test_properties_and_tombstones_come_from_postgres(database: tuple[Settings, Children]) -> None:
    settings = database[0]
    manage_keys.create_key(settings, "news")
    row = {"property": "news", "enabled": False, "cmcd": True, "origins": "https://a", "honours_dnt": True}
    write_access.put(settings, PROPERTIES, [{**row, "created_at": NOW}])
    write_access.put(settings, FORGOTTEN, [{"property": "news", "viewer_id": GONE, "forgotten_at": NOW}])
    manage_keys.synchronise_keys(settings)
    ring = keys.Keyring(manage_keys.read_snapshot(settings))
    assert (ring.property("news").enabled, ring.property("news").origins) == (False, "https://a")
    assert ("news", GONE) in ring.forgotten


SAMPLES = {"text": "x", "bigint": 1, "integer": 1, "numeric": 1, "double precision": 1.0, "boolean": True, "ARRAY": [],
           "timestamp with time zone": NOW, "date": NOW.date(), "bytea": b"x", "jsonb": "{}", "json": "{}"}  # fmt: skip
COLUMNS = """
select column_name, data_type from information_schema.columns where table_schema = 'qoescope' and table_name = %s"""
OF_A_PROPERTY = """
select c.relname, c.relkind, c.relispartition from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'qoescope' and c.relkind in ('r', 'p', 'v', 'm')
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'property') order by 1"""


def test_no_table_view_or_partition_tells_a_reader_of_another_property(database: tuple[Settings, Children]) -> None:
    settings = database[0]
    with connected(settings, "writer") as connection:
        found = connection.execute(OF_A_PROPERTY).fetchall()
        for name, kind in [(name, kind) for name, kind, part in found if kind in ("r", "p") and not part]:
            given = dict(connection.execute(COLUMNS, (name,)).fetchall())
            row = {column: "other" if column == "property" else SAMPLES[form] for column, form in given.items()}
            if kind == "p":
                connection.execute("select make_partition(%s, %s)", (name, NOW.date()))
            insert = sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            )  # fmt: skip
            connection.execute(insert, list(row.values()))
        found = connection.execute(OF_A_PROPERTY).fetchall()
    seen = {}
    with connected(settings, "reader") as connection:
        for property_id in ("", "nobody"):
            connection.execute("select set_config('qoescope.property', %s, false)", (property_id,))
            for name, _, part in found:
                try:
                    counted = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(name)))
                    seen[property_id, name] = "readable" if part else counted.fetchall()[0][0]
                except errors.InsufficientPrivilege:
                    seen[property_id, name] = 0
    assert {where: rows for where, rows in seen.items() if rows} == {}
    assert len(found) > 15


def test_without_postgres_the_file_is_enough(database: tuple[Settings, Children]) -> None:
    settings, children = database
    secret = manage_keys.create_key(settings, "sport")
    children.stop()
    manage_keys.synchronise_keys(settings)
    assert keys.Keyring(manage_keys.read_snapshot(settings)).key(secret) is not None
    second = manage_keys.create_key(settings, "sport")
    assert keys.Keyring(manage_keys.read_snapshot(settings)).key(second) is not None
