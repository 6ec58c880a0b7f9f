"""CloudFront's logs: standard ones as JSON and in W3C's form, real-time ones with the fields that were chosen."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from log_lines import CHROME, CMCD, report, request, seen

from qoescope.catalog.errors import Mistake
from qoescope.sources.cdn_logs import cloudfront_json, cloudfront_realtime, w3c
from qoescope.sources.cdn_logs.cloudfront_realtime import ALL_FIELDS
from qoescope.sources.cdn_logs.requests import UnreadableLine

STANDARD = {
    "date": "2026-11-24", "time": "08:10:00", "x-edge-location": "FRA56-P1", "c-ip": "203.0.113.7", "cs-method": "GET",
    "cs(Host)": "d1.cloudfront.net", "cs-uri-stem": "/1.m4s", "sc-status": "200", "cs(User-Agent)": quote(CHROME),
    "cs-uri-query": CMCD, "cs(Cookie)": "-", "x-host-header": "a.example", "c-country": "de", "asn": "3320",
}  # fmt: skip
AT = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)


def standard(**change: object) -> str:
    return json.dumps({name: value for name, value in (STANDARD | change).items() if value is not None})


def realtime(layout: str = ALL_FIELDS, **change: str) -> str:
    cells = {
        "timestamp": "1795507800.123", "sc-status": "206", "cs-host": "d1.cloudfront.net", "cs-uri-stem": "/1.m4s",
        "cs-user-agent": quote(CHROME), "x-edge-location": "FRA56-P1", "c-ip": "203.0.113.7", "c-country": "DE",
    } | {name.replace("_", "-"): value for name, value in change.items()}  # fmt: skip
    return "\t".join(cells.get(name, "-") for name in layout.split())


def test_a_standard_log_tells_who_served_whom() -> None:
    made = report(cloudfront_json.parse, [standard()])
    (row,) = made.reports.to_pylist()
    assert (row["received_at"], row["host"], row["status"], row["os"]) == (AT, "a.example", 200, "windows")
    assert (row["cdn"], row["cdn_pop"], row["country_code"], row["asn"]) == ("cloudfront", "FRA56-P1", "DE", "3320")
    assert "203.0.113.7" not in str(made.rows)


def test_json_and_w3c_say_the_same() -> None:
    names = "#Fields: " + " ".join(STANDARD)
    _, (_, as_text) = w3c.parse([(1, names.encode()), (2, "\t".join(STANDARD.values()).encode())])
    assert as_text == request(cloudfront_json.parse, standard())


@pytest.mark.parametrize(
    "change",
    [
        {"cs-uri-query": CMCD.replace("%", "%25")},
        {"cs-uri-query": f"token=a%3Bb&{CMCD}"},
        {"cs-uri-query": "-", "cs(CMCD-Object)": "br=3000,d=4000,ot=v", "cs(CMCD-Session)": "sid=%22x%22"},
        {"cs-uri-query": "-", "cs(Cookie)": f"a=b;%20c=d; {CMCD}; e=f"},
        {"cs-uri-query": None, "cs-uri-stem": f"/v/{CMCD}/1.m4s"},
        {"sc-status": 200, "asn": 3320},
        {"cs(User-Agent)": None, "x-host-header": None},
        {"date": None, "time": None, "timestamp": "1795507800"},
        {"date": None, "time": None, "timestamp(ms)": "1795507800000"},
    ],
)
def test_cmcd_is_found_in_a_standard_log(change: dict[str, object]) -> None:
    assert seen(cloudfront_json.parse, standard(**change)) == ("x", 3000, 4000)
    assert request(cloudfront_json.parse, standard(**change)).at == AT


@pytest.mark.parametrize(
    "line", ["[]", "null", '"x"', "{}", standard(date=None, time=None), standard(time="soon"), "{"]
)
def test_a_line_that_is_none_says_so(line: str) -> None:
    made = report(cloudfront_json.parse, [line])
    assert (made.rows, [number for number, _ in made.bad]) == ([], [1])


@pytest.mark.parametrize(
    "change",
    [
        {"cs_uri_query": CMCD},
        {"cs_headers": quote('Host:a.example\nCMCD-Object:br=3000,d=4000,ot=v\nCMCD-Session:sid="x"\n')},
        {"cs_cookie": f"id=7;{CMCD}"},
        {"cmcd_encoded_bitrate": "3000", "cmcd_object_duration": "4000", "cmcd_object_type": "v",
         "cmcd_session_id": "x"},
        {"cmcd_encoded_bitrate": "3000", "cmcd_object_duration": "4000", "cmcd_object_type": "v",
         "cmcd_session_id": "%22x%22", "cmcd_buffer_starvation": "false", "cmcd_startup": "true"},
    ],
)  # fmt: skip
def test_cmcd_is_found_in_a_real_time_log(change: dict[str, str]) -> None:
    assert seen(cloudfront_realtime.parse, realtime(**change)) == ("x", 3000, 4000)


def test_flags_of_a_real_time_log_are_those_that_are_true() -> None:
    asked = request(cloudfront_realtime.parse, realtime(
        cmcd_session_id="x", cmcd_buffer_starvation="true", cmcd_startup="0", cmcd_next_object_request="..%2F2.m4s"
    ))  # fmt: skip
    assert asked.record == 'bs,nor="../2.m4s",sid="x"'


def test_only_the_fields_that_were_chosen_are_there() -> None:
    chosen = "timestamp, cs-uri-stem, cs-uri-query, sc-status"
    parse = cloudfront_realtime.with_layout(chosen)
    line = realtime(chosen.replace(",", ""), cs_uri_query=CMCD)
    assert seen(parse, line) == ("x", 3000, 4000)
    assert request(parse, line).context == ()
    ((_, other),) = parse([(1, realtime().encode())])
    assert isinstance(other, UnreadableLine)


@pytest.mark.parametrize("layout", ["cs-uri-stem", "timestamp", "at url", ","])
def test_a_layout_without_a_time_or_a_path_is_a_mistake(layout: str) -> None:
    with pytest.raises(Mistake, match="the layout"):
        cloudfront_realtime.with_layout(layout)
