"""CMCD from a player's reports to the session's row: what was told is there, what cannot be known is null."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from until import until
from whole_stack import Stack

from qoescope.ingest import jobs

pytestmark = pytest.mark.live
TENANT = "cmcd"
CLOSED_S = 90.0


def sessions(stack: Stack, *ids: str) -> dict[str, dict[str, Any]]:
    """Rows of these sessions once all of them are there, by id."""
    columns = ("session_id", "source", "is_play", "startup_ms", "stall_count", "stall_ms", "bitrate_avg_kbps",
               "play_ms", "content_id", "error_code", "close_reason")  # fmt: skip

    def there() -> list[tuple[Any, ...]] | None:
        rows = stack.rows(f"select {', '.join(columns)} from sessions where session_id = any(%s)", list(ids))
        return rows if len(rows) == len(ids) else None

    found = until(there, CLOSED_S, f"sessions {', '.join(ids)} close", every_s=1)
    return {row[0]: dict(zip(columns, row, strict=True)) for row in found}


def test_reports_as_a_player_sent_them_become_a_session_in_postgres(stack: Stack) -> None:
    key = jobs.new_key(stack.settings, TENANT)
    lines = Path(__file__).parents[1] / "lake" / "hls_js_1_7_4.cmcd"
    told = lines.read_text().replace("381e729d-1520-4863-aa8b-309d5d42ef07", "recorded").splitlines()
    joined = ['e=ps,sid="joined",sta=p,ts=1795507709000,v=2', 'e=ps,sid="joined",sta=q,ts=1795507714000,v=2']
    for part in (told[:7], told[7:], told[7:], joined):  # a batch comes twice, as after a 503
        sent = httpx.post(f"{stack.door}/v1/cmcd/{key}", content="\n".join(part))
        assert sent.status_code == 204
    asked = 'br=3000,d=4000,ot=v,sf=d,sid="requests",st=v'
    assert httpx.get(f"{stack.door}/v1/cmcd/{key}", params={"CMCD": asked}).status_code == 204
    rows = sessions(stack, "recorded", "joined")
    wanted = {"source": "cmcd_v2", "startup_ms": 5, "stall_count": 1, "bitrate_avg_kbps": 2866, "is_play": True}
    assert {name: rows["recorded"][name] for name in wanted} == wanted
    wanted = {"startup_ms": None, "bitrate_avg_kbps": None, "play_ms": 5000, "close_reason": "exited"}
    assert {name: rows["joined"][name] for name in wanted} == wanted
    delivery = "select source, tells_states, requested_kbps, throughput_count, lost_reports from cmcd_sessions"
    seen = until(lambda: stack.rows(f"{delivery} where session_id = 'requests'"), CLOSED_S, "delivery is told")
    assert seen == [("cmcd_v1", False, 3000, None, None)]
    assert stack.rows("select session_id from sessions where session_id = 'requests'") == []
    books = "select sum(received - duplicate - filtered)::int, sum(accepted)::int, sum(lake)::int from outcomes"
    ((told, accepted, lake),) = stack.rows(f"{books} where property = %s", TENANT)
    assert told == accepted == lake
