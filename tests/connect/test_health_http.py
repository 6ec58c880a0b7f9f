from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from qoescope.connect import health_http
from qoescope.connect.health import HealthBoard
from qoescope.connect.readiness import ReadinessLimits
from qoescope.settings import Settings


def test_readiness_and_metrics_are_asked_of_the_streams(tmp_path: Path) -> None:
    board = HealthBoard(Settings(var=tmp_path), "stream", ["events", 'odd"name\\'])
    with health_http.serve(board, 0, ReadinessLimits(least_free_bytes=0)) as port:

        def get(path: str) -> httpx.Response:
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)

        assert (get("/livez").status_code, get("/readyz").status_code) == (200, 503)
        board.set_state("running")
        board["events"].lags(records=12, seconds=3.5)
        assert get("/readyz").status_code == 200
        for _ in range(3):
            board["events"].failed("password authentication failed for user x")
        refused = get("/readyz")
        assert refused.status_code == 503
        assert refused.text == (
            "stream: events failed 3 times in a row: Postgres refuses the password: password authentication failed for "
            "user x (postgres-refuses-the-password)\n"
        )
        values = {
            (sample.name, sample.labels.get("stream")): sample.value
            for family in text_string_to_metric_families(get("/metrics").text)
            for sample in family.samples
        }
        assert values["qoescope_ready", None] == 0
        assert values["qoescope_stream_ready", "events"] == 0
        assert values["qoescope_stream_ready", 'odd"name\\'] == 1
        assert values["qoescope_stream_failures", "events"] == 3
        assert values["qoescope_stream_lag_records", "events"] == 12
        board["events"].succeeded()
        assert get("/readyz").status_code == 200
        board["events"].set_aside(2, "at beacons partition 0 offset 5, broken: ValueError: odd")
        told = get("/readyz")
        assert told.status_code == 200
        assert told.text.startswith(
            "stream: events has set 2 records that broke a batch aside, the last one at beacons"
        )
        assert 'qoescope_stream_set_aside{stream="events"} 2' in get("/metrics").text
        assert 'qoescope_stream_ready{stream="events"} 1' in get("/metrics").text
        assert get("/elsewhere").status_code == 404
