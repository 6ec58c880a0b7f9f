"""The API on real marts: the same numbers however they are asked for, and no answer that breaks its own description."""

import csv
import io
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from console_marts import DAYS, Console

from qoescope.connect import postgres

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def span(client: httpx.Client) -> dict[str, str]:
    newest, day = datetime.fromisoformat(client.get("/health").json()["newest_session_at"]), timedelta(days=1)
    return {"from": f"{newest - (DAYS + 1) * day:%Y-%m-%dT00:00}", "to": f"{newest + day:%Y-%m-%dT00:00}"}


def test_a_startup_metric_never_comes_alone(client: httpx.Client, span: dict[str, str]) -> None:
    (row,) = client.get("/overall", params={"metric": "startup_p95_ms", **span}).json()["rows"]
    assert set(row["metrics"]) == {"startup_p95_ms", "ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio"}
    assert len(row["measures"]["startup_histogram"]) == 62


def test_slices_and_hours_add_up_to_the_whole(client: httpx.Client, served: Console, span: dict[str, str]) -> None:
    def attempts(path: str, **more: Any) -> int:
        rows = client.get(path, params={"metric": "attempts", **span, **more}).json()["rows"]
        return int(sum(row["measures"]["attempts"] for row in rows))

    whole = attempts("/overall")
    assert 0.9 * served.marts.count < whole <= served.marts.count
    assert attempts("/breakdown", by="device_type") == whole
    assert attempts("/breakdown", by=["device_type", "os_version"]) == whole
    assert attempts("/timeseries", step="day") == whole
    kept, left = (
        attempts("/overall", filter="device_type:smart_tv,web"),
        attempts("/overall", filter="!device_type:smart_tv,web"),
    )
    assert kept + left == whole


def test_pages_of_sessions_hold_each_session_once(client: httpx.Client, served: Console, span: dict[str, str]) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        page = client.get("/sessions", params={"limit": 700, **span, **({"after": after} if after else {})}).json()
        seen += [s["session_id"] for s in page["sessions"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == served.marts.count


def test_a_session_comes_with_its_events_and_their_sum(client: httpx.Client, served: Console) -> None:
    answer = client.get(f"/sessions/{served.marts.session_id}").json()
    session, events = answer["session"], answer["events"]
    assert len(events) == session["event_count"]
    assert sum(e["state_ms"] for e in events if e["state"] == "stalled") == session["stall_ms"]
    assert answer["formulas"]["stall_ms"] == "sum of t where state = 'stalled'"


def test_a_viewer_is_all_their_sessions(client: httpx.Client, served: Console, span: dict[str, str]) -> None:
    session = client.get(f"/sessions/{served.marts.session_id}").json()["session"]
    theirs = client.get(f"/viewers/{session['viewer_id']}", params=span).json()["sessions"]
    assert served.marts.session_id in [s["session_id"] for s in theirs]
    assert {s["viewer_id"] for s in theirs} == {session["viewer_id"]}


def test_a_comparison_says_what_is_better(client: httpx.Client, span: dict[str, str]) -> None:
    params = {"metric": "bitrate_avg_kbps", "filter": "device_type:smart_tv", "against": "device_type:mobile", **span}
    (row,) = client.get("/comparison", params=params).json()["rows"]
    assert row["here"] > row["there"]
    assert row["verdict"] == "good"


def test_the_histogram_counts_those_who_left_beside_those_who_stayed(
    client: httpx.Client, span: dict[str, str]
) -> None:
    answer = client.get("/histogram", params=span).json()
    assert len(answer["buckets"]) == 62
    assert sum(b["startups"] for b in answer["buckets"]) > 0
    assert sum(b["exits_before_start"] for b in answer["buckets"]) > 0
    assert set(answer["companions"]) == {"ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio"}


def test_an_answer_one_has_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/dimensions")
    again = client.get("/dimensions", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_an_export_holds_what_the_breakdown_answers(client: httpx.Client, span: dict[str, str], form: str) -> None:
    params = {"metric": "startup_p50_ms", "by": "cdn", **span}
    rows = client.get("/breakdown", params=params).json()["rows"]
    body = client.get("/exports/breakdown", params={**params, "format": form}).content
    if form == "csv":
        table: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(body.decode())))
    elif form == "parquet":
        table = pq.read_table(io.BytesIO(body)).to_pylist()
    else:
        table = pa.ipc.open_stream(body).read_all().to_pylist()
    assert {r["cdn"]: float(r["startup_p50_ms"]) for r in table} == {
        r["dimensions"]["cdn"]: r["metrics"]["startup_p50_ms"] for r in rows
    }
    assert "ebvs_ratio" in table[0]


def test_a_mistake_is_a_problem_with_a_hint(client: httpx.Client) -> None:
    answer = client.get("/breakdown", params={"metric": "rebufer_ratio", "by": "device_type"})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["suggestion"] == "rebuffer_ratio"
    assert "did you mean 'rebuffer_ratio'?" in problem["detail"]


def test_an_annotation_is_written_shown_and_removed(client: httpx.Client) -> None:
    made = client.post("/annotations", json={"starts_at": "2026-01-31T20:00:00Z", "text": "release v17"}).json()
    params = {"from": "2026-01-31T00:00", "to": "2026-02-01T00:00"}
    assert [a["id"] for a in client.get("/annotations", params=params).json()] == [made["id"]]
    assert client.delete(f"/annotations/{made['id']}").status_code == 204
    assert client.get("/annotations", params=params).json() == []


def test_incidents_come_with_their_story(client: httpx.Client) -> None:
    (row,) = client.get("/incidents", params={"state": "open"}).json()["rows"]
    assert "31 % of plays on web with v18.9.8" in row["story"]
    assert client.get(f"/incidents/{row['id']}").json()["slice"] == {"device_type": "web", "app_version": "v18.9.8"}


def test_a_token_does_only_what_it_is_for(served: Console) -> None:
    from qoescope.serve.jobs.accounts import new_token

    narrow = new_token(served.settings, "narrow", "demo", ["read"])
    with httpx.Client(
        base_url=served.url + "/api/v1", headers={"Authorization": f"Bearer {narrow}"}, timeout=120
    ) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/exports/sessions").status_code == 403
        assert client.post("/incidents/one/acknowledge").status_code == 403
        assert client.get("/metrics", params={"property": "other"}).status_code == 200
        assert client.get("/overall", params={"metric": "plays", "property": "other"}).status_code == 404
    with httpx.Client(
        base_url=served.url + "/api/v1", headers={"Authorization": "Bearer qt_nobody"}, timeout=120
    ) as client:
        assert client.get("/metrics").status_code == 401


def test_a_program_takes_on_an_incident(served: Console) -> None:
    from qoescope.serve.jobs.accounts import new_token

    token = new_token(served.settings, "on call", "demo", ["read", "decide"])
    with httpx.Client(
        base_url=served.url + "/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=120
    ) as client:
        assert "acknowledged it" in client.post("/incidents/one/acknowledge").json()["told"]
        assert client.post("/incidents/nowhere/acknowledge").status_code == 404
        assert client.post("/incidents/one/forget").status_code == 422
        assert client.post("/incidents/one/acknowledge", params={"property": "other"}).status_code == 404
    with postgres.connect(served.settings, "reader") as connection:
        connection.execute("select set_config('qoescope.property', 'demo', false)")
        rows = connection.execute("select made_by from acknowledgements where incident_id = 'one'").fetchall()
    assert rows == [(f"token {token[:11]}",)]


@pytest.mark.parametrize("table", ["users", "tokens", "keys", "forgotten"])
def test_whoever_reads_metrics_may_not_read_who_may_sign_in(served: Console, table: str) -> None:
    with postgres.connect(served.settings, "reader") as connection:
        connection.execute("select set_config('qoescope.property', 'demo', false)")
        assert connection.execute("select count(*) from views").fetchone() is not None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select * from {table}")


def test_no_request_makes_it_fail_or_break_its_own_description(served: Console) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [
        f"{sys.prefix}/bin/schemathesis",
        "run",
        f"{served.url}/api/v1/openapi.json",
        "--url",
        f"{served.url}/api/v1",
        "-H",
        f"Authorization: Bearer {served.marts.token}",
        "--checks",
        checks,
        *("--max-examples", "8", "--phases", "examples,coverage,fuzzing", "--seed", "42"),
        *("--suppress-health-check", "all", "--request-timeout", "120"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert run.returncode == 0, run.stdout[-6000:]
