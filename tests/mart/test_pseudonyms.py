"""The door and the erasure must call a viewer by one name, or an erasure would find nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.catalog.errors import Mistake
from qoescope.compile import pseudonyms
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.connect import viewer_keys
from qoescope.ingest.context import Arrival
from qoescope.ingest.jobs import manage_keys
from qoescope.ingest.judge import judge_beacon
from qoescope.ingest.limits import Limits
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


KEY, NOW = b"k" * 32, 1_762_000_000_000
CHANGED = ("L" + 700 * "x", "TAB\tY1", "LINE\u2028Y2", "NEXT\x85Y3", "NUL\0Y4", "\ud800Y5", 511 * "z" + "\0\r\nY6")
"""Ids that the door changes before it makes a pseudonym of them."""


def name_at_the_door(viewer: str) -> str | None:
    """The name under which the collector stores the sender of a beacon with this id."""
    event = {"seq": 1, "at": NOW, "type": "playback_request", "state": "idle", "state_ms": 0}
    beacon = {"session": {"session_id": "s", "viewer_id": viewer}, "events": [event]}
    session = judge_beacon(json.dumps(beacon).encode(), Arrival("shop", NOW, KEY, {}), Limits()).session
    assert session is not None
    return session.viewer_id


@given(
    viewer=st.text(st.characters(exclude_categories=()))
    | st.text(st.sampled_from("aé\0\t\r\n\x7f\x85\u2028\ud800\udfff\ufeff"), max_size=520)
)
def test_an_id_has_one_name_whatever_the_door_mends_of_it(viewer: str) -> None:
    name = name_at_the_door(viewer)
    if pseudonyms.is_unknown(viewer):
        assert name is None
    else:
        assert pseudonyms.all_pseudonyms({1: KEY}, "shop", viewer) == (name,)


@pytest.mark.parametrize(("viewer", "encoding"), [("zoë", "latin-1"), ("zoé", "latin-1"), ("žofie€", "cp1252")])
def test_an_id_in_latin_1_is_the_one_that_an_erasure_asks_for(viewer: str, encoding: str) -> None:
    event = {"seq": 1, "at": NOW, "type": "playback_request", "state": "idle", "state_ms": 0}
    beacon = {"session": {"session_id": "s", "viewer_id": viewer, "content_title": "ß 日"}, "events": [event]}
    body = json.dumps(beacon, ensure_ascii=False).encode().replace(viewer.encode(), viewer.encode(encoding))
    session = judge_beacon(body, Arrival("shop", NOW, KEY, {}), Limits()).session
    assert session is not None
    names = pseudonyms.all_pseudonyms({1: KEY}, "shop", viewer)
    assert (session.viewer_id,) == names
    assert ForgottenViewers({1: KEY}, {("shop", names[0])}).judge("shop", body[:-9]) == "drop"


@pytest.mark.parametrize("viewer", CHANGED, ids=range(len(CHANGED)))
def test_an_erasure_finds_who_was_mended_at_the_door(tmp_path: Path, viewer: str) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "viewers.v1.key").touch(0o600)
    (folder / "viewers.v1.key").write_bytes(KEY)
    assert find_pseudonyms(Settings(var=tmp_path), "shop", viewer) == (name_at_the_door(viewer),)


@pytest.mark.parametrize("viewer", ["", "\0\0", "unknown"])
def test_nobody_is_not_erased(tmp_path: Path, viewer: str) -> None:
    with pytest.raises(Mistake, match="no viewer's id"):
        find_pseudonyms(Settings(var=tmp_path), "shop", viewer)
