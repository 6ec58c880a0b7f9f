"""Several beacons in one body: each has its verdict, and a broken one costs itself alone."""

import json

import pytest

from qoescope.ingest import answers, batches, records
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.limits import Limits

NOW = 1_762_000_000_000
GOOD = {"seq": 1, "at": NOW, "type": "heartbeat", "state": "playing", "state_ms": 10_000}
ARRIVAL = Arrival("shop", NOW, b"k" * 32, {})


def beacon(session: str, *events: object) -> dict[str, object]:
    return {"session": {"session_id": session}, "events": list(events or (GOOD,))}


def line(session: str, *events: object) -> str:
    return json.dumps(beacon(session, *events))


def outcomes(body: str) -> list[tuple[int, int, int]] | None:
    """(received, accepted, invalid) by beacon; None for a body of one."""
    parts = batches.split_batch(body.encode())
    if parts is None:
        return None
    return [
        (j.counts.received, j.counts.accepted, j.counts.invalid) for j in batches.judge_all(parts, ARRIVAL, Limits())
    ]


@pytest.mark.parametrize(
    "body",
    [
        line("a"),
        "\n " + line("a") + "\n\n",
        json.dumps(beacon("a", GOOD, {**GOOD, "seq": 2}), indent=1),
        json.dumps(beacon("a", GOOD, {**GOOD, "seq": 2}), indent=1)[:-1],
        '{"session":{"session_id":"a"},"events":[\n' + json.dumps(GOOD) + "\n]}",
        "no json\n" + "{}",
        "",
    ],
)
def test_one_beacon_is_one_however_its_lines_are_broken(body: str) -> None:
    assert outcomes(body) is None


@pytest.mark.parametrize(
    "body",
    [
        f"[{line('a')},{line('b')}]",
        f"\ufeff [\n{line('a')} ,\n {line('b')}\n]\n",
        f"{line('a')}\n{line('b')}",
        f"{line('a')}\r\n\r\n  {line('b')}\r\n",
        f"\ufeff{line('a')}\n{line('b')}\n",
    ],
)
def test_several_are_taken_as_an_array_or_one_a_line(body: str) -> None:
    assert outcomes(body) == [(1, 1, 0), (1, 1, 0)]


@pytest.mark.parametrize(
    ("broken", "counted"),
    [
        ("{}", (1, 0, 1)),
        ("5", (1, 0, 1)),
        ("null", (1, 0, 1)),
        ('"text"', (1, 0, 1)),
        ('{"session":{"session_id":"x"}}', (1, 0, 1)),
        ('{"session":{},"events":[1,2]}', (2, 0, 2)),
        ('{"session":{},"events":[]}', (0, 0, 0)),
        (line("x", GOOD, 5, {**GOOD, "seq": 2}), (3, 2, 1)),
    ],
)
@pytest.mark.parametrize("form", ["[{},{},{}]", "{}\n{}\n{}"])
def test_a_broken_beacon_costs_itself_alone(form: str, broken: str, counted: tuple[int, int, int]) -> None:
    assert outcomes(form.format(line("a"), broken, line("b"))) == [(1, 1, 0), counted, (1, 1, 0)]


def test_a_line_that_is_no_json_costs_itself_alone() -> None:
    body = f"{line('a')[:-1]}\n{line('b')}\n garbage"
    assert outcomes(body) == [(1, 0, 1), (1, 1, 0), (1, 0, 1)]


def test_half_an_emoji_in_one_element_costs_none() -> None:
    assert outcomes('[{"session":{"session_id":"a","content_title":"x\\ud83d"},"events":[]},' + line("b") + "]") == [
        (0, 0, 0),
        (1, 1, 0),
    ]


@pytest.mark.parametrize(("body", "status"), [("[]", 400), ("[1", 400), ("[" * 9_999, 400)])
def test_an_array_of_no_beacon_is_refused_whole(body: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        batches.split_batch(body.encode())
    assert (refused.value.status, refused.value.body) == (status, body.encode())


def test_an_array_of_too_many_is_refused_whole() -> None:
    with pytest.raises(Refused) as refused:
        batches.split_batch(f"[{','.join(['{}'] * 1_001)}]".encode())
    assert refused.value.status == 413


def test_each_session_has_its_own_record_and_each_bad_beacon_its_letter() -> None:
    parts = batches.split_batch(f"[{line('a')},5,{line('b', GOOD, 7)}]".encode())
    assert parts is not None
    judged = batches.judge_all(parts, ARRIVAL, Limits())
    written = [record for found in judged for record in records.beacon_records(found, ARRIVAL)]
    assert [(r.topic, r.key) for r in written] == [
        ("beacons", b"a"),
        ("beacons", None),
        ("dead_letters", b"shop"),
        ("beacons", b"b"),
        ("dead_letters", b"shop"),
    ]
    counted = [json.loads(r.value)["counts"] for r in written if r.topic == "beacons"]
    assert sum(c["received"] for c in counted) == 4
    told = json.loads(answers.batch_answer(judged))
    assert {name: told[name] for name in ("received", "accepted", "invalid")} == {
        "received": 4,
        "accepted": 2,
        "invalid": 2,
    }
    assert [(v["beacon"], v["index"], v["outcome"]) for v in told["results"]] == [(1, 0, "invalid"), (2, 1, "invalid")]
