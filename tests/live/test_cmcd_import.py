"""A CDN's log that is imported is in the lake and in the marts once, however often its import is killed."""

import gzip
import json
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from until import until
from whole_stack import Stack

from qoescope.connect import postgres
from qoescope.lake.jobs.reports import write_delivery
from qoescope.sources.cdn_logs import json_lines
from qoescope.sources.cdn_logs.reports import log_reports
from qoescope.sources.cmcd import mapping

pytestmark = pytest.mark.live
TENANT = "cdn_log"
CLOSED_S = 600.0
AN_HOUR_MS = 3_600_000
REQUESTS = (
    (0, "bl=0,br=3000,d=4000,ot=v,sta=s,su"), (1500, "bl=2000,br=3000,d=4000,msd=1200,ot=v,sta=p"),
    (5500, "bl=4000,br=3000,d=4000,ltc=1738664450585,ot=v,sta=p"),
    (9500, "bl=0,br=1000,bs,bsd=(700),d=4000,ot=v,sta=p,su"), (13_500, "bl=4000,br=1000,d=4000,ot=v,sta=p"),
)  # fmt: skip
KILLED = -9


def requests(session_id: str) -> list[str]:
    """A CDN's log of the session's media requests."""
    began = round(time.time() * 1000) - AN_HOUR_MS
    return [
        json.dumps({
            "at": began + at, "status": 200,
            "url": f"https://cdn.example/{at}.m4s?CMCD=" + quote(f'{said},sid="{session_id}",v=2'),
        })
        for at, said in REQUESTS
    ]  # fmt: skip


def written(path: Path) -> str:
    """The log of one session, gzipped, with a line that nobody can read; the session's id."""
    session_id = str(uuid.uuid4())
    path.write_bytes(gzip.compress("\n".join([*requests(session_id), "no line of a log"]).encode()))
    return session_id


def test_an_import_that_is_killed_goes_on_where_it_was_and_adds_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    """Killed once between the lake and the books, once between Kafka and Postgres; then run to its end."""
    log = tmp_path / "cdn.log.gz"
    session_id = written(log)
    for crash_at, code in (("lake.after_chunk", KILLED), ("lake.after_reports", KILLED), ("", 0)):
        run = stack.command("cmcd", "import", str(log), "--property", TENANT, crash_at=crash_at)
        assert run.returncode == code, run.stderr
    assert "5 CMCD records of 1 sessions" in run.stdout
    assert "1 not understood" in run.stdout
    columns = "source, startup_ms, stall_count, stall_ms, bitrate_avg_kbps > 1000"
    sql = f"select {columns} from sessions where property = %s and session_id = %s"
    (row,) = until(lambda: stack.rows(sql, TENANT, session_id), CLOSED_S, "the session closes", every_s=1)
    assert row == ("cmcd_v2", 1200, 1, 700, True)
    seen = "select request_count, starvation_count, startup_ms from cmcd_sessions where session_id = %s"
    assert stack.rows(seen, session_id) == [(5, 1, 1200)]
    left_out = "select field, sum(count)::int from unknown_fields where property = %s group by 1"
    assert stack.rows(left_out, TENANT) == [("cmcd:ltc", 1)]

    events = int(re.search(r"([\d,]+) events", run.stdout)[1])  # type: ignore[index]
    names = ("received", "accepted", "duplicate", "invalid", "lake", "reports", "quarantined", "late")
    sql = f"select {', '.join(f'sum({name})::int' for name in names)} from outcomes where property = %s"

    def booked() -> dict[str, int]:
        return dict(zip(names, stack.rows(sql, TENANT)[0], strict=True))

    until(lambda: booked()["duplicate"] >= events, CLOSED_S, "what came again is booked as duplicate", every_s=1)
    books = booked()
    assert books["received"] == books["accepted"] + books["duplicate"] + books["invalid"]
    assert (books["lake"], books["reports"]) == (events, len(REQUESTS))
    assert books["accepted"] == events + len(REQUESTS)
    assert (books["invalid"], books["quarantined"], books["late"]) == (1, 0, 0)


def test_who_has_read_less_of_a_session_does_not_replace_what_another_wrote(stack: Stack) -> None:
    """An import and the stream tell of one session at the same time, in either order."""
    session_id = str(uuid.uuid4())
    lines = list(enumerate((line.encode() for line in requests(session_id)), 1))
    buckets = stack.settings.lake_buckets
    less, more = (
        mapping.map_records(log_reports(json_lines.parse(some), TENANT, buckets, datetime.now(UTC)).reports)
        for some in (lines[:3], lines)
    )
    counts = "select request_count::int from {} where session_id = %s"
    with postgres.connect(stack.settings, "writer") as connection:
        for number, (told, known) in enumerate(((less, 3), (more, 5), (less, 5), (more, 5))):
            write_delivery(connection, f"test:{session_id}", number, told)
            for table in ("cmcd_sessions", "cmcd_requests"):
                assert stack.rows(counts.format(table), session_id) == [(known,)]
