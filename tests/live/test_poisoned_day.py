"""Beside a running stack: a poisoned day makes Airflow's run red, by the rule's name, and nobody sees its numbers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from plotly.utils import PlotlyJSONEncoder
from poisons import POISONS, altered, replaced, viewers
from until import until
from whole_stack import Stack

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, versions
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.mart.jobs import publish
from qoescope.serve.auth.credentials import Person
from qoescope.serve.console.dash_app import build_console
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.jobs.accounts import new_token
from qoescope.serve.request import state
from qoescope.serve.request.caller import Caller
from qoescope.serve.store.store import open_store
from qoescope.stack import airflow

pytestmark = pytest.mark.live
TENANT, SESSIONS = "poisoned", 1_200
FIRST = datetime.now(UTC).date() - timedelta(days=40)
"""Of four days that no other test speaks of; three say what is usual, the last is poisoned."""
DAYS = tuple(FIRST + timedelta(days=n) for n in range(4))
LAST = DAYS[-1]
SOON_S, RUN_S = 600, 900


@pytest.fixture
def good(stack: Stack) -> Iterator[pa.Table]:
    """The last day's events; lake and marts hold all four days as the streams write them, for this test only."""
    events = altered(viewers(FIRST, len(DAYS), SESSIONS), "property", f"'{TENANT}'")
    rows = versions.versions(events, arrow.schema(SESSION_VERSIONS).empty_table(), datetime.now(UTC))
    for table, told in ((EVENTS, events), (SESSION_VERSIONS, rows)):
        append_files(open_table(stack.settings, table), table, write_files(stack.settings, table, told), {})
    until(
        lambda: stack.rows("select count(*) from sessions where property = %s", TENANT) == [(len(rows),)],
        SOON_S,
        "the stream publishes the sessions",
    )
    for day in DAYS[:-1]:
        publish.check_day(stack.settings, day)
    yield events.filter(pc.equal(events["session_day"], pa.scalar(LAST)))
    for table in (EVENTS, SESSION_VERSIONS):
        open_table(stack.settings, table).delete(f"session_day >= '{FIRST}' and session_day <= '{LAST}'")
    for name in ("sessions", "checks", "incidents", *(mart.name for mart in SESSION_MARTS)):
        stack.rows(
            f"with gone as (delete from {name} where property = %s returning 1) select count(*) from gone", TENANT
        )


def seen(stack: Stack) -> dict[str, str]:
    """What people see of the last day, as a checksum a table."""
    told = {"sessions": "to_jsonb(t) - 'version' - 'written_at'"} | {m.name: "to_jsonb(t)" for m in SESSION_MARTS}
    return {
        name: stack.rows(
            f"select md5(string_agg(line, '|' order by line)) from (select ({sql})::text as line from {name} t "
            "where property = %s and day = %s) lines", TENANT, LAST,
        )[0][0]
        for name, sql in told.items()
    }  # fmt: skip


def restated(stack: Stack, client: airflow.AirflowApi) -> tuple[str, list[str], str]:
    """How Airflow's run of the last day ends, which tasks did not succeed, and what the publishing one logged."""
    run = client.trigger(airflow.RESTATE, {"day": f"{LAST}"})
    state = until(
        lambda: (now := client.state(airflow.RESTATE, run)) in airflow.FINAL_STATES and now,
        RUN_S,
        "the run ends",
        every_s=0.5,
    )
    logs = (airflow.home(stack.settings) / "logs").glob(f"*{airflow.RESTATE}/*{run}/*publish/*.log")
    return str(state), sorted(client.failed_tasks(airflow.RESTATE, run)), "".join(path.read_text() for path in logs)


def health(stack: Stack) -> str:
    """What the health page holds, of a range with the last day in it."""
    build_console()
    from qoescope.serve.console.pages.health import body

    now = datetime.now(UTC)
    asked = state.state(f"from={LAST}T00:00&to={LAST + timedelta(days=1)}T00:00", now)
    store = open_store(stack.settings)
    with store.reader, store.writer:
        who = Caller(store, Person("ada", "admin", (TENANT,)))
        content = body(PageRequest(who, TENANT, now, asked, "/health"))
        return json.dumps(content.children, cls=PlotlyJSONEncoder)


def withheld(stack: Stack, token: str) -> list[dict[str, Any]]:
    """What the API's health says is kept out of the marts."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{stack.console}/api/v1/health", headers=headers, timeout=120, trust_env=False)
    kept: list[dict[str, Any]] = answer.raise_for_status().json()["withheld"]
    return kept


def test_a_poisoned_day_makes_the_run_red_by_name_and_is_green_once_it_is_mended(stack: Stack, good: pa.Table) -> None:
    poison = good
    for spoil in POISONS.values():
        poison = spoil(poison)
    before, token = seen(stack), new_token(stack.settings, "poisoned", TENANT)
    with airflow.AirflowApi(stack.settings) as client:
        until(lambda: client.knows(airflow.RESTATE), RUN_S, "the DAG is known", every_s=0.5)
        replaced(stack.settings, LAST, poison)
        ended, failed, log = restated(stack, client)
        assert (ended, failed) == ("failed", ["look", "publish"])
        red = {name for (name,) in stack.rows(
            "select rule from checks where property = %s and day = %s and not passed", TENANT, LAST
        )}  # fmt: skip
        assert withheld(stack, token) == [{"day": f"{LAST}", "rules": sorted(red)}]
        page = health(stack)
        assert "is withheld from the marts" in page
        for rule in POISONS:
            assert rule in red
            assert rule in log
            assert rule in page
        assert seen(stack) == before
        replaced(stack.settings, LAST, good)
        assert restated(stack, client)[:2] == ("success", [])
    assert seen(stack) == before
    assert "is withheld from the marts" not in health(stack)
    assert withheld(stack, token) == []
