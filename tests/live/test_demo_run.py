import json
from datetime import UTC, datetime
from functools import partial
from io import StringIO

import pytest
from rich.console import Console
from until import until
from whole_stack import SPEED, Stack

from qoescope.emit.jobs.csv import write_csv
from qoescope.mart.jobs.forget import find_pseudonyms
from qoescope.stack import airflow, demo
from qoescope.stack.outcome import Outcome

pytestmark = pytest.mark.live
RUN_S = 900


def _ended(client: airflow.AirflowApi, dag: str, run: str) -> str | None:
    state = client.state(dag, run)
    return state if state in airflow.FINAL_STATES else None


def test_the_demo_holds(stack: Stack) -> None:
    paper, outcome = StringIO(), Outcome()
    screen = Console(width=200, file=paper)
    demo.perform(demo.Stage(screen, stack.settings, stack.children, outcome), stack.key, 500, 30, SPEED)
    said = paper.getvalue()
    assert outcome.failed == [], said
    assert {run["state"] for run in outcome.runs} == {"success"}
    for word in ("smart_tv", "mobile", "demo-certificate", "console: http://127.0.0.1:"):
        assert word in said


def test_the_marts_answer_on_the_command_line(stack: Stack) -> None:
    asked = stack.command("ask", "attempts", "rebuffer_ratio", "--by", "device_type", "--json")
    answer = json.loads(asked.stdout)
    assert {row["device_type"] for row in answer["rows"]} >= {"smart_tv", "mobile", "web", "tablet"}
    (total,) = stack.rows("select count(*) from sessions where property = 'demo' and is_attempt")[0]
    assert sum(row["attempts"] for row in answer["rows"]) == total


def test_airflow_imports_a_hundred_thousand_sessions_beside_its_other_dags(stack: Stack) -> None:
    file = write_csv(stack.folder / "hundred", sessions=100_000, seed=7, progress=False).paths[0]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    nobody = list(find_pseudonyms(stack.settings, "hundred", "nobody"))
    given: dict[str, dict[str, object]] = {
        airflow.IMPORT: {"path": str(file), "property": "hundred"}, "maintain_lake": {"day": today},
        "forget_viewer": {"property": "hundred", "pseudonyms": nobody},
        "digest": {"day": today},
    }  # fmt: skip
    with airflow.AirflowApi(stack.settings) as client:
        until(lambda: all(map(client.knows, given)), RUN_S, "the DAGs are known", every_s=1)
        runs = {dag: client.trigger(dag, conf) for dag, conf in given.items()}
        for dag, run in runs.items():
            state = until(partial(_ended, client, dag, run), RUN_S, f"{dag} ends", every_s=1)
            assert state == "success", (dag, client.failed_tasks(dag, run))
    assert "Attempts" in (stack.settings.var / "digests" / f"demo-{today}.html").read_text()
    (count,) = stack.rows("select count(*) from sessions where property = 'hundred'")[0]
    (kept_aside,) = stack.rows("select count(*) from import_quarantine where property = 'hundred'")[0]
    assert (count, kept_aside) == (100_000, 0)
    (attempts,) = stack.rows(
        "select sum(attempts)::bigint from quality_day where property = 'hundred' and grouping = ''"
    )[0]
    assert attempts == 100_000


def test_a_restated_day_is_restated_twice_to_the_same(stack: Stack) -> None:
    stack.settled()
    day = datetime.now(UTC).date()
    first, again = (stack.command("batch", "restate", f"{day}", "--json") for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    checksums = [json.loads(said.stdout)[0]["checksum"] for said in (first, again)]
    assert checksums[0] == checksums[1]
