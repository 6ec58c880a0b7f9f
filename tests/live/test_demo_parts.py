import json

import httpx
import psutil
import pytest
from until import until
from whole_stack import Stack

from qoescope.stack import airflow, processes

pytestmark = pytest.mark.live
KNOWN_S = 600
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def test_every_part_is_up_and_status_says_so(stack: Stack) -> None:
    said = stack.command("status", "--json")
    status = json.loads(said.stdout)
    assert said.returncode == 0, said.stdout
    assert {part["part"] for part in status["parts"]} == {
        "postgres", "kafka", "airflow", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "collect",
        "stream", "console", "monitor",
    }  # fmt: skip
    assert {part["state"] for part in status["parts"]} == {"ready"}
    assert status["problems"] == {}


def test_every_part_listens_on_loopback_only(stack: Stack) -> None:
    own = {p.pid for p in processes.find_marked(str(stack.settings.var))}
    own |= {d.pid for c in stack.children if c.process for d in processes.descendants(c.process.pid)}
    own |= {c.process.pid for c in stack.children if c.process}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid in own]
    addresses = [c.laddr.ip for c in listening if c.laddr]
    assert len(addresses) >= 5
    assert [ip for ip in addresses if ip not in LOOPBACK] == []


def test_nobody_gets_in_without_a_key_or_a_login(stack: Stack) -> None:
    beacon = {"session": {"session_id": "s"}, "events": []}
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=120) as client:
        assert client.post(f"{stack.door}/v1/beacons", json=beacon).status_code == 401
        wrong = {"authorization": "Bearer qw_not-a-key"}
        assert client.post(f"{stack.door}/v1/beacons", json=beacon, headers=wrong).status_code == 401
        assert client.get(f"{stack.console}/api/v1/metrics").status_code == 401
        page = client.get(f"{stack.console}/explore")
        assert page.status_code in (302, 303, 307)
        assert "/sign-in" in page.headers["location"]
        for path in ("/api/v2/dags", "/api/v2/connections"):
            assert client.get(f"{airflow.url(stack.settings)}{path}").status_code == 401


def test_a_second_stack_in_the_same_folder_is_refused(stack: Stack) -> None:
    refused = stack.command("up")
    assert refused.returncode == 2
    assert "already runs" in refused.stderr


def test_the_dags_are_parsed_without_an_error(stack: Stack) -> None:
    with airflow.AirflowApi(stack.settings) as client:
        known = (airflow.RESTATE, airflow.IMPORT)
        until(lambda: all(map(client.knows, known)), KNOWN_S, "the DAGs are known", every_s=1)
        assert client.import_errors() == []
