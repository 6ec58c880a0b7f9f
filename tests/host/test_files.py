"""Files: a reader sees the old or the new, whole; private ones are private at once, and refused when they are not."""

from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.host.files import create_private, make_private_folder, read_private, replacing, write_private


def test_a_file_takes_its_name_once_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"ne")
        assert path.read_text() == "old"
        file.write(b"w")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_for_this_user_only_and_made_once(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "secrets")
    path = tmp_path / "secrets" / "viewers.key"
    create_private(path, b"first")
    with pytest.raises(FileExistsError):
        create_private(path, b"second")
    assert read_private(path) == b"first"
    write_private(path, b"third")
    assert read_private(path) == b"third"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_private_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "viewers.key"
    create_private(path, b"first")
    path.chmod(0o640)
    with pytest.raises(Mistake, match=f"chmod 600 {path}"):
        read_private(path)
