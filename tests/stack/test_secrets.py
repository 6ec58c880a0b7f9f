import stat
from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings
from qoescope.stack import secrets


def test_a_secret_is_made_once_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    first = secrets.secret(settings, "one.key")
    path = tmp_path / "secrets" / "one.key"
    assert secrets.secret(settings, "one.key") == first
    assert len(first) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_secret_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    secrets.secret(settings, "one.key")
    (tmp_path / "secrets" / "one.key").chmod(0o644)
    with pytest.raises(Mistake, match="chmod 600"):
        secrets.secret(settings, "one.key")


def test_a_secret_that_is_missing_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with pytest.raises(Mistake, match=r"airflow/one\.key is missing, and cannot be made here"):
        secrets.secret(settings, "airflow/one.key")
