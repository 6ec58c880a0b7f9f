"""Akamai DataStream 2, as JSON and structured."""

import json
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from log_lines import CHROME, CMCD, report, request, seen

from qoescope.sources.cdn_logs import akamai

LINE = {
    "version": 2, "streamId": "1", "cp": "5", "reqTimeSec": "1795507800.250", "cliIP": "203.0.113.7",
    "statusCode": "206", "proto": "HTTPS", "reqHost": "a.example", "reqPath": "film/1.m4s", "queryStr": CMCD,
    "UA": quote_plus(CHROME), "country": "DE", "asn": "3320",
}  # fmt: skip
RECORD = 'br=3000,d=4000,ot=v,sid="x"'


def said(**change: object) -> str:
    return json.dumps({name: value for name, value in (LINE | change).items() if value is not None})


def test_a_line_tells_who_served_whom() -> None:
    made = report(akamai.parse, [said()])
    (row,) = made.reports.to_pylist()
    assert row["received_at"] == datetime(2026, 11, 24, 8, 10, 0, 250_000, UTC)
    assert (row["host"], row["status"], row["os"], row["device_type"]) == ("a.example", 206, "windows", "web")
    assert (row["cdn"], row["country_code"], row["asn"]) == ("akamai", "DE", "3320")
    assert "203.0.113.7" not in str(made.rows)
    assert request(akamai.parse, said()).url == f"https://a.example/film/1.m4s?{CMCD}"


@pytest.mark.parametrize(
    "change",
    [
        {"queryStr": "-", "cmcd": f"//1.0@V/{RECORD}"},
        {"queryStr": "^", "cmcd": f"//1.0@V/{quote(RECORD, safe='=,')}"},
        {"queryStr": None, "cmcd": RECORD},
        {"queryStr": None, "cmcd": quote(RECORD)},
        {"queryStr": None, "cookie": f"id=7; {CMCD}"},
        {"queryStr": f"?a=b&{CMCD}"},
        {"reqPath": "/film/1.m4s", "UA": "-", "country": "-", "asn": "-"},
        {"statusCode": None, "UA": None, "reqHost": None},
        {"reqTimeSec": 1795507800.25, "statusCode": 206},
        {"UA": quote(CHROME)},
    ],
)
def test_cmcd_is_found(change: dict[str, object]) -> None:
    assert seen(akamai.parse, said(**change)) == ("x", 3000, 4000)


@pytest.mark.parametrize("agent", [CHROME, quote(CHROME), quote_plus(CHROME), quote(quote(CHROME))])
def test_an_agent_is_read_however_it_is_escaped(agent: str) -> None:
    assert request(akamai.parse, said(UA=agent)).user_agent == CHROME


@pytest.mark.parametrize(
    "change", [{"reqTimeSec": None}, {"reqTimeSec": "-"}, {"reqTimeSec": True}, {"reqTimeSec": "0"}]
)
def test_a_line_without_a_time_is_kept_apart(change: dict[str, object]) -> None:
    made = report(akamai.parse, [said(**change)])
    assert (made.rows, len(made.bad)) == ([], 1)


@pytest.mark.parametrize("country", ["Germany", "D", "DEU", "1", None, "-"])
def test_a_country_is_two_letters_or_unknown(country: object) -> None:
    assert [row.get("country_code") for row in report(akamai.parse, [said(country=country)]).rows] == [None]


def test_structured_lines_have_the_fields_of_their_layout() -> None:
    parse = akamai.with_layout("reqTimeSec statusCode reqHost reqPath queryStr UA")
    line = f"1795507800.250 200 a.example film/1.m4s {CMCD} {quote(CHROME)}"
    assert seen(parse, line) == ("x", 3000, 4000)
    assert request(parse, line).user_agent == CHROME
    assert [number for number, _ in report(parse, [line, line + " more", "1795507800.250"]).bad] == [2, 3]
