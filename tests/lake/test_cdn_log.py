"""CDN logs: what is taken of a line, and what is counted of the others."""

import json
from datetime import UTC, datetime

from qoescope.lake import cdn_log
from qoescope.lake.cmcd import mapped

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
T = 1_795_507_800_000
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"


def said(**more: object) -> bytes:
    return json.dumps({"at": T, "url": "https://a.example/1.m4s", "status": 200, "user_agent": CHROME, **more}).encode()


def found(*lines: bytes) -> cdn_log.Found:
    return cdn_log.found(enumerate(lines, 1), "app", 8, NOW)


def test_a_line_tells_of_delivery_by_query_or_headers() -> None:
    query = said(url="https://a.example/1.m4s?CMCD=br%3D3000%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22x%22")
    headers = {"CMCD-Session": 'sid="x"', "cmcd-object": "br=1000,d=4000,ot=v"}
    made = found(query, said(at="2026-11-24T08:10:04.500Z", status=503, headers=headers, client="203.0.113.7"))
    rows = mapped(made.reports)
    (seen,), (asked,) = rows.observed.to_pylist(), rows.requests.to_pylist()
    assert (seen["requested_kbps"], seen["request_errors"], seen["source"], seen["tells_states"]) == (
        2000, 1, "cmcd_v1", False,
    )  # fmt: skip
    assert (asked["host"], asked["request_count"], asked["error_count"]) == ("a.example", 2, 1)
    assert made.reports["os"].to_pylist() == ["windows", "windows"]
    assert "203.0.113.7" not in str(made.reports.to_pylist())


def test_every_line_is_counted_once() -> None:
    made = found(
        said(url="https://a.example/?CMCD=sid%3D%22x%22"), said(url="https://a.example/?CMCD=br%3D1"), said(), b"\n",
        b"{", b'{"at": "yesterday", "url": "x"}', b'{"at": 1e300, "url": "x"}', b"\xff", said(url="//[", headers={}),
        b'{"at": 1, "url": "\\ud800"}', b"[" * 10_000, b'{"at": 1, "url": "x", "headers": {"cmcd-session": 5}}',
    )  # fmt: skip
    assert (len(made.rows), made.without_cmcd, [number for number, _ in made.bad]) == (1, 1, list(range(5, 13)))
    books = made.outcomes("app").to_pylist()
    total = {name: sum(row[name] for row in books) for name in ("received", "accepted", "invalid", "filtered", "lake")}
    assert total == {"received": 10, "accepted": 1, "invalid": 8, "filtered": 1, "lake": 1}
