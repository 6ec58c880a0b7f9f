"""CMCD reports are told apart by session and kept as text."""

import json

import pytest

from qoescope.ingest import openapi, reports
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival

START = 'e=ps,sid="x",sta=s,ts=1762000000000,v=2'
PLAY = 'e=ps,sid="x",sta=p,ts=1762000001000,v=2'
OTHER = 'e=ps,sid="y",sta=s,ts=1762000000000,v=2'
ARRIVAL = Arrival("shop", 1_762_000_002_000, b"k" * 32, {"user-agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0"})


def found(*lines: str, kind: str = "application/cmcd") -> reports.CmcdReports:
    return reports.parse_body("\n".join(lines).encode(), kind)


def test_a_body_becomes_one_record_a_session_in_the_order_of_its_lines() -> None:
    sent = reports.report_records(found(START, OTHER, PLAY), ARRIVAL, "/v1/cmcd")
    assert [(record.key, json.loads(record.value)["cmcd"]) for record in sent] == [
        (b"x", [START, PLAY]),
        (b"y", [OTHER]),
    ]
    said = json.loads(sent[0].value)
    assert said["counts"] == {"received": 2, "accepted": 2, "duplicate": 0, "invalid": 0, "filtered": 0}
    assert (said["property"], said["target"], said["mode"]) == ("shop", "/v1/cmcd", "event")
    assert said["session"]["session_id"] == "x"
    assert said["session"]["os"] == "windows"


def test_repeated_lines_are_kept_since_the_mapping_knows_what_they_are() -> None:
    assert found(START, START).sessions == {"x": [START, START]}


def test_a_report_without_session_is_filtered_and_an_unread_one_a_dead_letter() -> None:
    some = found(START, "e=ps,sta=s,v=2", "(((")
    assert (some.counts.received, some.counts.accepted, some.counts.invalid, some.counts.filtered) == (3, 1, 1, 1)
    sent = reports.report_records(some, ARRIVAL, "/v1/cmcd")
    assert [record.topic for record in sent] == ["beacons", "beacons", "dead_letters"]
    counts = [json.loads(record.value)["counts"] for record in sent[:2]]
    assert [sum(count[name] for count in counts) for name in ("received", "accepted", "invalid", "filtered")] == [
        3,
        1,
        1,
        1,
    ]


def unknown(found: reports.CmcdReports) -> list[dict[str, int]]:
    """What each record of the log says of values that were left out."""
    return [
        json.loads(record.value).get("unknown", {}) for record in reports.report_records(found, ARRIVAL, "/v1/cmcd")
    ]


def test_values_that_are_left_out_travel_as_counts_by_key_and_session() -> None:
    far = 'br=(99999999),e=t,msd=99999999999999,sid="x",ts=1762000002000,v=2'
    some = found(START, far, far, OTHER, "e=t,rtp=-1,v=2", "v=9")
    assert unknown(some) == [{"cmcd:br": 2, "cmcd:msd": 2}, {}, {"cmcd:rtp": 1, "cmcd:v": 1}]
    assert dict(some.left_out) == {"cmcd:br": 2, "cmcd:msd": 2, "cmcd:rtp": 1, "cmcd:v": 1}


def test_a_value_without_a_form_is_counted_also_where_its_record_is_put_together() -> None:
    objects = '[{"br": 1e30, "sid": "x", "st": NaN, "nobody-knows": {"a": 1}, "unheard": {}, "v": 2}]'
    assert unknown(found(objects, kind="application/json")) == [{"cmcd:br": 1, "cmcd:st": 1, "cmcd:custom": 1}]
    headers = [("cmcd-session", 'sid="h",v=2'), ("cmcd-object", "br=(9999999999999999),d=-5")]
    assert unknown(reports.parse_request(headers, "")) == [{"cmcd:br": 1, "cmcd:d": 1}]
    assert unknown(reports.parse_request([], "CMCD=br%3D9999999999999999%2Csid%3D%22x%22")) == [{"cmcd:br": 1}]


def test_what_is_a_dead_letter_is_not_counted_by_key_as_well() -> None:
    some = found("msd=NaN", START)
    assert (some.counts.invalid, some.unknown) == (1, {})


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"((((", "application/cmcd", 400),
        (b"", "application/cmcd", 400),
        (START.encode(), "image/png", 415),
        (b"\n".join([START.encode()] * 1001), "application/cmcd", 413),
    ],
)
def test_a_body_without_any_record_is_refused_whole(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        reports.parse_body(body, kind)
    assert (refused.value.status, refused.value.body) == (status, body)


def test_a_report_may_travel_in_query_or_headers() -> None:
    assert reports.parse_request([], "key=k&CMCD=e%3Dps%2Csid%3D%22x%22%2Csta%3Ds%2Cv%3D2").sessions.keys() == {"x"}
    assert reports.parse_request([("cmcd-session", 'sid="h",v=2')], "").sessions.keys() == {"h"}
    with pytest.raises(Refused):
        reports.parse_request([], "key=k")


def test_the_openapi_document_names_each_route_and_resolves_each_reference() -> None:
    document = openapi.described()
    assert set(document["paths"]) == {"/v1/beacons", "/v1/cmcd", "/livez", "/readyz"}
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas
    assert json.loads(openapi.document()) == json.loads(text)
