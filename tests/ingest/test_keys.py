"""Keys are shown once, stored as digests, two at a time, and revoked for good."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.ingest import keys
from qoescope.ingest.jobs import collect, manage_keys
from qoescope.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path)


def test_a_key_has_256_bits_and_only_its_digest_is_kept() -> None:
    secret, row = keys.generate("shop", NOW)
    assert secret.startswith("qw_")
    assert len(secret) == 3 + 43
    assert row == keys.WriteKey("shop", secret[:11], hashlib.sha256(secret.encode()).hexdigest(), NOW)
    assert keys.generate("shop", NOW)[0] != secret


def test_a_key_is_found_by_its_secret_alone() -> None:
    secret, row = keys.generate("shop", NOW)
    ring = keys.Keyring(keys.Snapshot((row,)))
    assert ring.key(secret) == row
    for wrong in (None, "", secret[:-1], secret[:11] + "x" * 35, row.prefix, row.digest, secret + "x" * 999):
        assert ring.key(wrong) is None


def test_two_keys_of_one_prefix_are_told_apart() -> None:
    rows = tuple(keys.WriteKey(name, "qw_same0000", keys.digest(f"qw_same0000{name}"), NOW) for name in ("a", "b"))
    found = keys.Keyring(keys.Snapshot(rows)).key("qw_same0000b")
    assert found == rows[1]


@pytest.mark.parametrize(
    ("authorization", "query", "secret"),
    [
        ("Bearer qw_a", "", "qw_a"),
        ("bearer  qw_a ", "", "qw_a"),
        ("Basic qw_a", "key=qw_b", None),
        (None, "key=qw_b", "qw_b"),
        (None, "a=1&key=qw_b&key=qw_c", "qw_b"),
        (None, "monkey=qw_b", None),
        (None, "", None),
        (None, "&" * 50 + "key=qw_b", None),
    ],
)
def test_the_secret_is_in_the_header_or_else_in_the_query(
    authorization: str | None, query: str, secret: str | None
) -> None:
    assert keys.token(authorization, query) == secret


def test_a_property_has_at_most_two_live_keys(settings: Settings) -> None:
    first = manage_keys.create_key(settings, "shop")
    manage_keys.create_key(settings, "shop")
    manage_keys.create_key(settings, "news")
    with pytest.raises(Mistake, match=r"shop has 2 live keys.*revoke one"):
        manage_keys.create_key(settings, "shop")
    manage_keys.revoke_key(settings, first[:11])
    manage_keys.create_key(settings, "shop")
    assert [key.property for key in manage_keys.list_keys(settings)] == ["shop", "shop", "news", "shop"]


def test_a_revoked_key_stays_revoked(settings: Settings) -> None:
    secret = manage_keys.create_key(settings, "shop")
    manage_keys.revoke_key(settings, secret[:11])
    (once,) = manage_keys.list_keys(settings)
    manage_keys.revoke_key(settings, secret[:11])
    assert manage_keys.list_keys(settings) == [once]
    assert once.revoked_at is not None


def test_a_key_that_does_not_exist_cannot_be_revoked(settings: Settings) -> None:
    secret = manage_keys.create_key(settings, "shop")
    with pytest.raises(UnknownName, match="did you mean"):
        manage_keys.revoke_key(settings, secret[:10])


def test_neither_the_file_nor_its_folder_tells_the_secret(settings: Settings) -> None:
    secret = manage_keys.create_key(settings, "shop")
    path = manage_keys.keys_path(settings)
    assert secret not in path.read_text()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_snapshot_reads_back_and_a_broken_one_is_a_mistake() -> None:
    _, row = keys.generate("shop", NOW)
    whole = keys.Snapshot((row,), (keys.Property("shop", NOW, origins="https://a https://b"),), (("shop", "v1:0"),))
    assert keys.decode(keys.encode(whole)) == whole
    with pytest.raises(Mistake, match="cannot be read"):
        keys.decode(b"{")


def test_an_origin_list_lets_in_only_its_own() -> None:
    listed = keys.Property("shop", NOW, origins="https://a https://b")
    assert [listed.allows(origin) for origin in (None, "https://a", "https://c")] == [True, True, False]
    assert keys.Property("shop", NOW).allows("https://c")


def test_the_viewers_secret_is_made_once_and_refused_when_others_may_read_it(settings: Settings) -> None:
    version, secret = manage_keys.viewer_secret(settings)
    assert (version, len(secret)) == (1, 32)
    assert manage_keys.viewer_secret(settings) == (1, secret)
    (settings.var / "secrets" / "viewers.v1.key").chmod(0o640)
    with pytest.raises(Mistake, match="chmod 600"):
        manage_keys.viewer_secret(settings)


def test_a_newer_version_of_the_viewers_secret_takes_over(settings: Settings) -> None:
    manage_keys.viewer_secret(settings)
    newer = settings.var / "secrets" / "viewers.v10.key"
    newer.touch(0o600)
    newer.write_bytes(b"n" * 32)
    assert manage_keys.viewer_secret(settings) == (10, b"n" * 32)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "door.example"])  # noqa: S104
def test_any_other_address_needs_tls_or_a_named_proxy(address: str, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="QOESCOPE_DOOR_TLS_CERTIFICATE"):
        collect.serve(Settings(door_address=address, var=tmp_path))
    assert not list(tmp_path.iterdir())  # refused before it made a key
