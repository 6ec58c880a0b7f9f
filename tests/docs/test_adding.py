"""The recipes of docs/adding.md, done: each block is put into a copy of the sources, and what it promises is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qoescope.settings import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout's sources that may be changed."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def recipes(heading: str) -> list[str]:
    """The blocks of code below a heading."""
    section = (ROOT / "docs/adding.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```(?:python|text)\n(.*?)```", section, re.DOTALL)


def recipe(heading: str) -> str:
    """The first of them."""
    return recipes(heading)[0]


def added(copy: Path, module: str, after: str, block: str) -> None:
    """The block into the module, behind a line."""
    path = copy / "src/qoescope" / module
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, after + block))


def said(copy: Path, *arguments: str) -> str:
    """What Python says in the changed copy."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment({"PYTHONPATH": str(copy / "src")}), check=False,
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


ASKED = """
from datetime import UTC, datetime
from qoescope.compile import ask, glossary, grafana, metrics
from qoescope.catalog.metrics import METRIC_BY_NAME
metric = METRIC_BY_NAME["paused_ratio"]
between = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
print(ask.plan(ask.question(["paused_ratio"], between, by=["device_type"])).sql)
print(grafana.sql(metric))
print([line for line in glossary.glossary().splitlines() if "`paused_ratio`" in line][0])
print(metrics.evaluate(metric, {"paused_ms": 1, "watched_ms": 3}))
"""


def test_a_metric_is_one_line_and_is_asked_drawn_and_explained(copy: Path) -> None:
    added(copy, "catalog/metrics.py", "\nMETRICS: tuple[Metric, ...] = (\n", recipe("A metric"))
    asked, drawn, explained, value = said(copy, "-c", ASKED).splitlines()
    assert "sum(paused_ms)" in asked
    assert "quality_day" in asked
    assert '"paused_ratio"' in drawn
    assert "paused_ms / (paused_ms + watched_ms)" in explained
    assert float(value) == 1 / 4


def test_a_fault_is_one_entry_and_has_its_cost_in_the_answer_key(copy: Path) -> None:
    added(copy, "catalog/faults.py", "\nFAULTS = (\n", recipe("A fault"))
    shutil.copy(ROOT / "generate_telemetry.py", copy)
    said(copy, "generate_telemetry.py", "--sessions", "1500", "--workers", "1", "--fault", "slow-ethernet")
    key = json.loads((copy / "output/answer_key.json").read_text())
    (fault,) = (found for found in key["faults"] if found["name"] == "slow-ethernet")
    assert fault["slice"] == {"network_type": "ethernet"}
    assert fault["sessions"] > 0


def test_a_format_of_cdn_logs_is_a_module_a_sample_and_a_line_and_passes_every_formats_test(copy: Path) -> None:
    """Three files and a test of its own; the copy's commands know the format by its name."""
    parser, sample, line, test = recipes("A format of CDN logs")
    folder, tests = copy / "src/qoescope/sources/cdn_logs", copy / "tests"
    (folder / "combined.py").write_text(parser)
    (folder / "combined.sample").write_text(sample)
    added(copy, "sources/registry.py", "from qoescope.sources.cdn_logs import (\n", "    combined,\n")
    added(copy, "sources/registry.py", "\nCDN_LOGS: tuple[Source[LogParser], ...] = (\n", line)
    tests.mkdir()
    (tests / "test_combined.py").write_text(test)
    shutil.copy(ROOT / "tests/sources/test_registry.py", tests)
    passed = said(copy, "-m", "pytest", "-q", "-p", "no:dash", "-p", "no:cacheprovider", "tests")
    assert re.search(r"\b2[0-9] passed", passed), passed
    assert "known" not in said(
        copy, "-c", "from qoescope.sources import registry; print(registry.cdn_log('combined').doc)"
    )
