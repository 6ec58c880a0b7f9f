"""The threat model: every promise names the tests that hold it, or says that none does."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_holds_a_promise_exists(file: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_promise_says_what_holds_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    held, header = [], ""
    for line in rows:
        if line.endswith("| held by |"):
            header = line
        elif header and line.count("|") == header.count("|"):
            held.append(line)
    assert len(held) > 30
    assert [line for line in held if "::" not in line and "no test" not in line] == []


def test_no_test_is_named_without_its_whole_name() -> None:
    assert len(re.findall(r"tests/", PAGE)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", PAGE))
