"""Access logs in a format of the user's: nginx's log_format, and the format of Varnish and Apache."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_lines import CHROME, CMCD, report, request, seen

from qoescope.catalog.errors import Mistake
from qoescope.sources.cdn_logs import nginx, varnish

AT = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
WITH_HEADERS = (
    'log_format cmcd \'$host [$time_local] "$request" $status "$http_user_agent" \'\n'
    '    \'"$http_cmcd_object" "$http_cmcd_session"\';'
)
AS_JSON = (
    'log_format json escape=json \'{"time":"$time_iso8601","uri":"$request_uri","host":"$host","status":"$status",'
    '"ua":"$http_user_agent","object":"$http_cmcd_object","session":"$http_cmcd_session"}\';'
)
OBJECT, SESSION = "br=3000,d=4000,ot=v", 'sid="x"'
TIME = "[24/Nov/2026:08:10:00 +0000]"
BARE, ASKED = '"GET /1.m4s HTTP/1.1"', f'"GET /1.m4s?{CMCD} HTTP/2.0"'
RECORD = CMCD.removeprefix("CMCD=")
IN_JSON = {
    "time": "2026-11-24T08:10:00+00:00",
    "uri": "/1.m4s",
    "host": "a",
    "status": "200",
    "ua": 'a "b"',
    "object": OBJECT,
    "session": SESSION,
}


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (nginx.COMBINED, f'203.0.113.7 - bob {TIME} {ASKED} 200 5 "-" "{CHROME}"'),
        (nginx.COMBINED, rf'::1 - - {TIME} {ASKED} 206 0 "http://b/?q=\x22" "a \x22b\x22 \x5C"'),
        (nginx.COMBINED, f'::1 - - [24/Nov/2026:09:10:00 +0100] {ASKED} 200 0 "-" "-"'),
        (WITH_HEADERS, rf'a.example {TIME} {BARE} 200 "{CHROME}" "{OBJECT}" "sid=\x22x\x22"'),
        (AS_JSON, json.dumps(IN_JSON, separators=(",", ":"))),
        ("$msec $request_uri $status", f"1795507800.000 /1.m4s?{CMCD} 499"),
        ("$msec\t${uri}\t$args\t$status", f"1795507800.000\t/1.m4s\t{CMCD}\t200"),
        ("$time_iso8601 $status $uri $arg_cmcd", f"2026-11-24T08:10:00+00:00 200 /1.m4s {RECORD}"),
        ("$time_local|$request_uri|$cookie_cmcd|$status", f"{TIME[1:-1]}|/1.m4s|{RECORD}|200"),
        ('$status [$time_local] "$request" "$http_cookie"', f'200 {TIME} {BARE} "id=7; {CMCD}"'),
        ('"$request" $upstream_response_time $msec', f"{ASKED} 0.001, 0.002 1795507800.000"),
    ],
)
def test_a_line_of_nginx_is_read_by_its_format(layout: str, line: str) -> None:
    parse = nginx.with_layout(layout)
    assert seen(parse, line) == ("x", 3000, 4000)
    assert request(parse, line).at == AT


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (varnish.COMBINED, f'203.0.113.7 - - {TIME} "GET http://a/1.m4s?{CMCD} HTTP/1.1" 200 5 "-" "{CHROME}"'),
        ('%t "%r" %>s "%{CMCD-Object}i" "%{CMCD-Session}i"', rf'{TIME} {BARE} 200 "{OBJECT}" "sid=\"x\""'),
        ("%{%Y-%m-%dT%H:%M:%S%z}t %s %U%q %b", f"2026-11-24T08:10:00+0000 200 /1.m4s?{CMCD} 5"),
        ("%{sec}t %{Host}i %U %q %s %D", f"1795507800 a.example /1.m4s ?{CMCD} 200 512"),
        ("%{msec}t 100%% %U %{CMCD}C", f"1795507800000 100% /1.m4s {RECORD}"),
        ('%v %t "%!200,304r" %400,501{User-agent}i', f"a {TIME} {ASKED} -"),
    ],
)
def test_a_line_of_varnish_or_apache_is_read_by_its_format(layout: str, line: str) -> None:
    parse = varnish.with_layout(layout)
    assert seen(parse, line) == ("x", 3000, 4000)
    assert request(parse, line).at == AT


def test_a_host_of_its_own_field_is_the_urls() -> None:
    parse = nginx.with_layout('$host [$time_local] "$request"')
    assert request(parse, 'a.example [24/Nov/2026:08:10:00 +0000] "GET /1 HTTP/1.1"').url == "https://a.example/1"


@pytest.mark.parametrize(
    ("make", "layout", "why"),
    [
        (nginx.with_layout, "$request $status", "has no at"),
        (nginx.with_layout, "[$time_local] $status", "has no url or path"),
        (nginx.with_layout, "", "has no at"),
        (nginx.with_layout, "$msec$request_uri", "need a text between them"),
        (varnish.with_layout, "%h %s", "has no at"),
        (varnish.with_layout, "%t %U%b", "need a text between them"),
    ],
)
def test_a_format_that_cannot_be_read_is_a_mistake(make: object, layout: str, why: str) -> None:
    with pytest.raises(Mistake, match=why):
        make(layout)  # type: ignore[operator]


@given(st.text(max_size=200))
def test_any_line_is_a_request_or_says_why_not(line: str) -> None:
    for parse in (nginx.parse, varnish.parse):
        made = report(parse, [line, f'1 - - [24/Nov/2026:08:10:00 +0000] "{line}" 200 5 "-" "{line}"'])
        assert len(made.rows) + made.without_cmcd + len(made.bad) + (not line.strip() or line.startswith("#")) == 2
