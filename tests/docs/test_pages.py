"""The pages for people: headings as outlined, links that lead somewhere, commands that exist."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer.main

from qoescope.cli.app import app
from qoescope.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted({README, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "CHANGELOG", "SECURITY")),
                *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")})  # fmt: skip

OUTLINE = """\
# Streaming Service QoE Analytics
# Introduction & Goals
# Contents
# The Data Set
## The Streaming Service QoE Telemetry Generator
### What This Does
### Data Generation Steps
### What Gets Generated
### Output
#### Sample Output
# Used Tools
## Connect
## Buffer
## Processing
## Storage
## Visualization
# Pipelines
## Stream Processing
### Storing Data Stream
### Processing Data Stream
## Batch Processing
## Visualizations
# Demo
# Conclusion
# Follow Me On
# Appendix
""".splitlines()
CONTENTS = """\
- [The Data Set](#the-data-set)
- [Used Tools](#used-tools)
  - [Connect](#connect)
  - [Buffer](#buffer)
  - [Processing](#processing)
  - [Storage](#storage)
  - [Visualization](#visualization)
- [Pipelines](#pipelines)
  - [Stream Processing](#stream-processing)
    - [Storing Data Stream](#storing-data-stream)
    - [Processing Data Stream](#processing-data-stream)
  - [Batch Processing](#batch-processing)
  - [Visualizations](#visualizations)
- [Demo](#demo)
- [Conclusion](#conclusion)
- [Follow Me On](#follow-me-on)
- [Appendix](#appendix)
"""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"cd", "docker", "export", "git", "kubectl", "psql", "spark-class", "unzip"}
"""Programs of others, in the pages for operators."""


@cache
def prose(page: Path) -> str:
    """The page without its blocks."""
    return FENCE.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return [line for line in prose(page).splitlines() if re.match(r"#{1,6} ", line)]


def anchor(heading: str) -> str:
    """What a heading is linked by."""
    text = re.sub(r"[`*]", "", heading.lstrip("# ")).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def commands(page: Path) -> list[list[str]]:
    """What the page tells people to type."""
    blocks = [text for language, text in FENCE.findall(page.read_text()) if language == "bash"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines = [line for line in lines if not line.startswith((" ", "#", ")"))]
    plain = [re.sub(r"\s#.*$", "", line).strip() for line in lines]
    return [[word for word in line.split() if not re.match(r"[A-Z_]+=", word)] for line in plain if line]


def test_readme_has_the_outline_s_headings_in_its_order() -> None:
    found = [heading for heading in headings(README) if heading in OUTLINE]
    assert found == OUTLINE


def test_readme_adds_headings_below_the_outline_s_only() -> None:
    levels = {len(h.split()[0]) for h in headings(README) if h not in OUTLINE}
    assert levels <= {3, 4, 5}


def test_readme_s_table_of_contents_is_the_outline_s() -> None:
    assert CONTENTS in README.read_text()


def test_readme_s_two_commands_come_first() -> None:
    assert [line[:2] for line in commands(README)[:2]] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, fragment = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (fragment and fragment not in {anchor(h) for h in headings(place)}):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_the_pages_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = [line for line in commands(page) if not known(line, targets)]
    assert wrong == []


def known(line: list[str], targets: set[str]) -> bool:
    """Whether the program is there and knows the command and the options."""
    program = line[0].removeprefix(".venv/bin/")
    match program:
        case "make":
            return line[1] in targets
        case "qoescope":
            return spoken(line[1:])
        case "python":
            return (ROOT / line[1]).is_file()
        case _:
            return program in ELSEWHERE or (ROOT / program).is_file()


def spoken(words: list[str]) -> bool:
    """Whether the command line has this command with these options."""
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    if hasattr(command, "commands") and words[:1] != ["--help"]:
        return False
    return all(word in options for word in words if word.startswith("-"))


def test_the_data_set_s_script_says_its_options() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "generate_telemetry.py", "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "--sessions" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_is_one(page: Path) -> None:
    named = set(re.findall(r"QOESCOPE_([A-Z0-9_]+)\b(?!\*)", page.read_text()))
    fields = {name.upper() for name in Settings.model_fields} | {"SECRETS"}
    assert {name for name in named if name.rstrip("_") not in fields and not name.endswith("_")} == set()


def test_decisions_are_numbered_without_gaps_and_titled_by_their_number() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert all(headings(page)[0].startswith(f"# {page.name[:4]}: ") for page in pages)
