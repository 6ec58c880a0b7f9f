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
    "forget_viewer": {"forget": []},
    "import_csv": {"import_file": []},
    "maintain_lake": {"maintain": []},
    "restate": {"fold": ["quality_gate"], "publish": [], "quality_gate": ["publish"]},
}
PARSED = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("\\n" + json.dumps({
    "errors": bag.import_errors,
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


def test_parsing_loads_none_of_our_code_and_no_spark(parsed: dict[str, Any]) -> None:
    assert parsed["loaded"] == []
