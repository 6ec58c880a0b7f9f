import os
import signal

import pytest
from until import until
from whole_stack import Stack

pytestmark = pytest.mark.live
BACK_S = 600


@pytest.mark.parametrize("name", ["stream", "kafka", "postgres"])
def test_a_kill_costs_time_but_no_event(stack: Stack, name: str) -> None:
    child = stack.children[name]
    process, restarts = child.process, child.restarts
    assert process is not None
    traffic = stack.traffic(rate=400, seconds=15)
    until(lambda: traffic.sent.acknowledged > 1000, BACK_S, "traffic flows")
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: child.restarts > restarts and child.state == "ready", BACK_S, f"{name} is back", every_s=0.5)
    live = traffic.finished()
    assert live.sent.acknowledged == live.sent.events
    books = stack.settled()
    assert books.accepted == books.lake + books.set_aside
    assert stack.missing(traffic.book) == []
    ledger = stack.command("ledger")
    assert ledger.returncode == 0, ledger.stdout
    assert f"{name} ended (killed by SIGKILL" in (stack.settings.var / "log" / "stack.log").read_text()


def test_the_ledger_names_a_row_that_somebody_removed(stack: Stack) -> None:
    books = stack.settled()
    assert books.sessions
    ((session, day),) = stack.rows(
        "select session_id, day from sessions where property = 'demo' and stall_ms > 0 order by session_id limit 1"
    )
    stack.rows(
        "with gone as (delete from sessions where property = 'demo' and day = %s and session_id = %s returning *)"
        " select count(*) from gone", day, session,
    )  # fmt: skip
    found = stack.command("ledger")
    assert found.returncode == 1
    assert f"rows: demo session {session}: expected version" in found.stdout
    assert stack.command("batch", "restate", str(day)).returncode == 0
    assert stack.command("ledger").returncode == 0
