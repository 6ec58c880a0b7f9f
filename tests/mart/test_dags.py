"""The DAGs are wiring: they parse without our code, and their graphs are as a person last read them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qoescope.settings import environment

ROOT = Path(__file__).parents[2]
GRAPHS = {
    "digest": {"write": []},
    "forget_viewer": {"forget": []},
    "import_csv": {"import_file": []},
    "maintain_lake": {"maintain": []},
    "restate": {"fold": ["quality_gate"], "look": [], "publish": ["look"], "quality_gate": ["publish"]},
}
WRITES = {"import_csv": ["mart/quality"], "restate": ["incidents", "lake/sessions", "mart/quality"]}
READS = {"digest": ["mart/quality"]}
PARSED = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
def assets(d):
    read = getattr(d.timetable, "asset_condition", None)
    return [read.name] if read else []
print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "reads": {d.dag_id: assets(d) for d in bag.dags.values() if assets(d)},
    "writes": {d.dag_id: sorted({o.name for t in d.tasks for o in t.outlets}) for d in bag.dags.values()},
    "graphs": {d.dag_id: {t.task_id: sorted(t.downstream_task_ids) for t in d.tasks} for d in bag.dags.values()},
    "loaded": sorted(name for name in ("pyspark", "qoescope", "duckdb") if name in sys.modules),
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    more = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSED, str(ROOT / "dags")], env=environment(more), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def test_every_dag_can_be_read(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}


def test_the_graphs_are_as_they_were_read(parsed: dict[str, Any]) -> None:
    assert parsed["graphs"] == GRAPHS


def test_assets_wire_dag_to_dag(parsed: dict[str, Any]) -> None:
    assert parsed["reads"] == READS
    assert {dag: assets for dag, assets in parsed["writes"].items() if assets} == WRITES
    assert {asset for assets in READS.values() for asset in assets} <= {a for made in WRITES.values() for a in made}


def test_parsing_loads_none_of_our_code_and_no_spark(parsed: dict[str, Any]) -> None:
    assert parsed["loaded"] == []
