"""CDN logs: what is taken of a line, and what is counted of the others."""

import io
import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from qoescope.sources import packing, registry
from qoescope.sources.cdn_logs import json_lines, nginx, varnish
from qoescope.sources.cdn_logs.reports import LogReports, log_reports
from qoescope.sources.cdn_logs.requests import LoggedRequest, LogParser, UnreadableLine
from qoescope.sources.cmcd.mapping import map_records

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
T = 1_795_507_800_000
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"


def said(**more: object) -> bytes:
    return json.dumps({"at": T, "url": "https://a.example/1.m4s", "status": 200, "user_agent": CHROME, **more}).encode()


def found(*lines: bytes) -> LogReports:
    return log_reports(json_lines.parse(enumerate(lines, 1)), "app", 8, NOW)


def test_a_line_tells_of_delivery_by_query_or_headers() -> None:
    query = said(url="https://a.example/1.m4s?CMCD=br%3D3000%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22x%22")
    headers = {"CMCD-Session": 'sid="x"', "cmcd-object": "br=1000,d=4000,ot=v"}
    made = found(query, said(at="2026-11-24T08:10:04.500Z", status=503, headers=headers, client="203.0.113.7"))
    rows = map_records(made.reports)
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
    total = {
        name: sum(row[name] for row in books) for name in ("received", "accepted", "invalid", "filtered", "reports")
    }
    assert total == {"received": 10, "accepted": 1, "invalid": 8, "filtered": 1, "reports": 1}


SECOND = 1_764_324_001
CMCD = "CMCD=br%3D3000%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22x%22"


@pytest.mark.parametrize(
    "at",
    ["2025-11-28T10:00:01Z", "2025-11-28 10:00:01", "2025-11-28T12:00:01+0200", "28/Nov/2025:10:00:01 +0000",
     "[28/Nov/2025:05:00:01 -0500]", SECOND, float(SECOND), f"{SECOND}", f"{SECOND}.000", SECOND * 1000, SECOND * 10**6,
     SECOND * 10**9, f"{SECOND * 1000}", "Fri, 28 Nov 2025 10:00:01 GMT", "28/Nov/2025:10:00:01",
     "2025-11-28 10:00:01 UTC", "28/Nov/2025:11:00:01.000 +0100", "2025/11/28 10:00:01", "2025-11-28t10:00:01z",
     '"2025-11-28T10:00:01Z"',
     f"{SECOND},000", "1.764324001E9", "Fri, 28 Nov 2025 11:00:01 +0100", "Fri Nov 28 10:00:01 2025",
     "2025-11-28T10:00:01.000000000Z", "20251128T100001Z", "28/Nov/2025:12:00:01 +02:00", "2025-11-28T10:00:01,000+00"],
)  # fmt: skip
def test_a_time_is_read_in_any_form_that_logs_have(at: object) -> None:
    (row,) = found(said(at=at, url=f"/1.m4s?{CMCD}")).rows
    assert row["received_at"] == datetime(2025, 11, 28, 10, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "at", [-1, 0, 5, 1e300, "soon", "", None, True, [], "0001-01-01T00:00:00Z", "9999-12-31", 2**70]
)
def test_a_line_without_a_time_is_kept_apart(at: object) -> None:
    made = found(said(at=at, url=f"/1.m4s?{CMCD}"))
    assert (made.rows, len(made.bad)) == ([], 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [("200", 200), (200.0, 200), (0, 0), ("-", None), ("", None), (None, None), (2**64 - 1, None), (1e308, None),
     ("NaN", None), (-1, None), ("inf", None), (True, None), ([200], None), ({}, None), (" 206 ", 206), ("000", 0),
     ("200 OK", 200), ("HTTP/1.1 404", 404), ("TCP_HIT/206", 206), ("0x1f4", None), ("1000", None), ("2000 ms", None)],
)  # fmt: skip
def test_a_status_is_a_number_or_not_known(status: object, code: int | None) -> None:
    made = found(said(status=status, url=f"/1.m4s?{CMCD}"))
    assert [row["status"] for row in made.rows] == [code]
    assert made.reports["status"].to_pylist() == [code]


def test_what_could_not_be_meant_is_counted_by_field_and_minute() -> None:
    far = "/1.m4s?CMCD=br%3D99999999%2Cd%3D9999999999999999%2Csid%3D%22x%22"
    headers = {"CMCD-Session": 'sid="x"', "CMCD-Object": "br=9999999999999999,ot=v"}
    made = found(
        said(url=far), said(url=far, at=T + 60_000, status=1e308), said(url="/1.m4s", headers=headers),
        said(url=f"/1.m4s?{CMCD}", status="-"), said(url="/1.m4s", status=-1), said(url="/1.m4s?CMCD=msd%3DNaN"),
    )  # fmt: skip
    rows = made.unknown_fields("app").to_pylist()
    assert {row["property"] for row in rows} == {"app"}
    assert {(f"{row['minute_at']:%H:%M}", row["field"]): row["count"] for row in rows} == {
        ("08:10", "cmcd:br"): 2, ("08:10", "cmcd:d"): 1,
        ("08:11", "cmcd:br"): 1, ("08:11", "cmcd:d"): 1, ("08:11", "status"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        {"url": f"/1.m4s?{CMCD.lower().replace('%3d', '%3D').replace('%2c', '%2C')}"},
        {"url": f"/1.m4s?{CMCD.replace('%', '%25')}"},
        {"url": '/1.m4s?token=a;b&CMCD=br=3000,d=4000,ot=v,sid="x"'},
        {"url": f"https://CDN.example:443/v/{CMCD}/1.m4s#t=1"},
        {"url": "/1.m4s", "headers": {"CMCD-Object": "br=3000,d=4000,ot=v", "CMCD-Session": 'sid="x"', "y": None}},
        {"url": "/1.m4s", "headers": {"CMCD-Object": "br%3D3000%2Cd%3D4000%2Cot%3Dv", "CMCD-Session": "sid=%22x%22"}},
        {"url": "/1.m4s", "headers": {"CMCD-Object": "br%3D3000%2Cd%3D4000%2Cot%3Dv", "CMCD-Session": "sid%3D%22x%22"}},
        {"url": f"get /1.m4s?{CMCD} HTTP/3"},
        {"url": f"/1.m4s?a=1;{CMCD}"},
        {"url": f"/1.m4s?a=1&amp;{CMCD}"},
        {"url": '/1.m4s?a=1&amp;cmcd=br=(3000;v),d=4000,ot=v,sid="x"'},
        {"url": "/1.m4s", "headers": {"Cookie": f"id=7; theme=d; {CMCD}; z=1"}},
        {
            "url": "/1.m4s",
            "headers": [
                {"name": "CMCD-Object", "value": "br=3000,d=4000,ot=v"},
                {"name": "CMCD-Session", "value": 'sid="x"'},
                {"name": 5},
            ],
        },
        {"url": f"/1.m4s?x=%zz&{CMCD}", "headers": None, "user_agent": None},
        {"url": f"GET /1.m4s?{CMCD} HTTP/1.1", "headers": "none", "user_agent": 5},
        {"url": "/1.m4s", "headers": [["CMCD-Object", "br=3000,d=4000,ot=v"], ["CMCD-Session", 'sid="x"'], ["y"]]},
        {
            "url": "/1.m4s",
            "headers": {"http_cmcd_object": ["br=3000,d=4000", "ot=v"], "cmcd_session": 'sid="x"', "z": 5},
        },
    ],
)
def test_cmcd_is_found_where_cdns_log_it(line: dict[str, object]) -> None:
    made = found(said(**line))
    (seen,) = map_records(made.reports).observed.to_pylist()
    assert (seen["session_id"], seen["requested_kbps"], seen["media_ms"]) == ("x", 3000, 4000)


def test_a_leap_second_is_the_second_before_it() -> None:
    (row,) = found(said(at="2016-12-31T23:59:60Z", url=f"/1.m4s?{CMCD}")).rows
    assert row["received_at"] == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_agent_is_read_though_it_is_escaped_and_a_dash_is_none() -> None:
    url = f"/1.m4s?{CMCD}"
    made = found(said(url=url, user_agent=CHROME.replace(" ", "%20")), said(url=url, user_agent="-"))
    assert [row.get("os") for row in made.rows] == ["windows", None]


def test_a_logs_own_remarks_are_no_lines() -> None:
    assert (found(b"#Version: 1.0", b"#Fields: date time").books, found(b"[]").bad[0][0]) == (Counter(), 1)


IN_LAYOUTS = {
    "nginx": nginx.with_layout('$host $msec "$request" "$http_user_agent"'),
    "varnish": varnish.with_layout('%{Host}i %{sec}t "%r" "%{User-Agent}i"'),
}


@pytest.mark.parametrize("layout", IN_LAYOUTS)
@pytest.mark.parametrize(
    ("written", "meant"),
    [(r"\ud800", "\ufffd"), (r"\uDFFF\ud800", "\ufffd\ufffd"), (r"\ud83d\ude00", "\U0001f600"), (r"\x00", ""),
     (r"\xed\xa0\x80", "\ufffd" * 3), (r"\u0000", "")],
)  # fmt: skip
def test_an_escape_that_no_table_holds_costs_neither_its_line_nor_the_file(
    layout: str, written: str, meant: str
) -> None:
    lines = [
        f'x{written}y {SECOND} "GET /1.m4s?{CMCD} HTTP/1.1" "App{written}/1.0 ({written})"',
        f'xy {SECOND} "GET /2.m4s?CMCD=sid%3D%22{written}%22 HTTP/1.1" "-"',
        f'xy {SECOND} "GET /3.m4s?{CMCD} HTTP/1.1" "-"',
    ]
    made = log_reports(IN_LAYOUTS[layout](enumerate((line.encode() for line in lines), 1)), "app", 8, NOW)
    rows = made.reports.to_pylist()
    assert [rows[0]["host"], rows[-1]["host"], rows[-1]["kafka_offset"]] == [f"x{meant}y", "xy", 3]
    assert len(rows) + len(made.bad) == 3 - made.outcomes("app")["filtered"].to_pylist()[0]


def test_a_record_is_kept_in_characters_that_a_table_holds() -> None:
    url = 'https://a\ud800.example/1.m4s?CMCD=br=3000,cid="\ud83d\ude00",sid="s",com.x="\udfff"'
    made = log_reports([(1, LoggedRequest(NOW, url, 200, "", ()))], "app", 8, NOW)
    (row,) = made.reports.to_pylist()
    assert (row["host"], row["record"]) == ("a\ufffd.example", 'br=3000,cid="\U0001f600",sid="s",com.x="\ufffd"')


def test_a_url_that_is_none_is_a_bad_line_and_the_others_stay() -> None:
    odd = LoggedRequest(NOW, "https://[a.example/1.m4s", 200, "", (("cmcd-session", 'sid="s"'),))
    plain = LoggedRequest(NOW, f"https://a.example/1.m4s?{CMCD}", 200, "", ())
    made = log_reports([(1, odd), (2, plain)], "app", 8, NOW)
    assert (made.reports["kafka_offset"].to_pylist(), made.bad) == ([2], [(1, "Invalid IPv6 URL")])


@pytest.mark.parametrize("source", registry.CDN_LOGS, ids=lambda source: source.name)
def test_an_overlong_line_is_a_bad_line_and_those_around_it_stay(source: registry.Source[LogParser]) -> None:
    lines = source.sample_bytes().splitlines(keepends=True)
    wanted = [entry for _, entry in source.parse(enumerate(lines, 1))]
    for filler in (lines[-1].strip(), b" "):
        overlong = filler * (1 + packing.LONGEST_LINE // len(filler)) + b"\n"
        log = io.BytesIO(b"".join([*lines[:-1], overlong, lines[-1]]))
        found = [entry for _, entry in source.parse(enumerate(packing.byte_lines(log, "log"), 1))]
        assert found.pop(-2) == UnreadableLine("the line is longer than 1 MiB")
        assert found == wanted
