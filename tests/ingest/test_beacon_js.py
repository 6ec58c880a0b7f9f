"""The web client: small, without dependencies, and with the catalog's words and transitions."""

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
WRITTEN = Path(__file__).parents[2] / "sdk/web/src/states.ts"
SERVED = STATIC / "qoescope.js"
LARGEST = 9 * 1000


def interface(name: str) -> set[str]:
    """The members of an interface of the client's types."""
    found = re.search(rf"interface {name}\b[^{{]*\{{(.*?)\n\}}", WRITTEN.read_text(), re.DOTALL)
    assert found is not None
    return set(re.findall(r"^  (\w+)\??:", found[1], re.MULTILINE))


def test_it_is_small_when_sent() -> None:
    assert len(gzip.compress(SERVED.read_bytes(), 9)) < LARGEST


def test_it_has_the_catalogs_transitions() -> None:
    found = re.search(r"NEXT: .*? = (\{.*?\n\});", WRITTEN.read_text(), re.DOTALL)
    assert found is not None
    table = json.loads(re.sub(r",(\s*\})", r"\1", re.sub(r"(\w+):", r'"\1":', found[1])))
    assert {(state, event): after for state, nexts in table.items() for event, after in nexts.items()} == TRANSITIONS


def test_it_knows_the_catalogs_events_and_states_and_no_other() -> None:
    texts = {
        name: re.search(rf"type {name} =(.*?);", WRITTEN.read_text(), re.DOTALL) for name in ("State", "EventType")
    }
    words = {name: set(re.findall(r'"(\w+)"', found[1])) for name, found in texts.items() if found}
    assert words == {"State": set(STATES), "EventType": set(EVENT_TYPES)}


def test_its_fields_are_the_catalogs() -> None:
    assert interface("Fields") | interface("PlayerEvent") == {f.name for f in EVENT_FIELDS}
    sent = interface("Content") | interface("Dimensions") | interface("Context")
    assert sent - {f.name for f in CONTEXT_FIELDS} == set()


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
    assert re.findall(r"https?://\w", SERVED.read_text() + (STATIC / "demo.js").read_text()) == []
