"""What the demo says of incidents beside what was injected."""

from typing import Any

from qoescope.stack import findings

BEGIN, LATE, END = "2026-01-02T20:00:00+00:00", "2026-01-02T20:58:00+00:00", "2026-01-02T21:00:00+00:00"


def key(*faults: dict[str, Any], decoys: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"scenario": {"end_at": END}, "faults": list(faults), "decoys": list(decoys)}


def fault(slice_: dict[str, str], sessions: int = 400, end_at: str = BEGIN, kind: str = "fault") -> dict[str, Any]:
    return {"name": "broken", "kind": kind, "slice": slice_, "sessions": sessions, "end_at": end_at}


def incident(slice_: dict[str, Any], state: str = "closed") -> dict[str, Any]:
    return {"slice": slice_, "slice_name": str(slice_), "state": state, "viewers": 9}


CDN = {"cdn": "cascade"}
TELEVISIONS = {"cdn": "cascade", "device_type": "smart_tv"}


def test_a_fault_named_exactly_and_closed_is_no_problem() -> None:
    assert findings.problems(key(fault(CDN)), [incident(CDN)]) == []
    assert findings.problems(key(fault(CDN)), [incident({"cdn": ["cascade"]})]) == []


def test_a_large_fault_that_is_missed_or_named_beside_it_is_a_problem() -> None:
    (missed,) = findings.problems(key(fault(CDN)), [])
    (beside,) = findings.problems(key(fault(CDN)), [incident(TELEVISIONS)])
    assert missed == "the monitor did not name broken (cdn cascade): not found"
    assert beside == "the monitor did not name broken (cdn cascade): found beside it"


def test_a_fault_that_touched_few_is_not_owed() -> None:
    assert findings.problems(key(fault(CDN, sessions=99)), []) == []


def test_an_incident_must_close_once_its_fault_is_long_over() -> None:
    (said,) = findings.problems(key(fault(CDN)), [incident(CDN, "confirmed")])
    assert said == "the monitor did not close broken (cdn cascade): confirmed"
    assert findings.problems(key(fault(CDN, end_at=LATE)), [incident(CDN, "confirmed")]) == []


def test_an_incident_that_nothing_explains_is_a_problem_and_so_is_a_reported_decoy() -> None:
    (made_up,) = findings.problems(key(), [incident({"isp": "vivo"})])
    (reported,) = findings.problems(key(decoys=(fault(CDN, kind="decoy"),)), [incident(CDN)])
    assert made_up == "the monitor named {'isp': 'vivo'}, where nothing was broken"
    assert reported == "the monitor named {'cdn': 'cascade'}, where nothing was broken"


def test_a_silent_decoy_is_said_to_be_rightly_silent() -> None:
    (row,) = findings.match_incidents(key(decoys=(fault(CDN, kind="decoy"),)), [])
    assert row["verdict"] == "rightly silent"


def test_an_exact_name_goes_to_its_own_fault_first() -> None:
    wide, narrow = fault(CDN), fault(TELEVISIONS) | {"name": "narrow"}
    rows = findings.match_incidents(key(wide, narrow), [incident(TELEVISIONS), incident(CDN)])
    assert [row["verdict"] for row in rows] == ["found", "found"]
