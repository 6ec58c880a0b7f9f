import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console
from until import until
from whole_stack import SPEED, Stack

from qoescope.emit import jobs as emit
from qoescope.stack import airflow, demo

pytestmark = pytest.mark.live
RUN_S = 300


def test_the_demo_holds(stack: Stack) -> None:
    paper, outcome = StringIO(), demo.Outcome()
    screen = Console(width=200, file=paper)
    demo.performed(demo.Stage(screen, stack.settings, stack.children, outcome), stack.key, 500, 30, SPEED)
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


def test_airflow_imports_a_hundred_thousand_sessions(stack: Stack) -> None:
    file = emit.csv(stack.folder / "hundred", sessions=100_000, seed=7, progress=False).paths[0]
    with airflow.Client(stack.settings) as client:
        until(lambda: client.knows(airflow.IMPORT), 120, "the DAG is known", every_s=1)
        run = client.trigger(airflow.IMPORT, {"path": str(file), "property": "hundred"})
        state = until(
            lambda: s if (s := client.state(airflow.IMPORT, run)) in airflow.ENDED else None, RUN_S, every_s=1
        )
        assert state == "success", client.failed_tasks(airflow.IMPORT, run)
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
