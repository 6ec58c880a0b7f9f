"""The browser's beacon: small, without dependencies, and with the catalog's words and transitions."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.events import EVENT_FIELDS, EVENT_TYPES, STATES, TRANSITIONS
from qoescope.ingest import app

STATIC = Path(app.__file__).parent / "static"
SOURCE = (STATIC / "qoescope.js").read_text()
LARGEST = 6 * 1024


def test_it_is_small_when_sent() -> None:
    assert len(gzip.compress(SOURCE.encode(), 9)) < LARGEST


def test_it_has_the_catalogs_transitions() -> None:
    found = re.search(r"var NEXT = (\{.*?\n  \});", SOURCE, re.DOTALL)
    assert found is not None
    table = json.loads(re.sub(r"(\w+):", r'"\1":', found[1]))
    assert {(state, event): after for state, nexts in table.items() for event, after in nexts.items()} == TRANSITIONS


def test_it_says_each_kind_of_event_and_no_other() -> None:
    words = set(re.findall(r'"([a-z]+(?:_[a-z]+)+|heartbeat|error)"', SOURCE))
    assert set(EVENT_TYPES) - words == set()
    assert words & {"playback_end", "seek", "buffering"} == set()
    assert set(STATES) <= set(re.findall(r"[a-z]+", SOURCE))


def test_fields_are_the_catalogs() -> None:
    known = {f.name for f in EVENT_FIELDS} | {f.name for f in CONTEXT_FIELDS}
    said = set(re.findall(r"\b([a-z]+(?:_[a-z]+)*): ", SOURCE[SOURCE.index("W.emit =") : SOURCE.index("W.close =")]))
    assert said - known == set()
    typed = (STATIC / "qoescope.d.ts").read_text()
    session = typed[typed.index("interface Session") : typed.index("interface Options")]
    assert set(re.findall(r"^  (\w+)\?", session, re.MULTILINE)) - {f.name for f in CONTEXT_FIELDS} == set()


@pytest.mark.parametrize("name", ["qoescope.js", "demo.js"])
def test_scripts_have_no_errors_of_syntax(name: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "--check", STATIC / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (STATIC / "demo.html").read_text()
    assert re.findall(r"https?://|\son\w+=|style=|<script>", page) == []
    assert re.findall(r"https?://", SOURCE + (STATIC / "demo.js").read_text()) == []
