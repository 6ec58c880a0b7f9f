"""Settings: none that does nothing."""

import re
from pathlib import Path

import pytest

from qoescope.settings import Settings

SOURCE = Path(__file__).parents[2] / "src" / "qoescope"
READ = {word for path in SOURCE.rglob("*.py") if path.name != "settings.py" for word in
        re.findall(r"\w+", path.read_text())}  # fmt: skip


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_read_by_something(name: str) -> None:
    assert name in READ, f"QOESCOPE_{name.upper()} changes nothing: read it, or take it out of settings.py"
