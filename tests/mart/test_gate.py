"""The gate: a day that is as days are passes; a poisoned one is held, and the rule that holds it is named."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from qoescope.catalog.errors import UnknownName
from qoescope.catalog.quality import DAY_RULES, FEW, RULE_NAMES
from qoescope.compile import fold
from qoescope.mart import gate

Events = Callable[..., pa.Table]
DAY = date(2026, 1, 2)
NOW = datetime(2026, 1, 3, 2, tzinfo=UTC)
PLAY = (
    ("a", 1, "playback_request", "idle", 0),
    ("a", 2, "playback_start", "starting", 900),
    ("a", 3, "playback_stall", "playing", 40_000),
    ("a", 4, "playback_start", "stalled", 400),
    ("a", 5, "playback_finish", "playing", 20_000),
)
MANY = 2 * FEW


@pytest.fixture(scope="module")
def day(events: Events) -> pa.Table:
    """Sessions of many viewers, a second apart."""
    folded = fold.sessions(events(*PLAY))
    (row,) = folded.to_pylist()
    rows = [
        {**row, "session_id": f"s{n}", "viewer_id": f"v{n}", "started_at": row["started_at"] + timedelta(seconds=n)}
        for n in range(MANY)
    ]
    return pa.Table.from_pylist(rows, folded.schema)


def changed(rows: pa.Table, name: str, values: object) -> pa.Table:
    place = rows.column_names.index(name)
    return rows.set_column(
        place, rows.schema.field(place), pa.chunked_array([pa.array(values, rows.schema[place].type)])
    )


def usual(rows: pa.Table) -> gate.Usuals:
    """As if three days before had been like this one."""
    return gate.usual_values(pa.concat_tables([gate.check_sessions(rows, DAY - timedelta(days=1), now=NOW)] * 3))


def held_by(checks: pa.Table) -> list[str]:
    return checks.filter(pc.invert(checks["passed"]))["rule"].to_pylist()


def stored(rows: pa.Table, repeated: int = 0) -> pa.Table:
    n = len(rows)
    return pa.table([rows["property"], rows["session_id"], pa.array([repeated] * n, pa.int64())], schema=gate.STORED)


def test_a_day_like_the_days_before_passes_every_rule(day: pa.Table) -> None:
    checks = gate.check_sessions(day, DAY, stored(day), usual(day), {"app": MANY}, now=NOW)
    assert checks["rule"].to_pylist() == list(RULE_NAMES)
    assert (held_by(checks), gate.describe_failures(checks)) == ([], None)


def test_every_kind_of_rule_is_declared() -> None:
    assert {rule.kind for rule in DAY_RULES} == {
        "null", "range", "uniqueness", "reference", "volume", "distribution"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["device_type", "viewer_id", "app_version", "country_code", "startup_ms"])
def test_a_column_half_null_is_held(day: pa.Table, name: str) -> None:
    whole = day if name not in {"app_version", "country_code"} else changed(day, name, ["KR"] * MANY)
    halved = [value if n % 2 else None for n, value in enumerate(whole[name].to_pylist())]
    assert held_by(gate.check_sessions(changed(whole, name, halved), DAY, usual=usual(whole), now=NOW)) == [
        f"{name}_filled"
    ]


def test_what_a_property_never_sends_is_not_missed(day: pa.Table) -> None:
    bare = changed(day, "viewer_id", ["unknown"] * MANY)
    assert held_by(gate.check_sessions(bare, DAY, usual=usual(bare), now=NOW)) == []


def test_a_flood_of_duplicates_under_new_names_is_held(day: pa.Table) -> None:
    flood = pa.concat_tables([day, changed(day, "session_id", [f"copy{n}" for n in range(MANY)])])
    checks = gate.check_sessions(flood, DAY, usual=usual(day), now=NOW)
    assert held_by(checks) == ["one_press_one_session"]
    assert f"{MANY} of {2 * MANY} sessions of app" in (gate.describe_failures(checks) or "")


def test_a_flood_of_events_that_are_in_the_lake_twice_is_held(day: pa.Table, events: Events) -> None:
    assert gate.count_stored_events(events(*PLAY, *PLAY[:2])).to_pylist() == [
        {"property": "app", "session_id": "a", "repeated_events": 2}
    ]
    assert held_by(gate.check_sessions(day, DAY, stored(day, repeated=2), now=NOW)) == ["each_event_once"]


def test_a_metric_at_ten_times_its_usual_is_held_with_both_numbers(day: pa.Table) -> None:
    startup = changed(day, "startup_ms", [9_000] * MANY)
    checks = gate.check_sessions(startup, DAY, usual=usual(day), now=NOW)
    assert held_by(checks) == ["usual_startup_avg_ms"]
    assert "app has 9000, usually 900" in (gate.describe_failures(checks) or "")


def test_what_is_small_then_and_now_is_alike(day: pa.Table) -> None:
    failing = changed(day, "start_outcome", ["failed_technical" if n < 4 else "played" for n in range(MANY)])
    failing = changed(failing, "is_play", [n >= 4 for n in range(MANY)])
    assert held_by(gate.check_sessions(failing, DAY, usual=usual(day), now=NOW)) == []


def test_a_tenth_of_the_usual_sessions_is_held_once_the_day_is_over(day: pa.Table) -> None:
    tenth = day.slice(0, MANY // 10)
    assert held_by(gate.check_sessions(tenth, DAY, usual=usual(day), now=NOW)) == ["usual_volume"]
    assert held_by(gate.check_sessions(tenth, NOW.date(), usual=usual(day), now=NOW)) == []


def test_a_day_that_would_lose_half_of_what_people_see_is_held(day: pa.Table) -> None:
    assert held_by(gate.check_sessions(day.slice(0, MANY // 3), DAY, published={"app": MANY}, now=NOW)) == [
        "day_does_not_shrink"
    ]
    assert held_by(gate.check_sessions(day.slice(0, 0), DAY, published={"app": MANY}, now=NOW)) == [
        "day_does_not_shrink"
    ]


def test_a_session_without_events_is_held(day: pa.Table) -> None:
    checks = gate.check_sessions(day, DAY, stored(day.slice(1)), now=NOW)
    assert held_by(checks) == ["events_are_there"]
    assert f"1 of {MANY} sessions of app" in (gate.describe_failures(checks) or "")


def test_a_word_that_no_list_has_is_held(day: pa.Table) -> None:
    assert held_by(gate.check_sessions(changed(day, "drm", ["fairplay"] * (MANY - 1) + ["fairpay"]), DAY, now=NOW)) == [
        "values_are_known"
    ]


def test_a_negative_time_is_held_even_of_one_session(day: pa.Table) -> None:
    one = changed(day.slice(0, 1), "play_ms", [-1])
    complaint = gate.describe_failures(gate.check_sessions(one, DAY, now=NOW)) or ""
    assert "no_negative_time (no time is negative): 1 of 1 sessions of app" in complaint


def test_few_sessions_are_held_to_no_share(day: pa.Table) -> None:
    few = day.slice(0, FEW - 1)
    nameless = changed(few, "device_type", ["unknown"] * len(few))
    assert held_by(gate.check_sessions(nameless, DAY, usual=usual(day), now=NOW)) == []


def test_a_day_that_broke_a_rule_says_nothing_of_what_is_usual(day: pa.Table) -> None:
    bad = gate.check_sessions(changed(day, "startup_ms", [9_000] * MANY), DAY, usual=usual(day), now=NOW)
    good = gate.check_sessions(day, DAY - timedelta(days=1), now=NOW)
    assert gate.usual_values(pa.concat_tables([good, good, good, bad]))["app", "usual_startup_avg_ms"] == 900
    assert gate.usual_values(pa.concat_tables([good, good])) == {}


def test_properties_are_judged_apart(day: pa.Table) -> None:
    other = changed(changed(day, "property", ["shop"] * MANY), "device_type", ["unknown"] * MANY)
    checks = gate.check_sessions(pa.concat_tables([day, other]), DAY, now=NOW)
    assert [(row["property"], row["rule"]) for row in checks.to_pylist() if not row["passed"]] == [
        ("shop", "device_type_filled")
    ]


def test_a_person_may_let_a_rule_pass_by_name(day: pa.Table) -> None:
    startup = changed(day, "startup_ms", [9_000] * MANY)
    checks = gate.check_sessions(startup, DAY, usual=usual(day), accepted=["usual_startup_avg_ms"], now=NOW)
    assert gate.describe_failures(checks) is None
    with pytest.raises(UnknownName, match="did you mean 'usual_startup_avg_ms'"):
        gate.check_sessions(startup, DAY, accepted=["usual_startup_ms"], now=NOW)
