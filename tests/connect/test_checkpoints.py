import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.connect import checkpoints, locks
from qoescope.connect.causes import Explained
from qoescope.settings import Settings

COMMIT, COMMIT_CRC = b'v1\n{"nextBatchWatermarkMs":0}', bytes.fromhex("6372630000000200f32abfdd")
"""As Spark wrote them."""
OFFSETS = b'v1\n{"batchWatermarkMs":0,"batchTimestampMs":1795903366254,"conf":{}}\n{"beacons":{"0":17,"1":4}}'
METADATA = b'{"id":"5d504056-76bd-40ef-b65c-01011f2b1333"}'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A checkpoint of `events` after its third batch."""
    here = Settings(var=tmp_path)
    folder = Path(checkpoints.location(here, "events"))
    for kind, content in (("offsets", OFFSETS), ("commits", COMMIT)):
        (folder / kind).mkdir(parents=True)
        for number in range(3):
            (folder / kind / str(number)).write_bytes(content)
    (folder / "metadata").write_bytes(METADATA)
    (folder / "commits" / ".2.crc").write_bytes(COMMIT_CRC)
    return here


def found(settings: Settings) -> list[str]:
    """What is wrong with the checkpoint."""
    return list(map(str, checkpoints.find_damages(checkpoints.location(settings, "events"))))


def test_a_sound_checkpoint_and_one_that_is_not_there_have_no_damage(settings: Settings) -> None:
    assert found(settings) == []
    checkpoints.check(settings, "events")
    checkpoints.check(settings, "never_started")


@pytest.mark.parametrize("file", ["offsets/2", "offsets/1", "commits/2", "metadata"])
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: b"", "is empty"),
        (lambda content: b"\0" * len(content), "is empty"),
        (lambda content: content[: len(content) // 2], "is cut or unreadable"),
        (lambda content: content[: -len(content) // 8], "is cut or unreadable"),
    ],
)
def test_a_file_that_is_empty_or_cut_is_named(
    settings: Settings, file: str, damage: Callable[[bytes], bytes], why: str
) -> None:
    path = Path(checkpoints.location(settings, "events"), file)
    path.write_bytes(damage(path.read_bytes()))
    assert found(settings) == [f"{path.parent.name}/{path.name} {why}"]
    with pytest.raises(Explained, match=r"is damaged: .*; run `qoescope repair events`"):
        checkpoints.check(settings, "events")


@pytest.mark.parametrize("file", ["offsets/2", "commits/2"])
def test_a_file_without_its_last_line_is_named(settings: Settings, file: str) -> None:
    path = Path(checkpoints.location(settings, "events"), file)
    path.write_bytes(path.read_bytes().rpartition(b"\n")[0])
    assert found(settings) == [f"{file} lacks its last line"]


def test_a_file_that_is_readable_and_not_what_was_written_is_named(settings: Settings) -> None:
    path = Path(checkpoints.location(settings, "events"), "commits/2")
    path.write_bytes(COMMIT.replace(b"0", b"7"))
    assert found(settings) == ["commits/2 is not what was written: its checksum differs"]


@given(length=st.integers(0, len(OFFSETS) - 1))
def test_no_beginning_of_a_file_of_offsets_is_taken_for_the_whole(length: int, tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("cut")  # type: ignore[attr-defined]
    (folder / "offsets").mkdir()
    (folder / "offsets" / "7").write_bytes(OFFSETS[:length])
    assert len(list(checkpoints.find_damages(str(folder)))) == 1


def test_what_a_first_batch_left_on_a_full_disk_does_not_stop_the_next_one(settings: Settings) -> None:
    folder = Path(checkpoints.location(settings, "quality"), "offsets")
    folder.mkdir(parents=True)
    for leftover in (".0.6f9c.tmp", "..0.6f9c.tmp.crc"):
        (folder / leftover).touch()
        (Path(checkpoints.location(settings, "events")) / "offsets" / leftover).touch()
    for name in ("quality", "events"):
        checkpoints.check(settings, name)
    assert list(folder.iterdir()) == []
    assert Path(checkpoints.location(settings, "events"), "offsets", "2").exists()  # batches were planned there


def test_a_repair_sets_aside_books_and_allows_one_new_checkpoint(settings: Settings) -> None:
    folder = Path(checkpoints.location(settings, "events"))
    (folder / "offsets" / "2").write_bytes(b"")
    assert not checkpoints.may_begin_anew(settings, "events")
    done = checkpoints.set_aside(settings, "events")
    assert (Path(done.set_aside) / "metadata").read_bytes() == METADATA
    assert not folder.exists()
    (line,) = (folder.parent / "repairs.jsonl").read_text().splitlines()
    assert json.loads(line)["damages"] == ["offsets/2 is empty"]
    assert checkpoints.may_begin_anew(settings, "events")
    checkpoints.use_up_permit(settings, "events")  # it has none yet
    assert checkpoints.may_begin_anew(settings, "events")
    (folder / "offsets").mkdir(parents=True)
    (folder / "metadata").write_bytes(METADATA)
    checkpoints.use_up_permit(settings, "events")
    assert not checkpoints.may_begin_anew(settings, "events")
    assert checkpoints.list_names(settings) == ["events"]


def test_a_repair_waits_for_the_stream_to_let_go_and_then_keeps_it_out(settings: Settings) -> None:
    waiting, owned = threading.Event(), threading.Event()

    def repair() -> None:
        waiting.set()
        with checkpoints.own_soon(settings, "events", 30):
            owned.set()

    with checkpoints.own(settings, "events"):
        thread = threading.Thread(target=repair)
        thread.start()
        waiting.wait(30)
        with pytest.raises(locks.Owned), checkpoints.own_soon(settings, "events", 0.2):
            pass
        assert not owned.is_set()
    assert owned.wait(30)
    thread.join(30)
