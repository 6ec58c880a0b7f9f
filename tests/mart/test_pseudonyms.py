"""The door and the erasure must call a viewer by one name, or an erasure would find nothing."""

from pathlib import Path

from qoescope.compile import pseudonyms


def test_an_erasure_looks_for_the_name_that_the_door_gave(tmp_path: Path) -> None:
    key = b"k" * 32
    (tmp_path / "viewers.v1.key").write_bytes(key)
    assert pseudonyms.pseudonym(key, 1, "shop", "bob") in pseudonyms.of(tmp_path, "shop", "bob")


def test_every_kept_key_version_is_looked_for(tmp_path: Path) -> None:
    for version in (1, 2):
        (tmp_path / f"viewers.v{version}.key").write_bytes(bytes([version]) * 32)
    names = list(pseudonyms.of(tmp_path, "shop", "bob"))
    assert [name.split(":")[0] for name in names] == ["v1", "v2", "bob"]
