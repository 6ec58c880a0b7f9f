"""Names of properties: one rule at every entrance."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from qoescope.catalog.errors import Mistake
from qoescope.catalog.property_names import LONGEST_PROPERTY, check_property
from qoescope.cli import app as commands

LETTERS = "abcxyzABCXYZ0189"
BAD = ("", "*", "beta x", "Al/../pha", "a\nb", "a\n", "..", "-x", "é", "a,b", "a" * (LONGEST_PROPERTY + 1))


@given(st.text(LETTERS, min_size=1, max_size=1), st.text(LETTERS + "_-.", max_size=LONGEST_PROPERTY - 1))
def test_letters_digits_and_few_signs_make_a_name(first: str, rest: str) -> None:
    assert check_property(first + rest) == first + rest


@given(st.text(max_size=5), st.characters().filter(lambda c: c not in "_-." and not (c.isascii() and c.isalnum())))
def test_any_other_sign_makes_none(around: str, sign: str) -> None:
    for name in (around + sign, sign + around, f"{around}{sign}{around}"):
        with pytest.raises(Mistake, match="invalid property"):
            check_property(name)


@pytest.mark.parametrize("name", ["unknown", "Unknown", "UNKNOWN"])
def test_no_property_is_called_as_letters_of_none_are(name: str) -> None:
    with pytest.raises(Mistake, match="reserved"):
        check_property(name)
    assert check_property(f"{name}-2") == f"{name}-2"


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "new"),
        ("people", "new", "x9", "--property"),
        ("people", "token", "label"),
        ("fold", "-", "--property"),
        ("import", "csv", "FILE", "--property"),
        ("import", "cdn", "FILE", "--property"),
    ],
)
@pytest.mark.parametrize("name", [name for name in BAD if not name.startswith("-")])
def test_every_entrance_of_the_command_line_refuses_a_bad_name(
    command: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command[:2] == ("people", "new") and name in ("*", "a,b"):
        return  # all properties, or two of them
    monkeypatch.setenv("QOESCOPE_VAR", str(tmp_path / "var"))
    file = tmp_path / "file"
    file.write_text("x\n")
    done = CliRunner().invoke(commands.app, [str(file) if part == "FILE" else part for part in (*command, name)])
    assert done.exit_code != 0
    assert isinstance(done.exception, Mistake) or "invalid property" in done.output
    assert not (tmp_path / "var" / "door" / "keys.json").exists()
    if isinstance(done.exception, Mistake):
        assert "invalid property" in str(done.exception)
