"""Fastly's JSON, with the fields of its recipe and what people add to them."""

import json
from datetime import UTC, datetime

import pytest
from log_lines import CHROME, CMCD, report, request, seen

from qoescope.sources.cdn_logs import fastly

LINE = {
    "timestamp": "2026-11-24T08:10:00+0000", "client_ip": "203.0.113.7", "geo_country": "germany", "host": "a.example",
    "url": f"/1.m4s?{CMCD}", "request_user_agent": CHROME, "response_status": 200, "response_state": "HIT",
    "fastly_server": "cache-fra-etou8220098-FRA",
}  # fmt: skip
HEADERS = {"CMCD-Object": "br=3000,d=4000,ot=v", "CMCD-Session": 'sid="x"'}


def said(**change: object) -> str:
    return json.dumps({name: value for name, value in (LINE | change).items() if value is not None})


def test_a_line_tells_who_served_whom() -> None:
    made = report(fastly.parse, [said(geo_country_code="de", asn=3320)])
    (row,) = made.reports.to_pylist()
    assert row["received_at"] == datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
    assert (row["host"], row["status"], row["os"]) == ("a.example", 200, "windows")
    assert (row["cdn"], row["cdn_pop"], row["country_code"], row["asn"]) == ("fastly", "FRA", "DE", "3320")
    assert "203.0.113.7" not in str(made.rows)


@pytest.mark.parametrize(
    "change",
    [
        {"url": f"https://a.example/1.m4s?{CMCD}", "host": None},
        {
            "url": "/1.m4s",
            "request_header_cmcd_object": HEADERS["CMCD-Object"],
            "cmcd-session": HEADERS["CMCD-Session"],
        },
        {"url": "/1.m4s", "cmcd": 'br=3000,d=4000,ot=v,sid="x"'},
        {"url": "/1.m4s", "cookie": f"id=7;{CMCD}"},
        {"timestamp": "1795507800", "response_status": "200"},
        {"timestamp": None, "time_start": "2026-11-24T08:10:00.000000Z"},
        {"timestamp": 1795507800000, "request_user_agent": "", "response_status": None},
        {"request_user_agent": None, "fastly_server": None},
    ],
)
def test_cmcd_is_found(change: dict[str, object]) -> None:
    assert seen(fastly.parse, said(**change)) == ("x", 3000, 4000)
    assert request(fastly.parse, said(**change)).at == datetime(2026, 11, 24, 8, 10, tzinfo=UTC)


@pytest.mark.parametrize("line", [said(timestamp=None), said(timestamp=[1]), said(timestamp={}), "7", "[{}]", "\0"])
def test_a_line_that_is_none_says_so(line: str) -> None:
    made = report(fastly.parse, [line])
    assert (made.rows, len(made.bad)) == ([], 1)
