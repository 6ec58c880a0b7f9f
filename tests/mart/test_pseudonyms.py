"""The door and the erasure must call a viewer by one name, or an erasure would find nothing."""

from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.compile import pseudonyms
from qoescope.connect import viewer_keys
from qoescope.ingest.jobs import manage_keys
from qoescope.mart.jobs.forget import find_pseudonyms, forget_viewer
from qoescope.settings import Settings


def test_an_erasure_looks_for_the_name_that_the_door_gave(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    version, key = manage_keys.viewer_secret(settings)
    assert find_pseudonyms(settings, "shop", "bob") == (pseudonyms.pseudonym(key, version, "shop", "bob"),)


def test_every_kept_key_version_is_looked_for(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    (tmp_path / "secrets").mkdir()
    for version in (10, 1, 2):
        path = tmp_path / "secrets" / f"viewers.v{version}.key"
        path.touch(0o600)
        path.write_bytes(bytes([version]) * 32)
    names = pseudonyms.all_pseudonyms(viewer_keys.read(settings), "shop", "bob")
    assert [name.split(":")[0] for name in names] == ["v1", "v2", "v10"]
    assert all(map(pseudonyms.is_pseudonym, names))


def test_without_the_door_s_key_an_erasure_makes_up_no_name(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"no viewers.v1.key in .*: the collector makes it"):
        find_pseudonyms(Settings(var=tmp_path), "shop", "bob")
    assert list(tmp_path.rglob("*.key")) == []


def test_an_erasure_takes_no_id_as_people_send_it(tmp_path: Path) -> None:
    for names in ([], ["bob"], [f"v1:{'0' * 32}", "v1:bob"]):
        with pytest.raises(Mistake, match="by pseudonyms, never by the id"):
            forget_viewer(Settings(var=tmp_path), "shop", names)
