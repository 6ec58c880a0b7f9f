"""Days in the lake, restated into Postgres: poison stops at the gate, late events change what they must and no more.

Long because one lake of a few days serves every case.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import recomputed
from poisons import POISONS, altered, replaced, slow, viewers

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.ask import ask
from qoescope.connect.lake.compaction import vacuum_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import commit_files, split_parts, write_files
from qoescope.ingest.jobs import manage_keys
from qoescope.mart import gate
from qoescope.mart.jobs.forget import find_pseudonyms, forget_viewer
from qoescope.mart.jobs.restate import restate_day
from qoescope.settings import Settings
from qoescope.stack import assembly

pytestmark = pytest.mark.live
FIRST, DAYS, SESSIONS = date(2026, 1, 5), 4, 1_200
LAST = FIRST + timedelta(days=DAYS - 1)
UP_S = 300.0
FOREVER = 10_000


@dataclass
class Days:
    """A lake with a few days of viewers, and Postgres beside it."""

    settings: Settings
    events: pa.Table

    def of(self, day: date) -> pa.Table:
        """The day's events as they came."""
        return self.events.filter(pc.equal(self.events["session_day"], pa.scalar(day)))

    def holds(self, day: date, events: pa.Table) -> None:
        """The lake has these events of the day, and no others."""
        replaced(self.settings, day, events)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of Postgres."""
        with postgres.connect(self.settings, "writer") as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def marts(self) -> dict[date, str]:
        """What people see of each day, as a checksum."""
        seen = " union all ".join(
            f"select day, '{name}' || t::text as line from {name} t"
            for name in ("sessions", *(mart.name for mart in SESSION_MARTS))
        )
        return dict(self.rows(f"select day, md5(string_agg(line, '|' order by line)) from ({seen}) s group by day"))


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    """Four days, each restated once."""
    settings = Settings(
        var=tmp_path_factory.mktemp("days") / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0,
        console_port=0, events_days=FOREVER, sessions_days=FOREVER, lake_buckets=1,
    )  # fmt: skip
    with assembly.run_parts(settings, ("postgres",)) as (here, children):
        children.wait(["postgres"], UP_S)
        made = Days(here, viewers(FIRST, DAYS, SESSIONS))
        ensure_tables(here)
        files = [f for part in split_parts(made.events) for f in write_files(here, EVENTS, part)]
        commit_files(open_table(here, EVENTS), EVENTS, files, "test", 1)
        for n in range(DAYS):
            restate_day(here, FIRST + timedelta(days=n))
        yield made


@pytest.mark.parametrize("rule", POISONS)
def test_a_poisoned_day_stops_at_the_gate_and_people_see_the_last_good_version(days: Days, rule: str) -> None:
    before = days.marts()
    days.holds(LAST, POISONS[rule](days.of(LAST)))
    with pytest.raises(gate.BrokenDay, match=rf"^{LAST} stays out of the marts, it breaks .*{rule} \("):
        restate_day(days.settings, LAST)
    assert days.marts() == before
    red = days.rows("select rule from checks where property = 'demo' and day = %s and not passed", LAST)
    assert rule in {name for (name,) in red}
    days.holds(LAST, days.of(LAST))
    restate_day(days.settings, LAST)
    assert days.rows("select count(*) from checks where not passed") == [(0,)]


def test_a_person_may_publish_what_the_gate_held(days: Days) -> None:
    days.holds(LAST, slow(days.of(LAST)))
    before = days.marts()
    restate_day(days.settings, LAST, accepted=["usual_startup_avg_ms", "usual_experience_score"])
    after = days.marts()
    assert {day for day in after if after[day] != before[day]} == {LAST}
    days.holds(LAST, days.of(LAST))
    restate_day(days.settings, LAST, accepted=["usual_startup_avg_ms", "usual_experience_score"])


def test_a_property_that_breaks_a_rule_holds_up_no_other(days: Days) -> None:
    def seen() -> dict[str, int]:
        return dict(days.rows("select property, sum(startup_ms)::bigint from sessions where day = %s group by 1", LAST))

    def marts() -> dict[str, int]:
        sums = "select property, sum(startup_ms)::bigint from quality_day where day = %s and grouping = '' group by 1"
        return dict(days.rows(sums, LAST))

    good, other = seen(), altered(days.of(LAST), "property", "'other'")
    days.holds(LAST, pa.concat_tables([slow(days.of(LAST)), other]))
    with pytest.raises(gate.BrokenDay, match="demo has"):
        restate_day(days.settings, LAST)
    assert seen() == marts() == {**good, "other": good["demo"]}
    with pytest.raises(gate.BrokenDay, match="demo has"):
        restate_day(days.settings, LAST)
    assert seen() == marts() == {**good, "other": good["demo"]}
    days.holds(LAST, days.of(LAST))
    restate_day(days.settings, LAST, accepted=["day_does_not_shrink"])
    assert seen() == good


def test_late_events_change_their_own_day_once(days: Days) -> None:
    whole, day = days.of(FIRST), FIRST
    with duckdb.connect() as engine:
        engine.register("whole", whole)
        late = engine.sql(
            "select property, session_id, max(seq) as seq from whole where hash(session_id) % 9 = 0 group by all"
        )
        late = late.to_arrow_table()
        engine.register("late", late)
        engine.execute("set timezone = 'UTC'")
        early = arrow.conform(
            engine.sql("from whole anti join late using (property, session_id, seq)").to_arrow_table(), EVENTS
        )
    good = days.marts()
    days.holds(day, early)
    assert restate_day(days.settings, day).changed > 0
    without, versions = days.marts(), sessions(days, day)
    days.holds(day, whole)
    assert restate_day(days.settings, day).changed > 0
    again, later = days.marts(), sessions(days, day)
    assert {d for d in again if again[d] != without[d]} == {day}
    raised = {session for session, (version, _) in later.items() if version > versions.get(session, (0, ""))[0]}
    assert raised <= set(late["session_id"].to_pylist())
    assert raised == {session for session, (_, row) in later.items() if row != versions.get(session, (0, ""))[1]}
    done = days.rows("select count(*) from restatements where day = %s", day)
    assert restate_day(days.settings, day).changed == 0
    assert (days.marts(), days.rows("select count(*) from restatements where day = %s", day)) == (again, done)
    assert good.keys() == again.keys()


def test_a_session_that_does_not_say_when_it_began_is_one_over_any_number_of_midnights(days: Days) -> None:
    good = days.marts()
    said = days.of(FIRST)
    unsaid = altered(said, "session_started_at", "case when hash(session_id) % 5 > 0 then session_started_at end")
    midnights = f"least(row_number() over (partition by session_id order by seq) // 4, {DAYS - 1})::int"
    spread = altered(
        unsaid, "session_day", f"session_day + case when session_started_at is null then {midnights} else 0 end"
    )
    assert spread["session_started_at"].null_count > 100
    whole = pa.concat_tables([spread, *(days.of(FIRST + timedelta(days=n)) for n in range(1, DAYS))])
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        days.holds(day, whole.filter(pc.equal(whole["session_day"], pa.scalar(day))))
    assert [restate_day(days.settings, FIRST + timedelta(days=n)).changed for n in range(DAYS)] == [0] * DAYS
    assert days.marts() == good
    for n in range(DAYS):
        days.holds(FIRST + timedelta(days=n), days.of(FIRST + timedelta(days=n)))


def sessions(days: Days, day: date) -> dict[str, tuple[int, str]]:
    """(version, everything measured) of each session."""
    rows = days.rows(
        "select session_id, version, (to_jsonb(s) - 'version' - 'written_at')::text from sessions s where day = %s", day
    )
    return {session: (version, text) for session, version, text in rows}


def test_marts_are_what_other_sql_makes_of_the_lake_s_files(days: Days) -> None:
    with recomputed.opened(days.settings, "demo") as engine:
        for mart in SESSION_MARTS:
            step, names = f"{mart.every_s} seconds", {m.name for m in mart.measures}
            measures = {name: sql for name, sql in recomputed.SESSIONS.items() if name in names}
            again = recomputed.cubed("sessions", step, "started_at", mart.groupings, measures)
            keys = ("starts_at", "grouping", "value_1", "value_2")
            assert recomputed.differing(engine, days.settings, mart.table, "demo", again, keys) == []


def test_metrics_histograms_and_viewers_are_those_of_other_sql(days: Days) -> None:
    between = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    with recomputed.opened(days.settings, "demo") as engine, postgres.pool(days.settings, "reader", 1) as reader:
        asked = ask(reader, "demo", [*recomputed.RATIOS, "viewers"], between, ["device_type"]).rows
        sums = ", ".join(f"{sql} as {name}" for name, sql in recomputed.RATIOS.items())
        again = engine.sql(f"select device_type, {sums}, count(distinct viewer_id) as viewers from attempts group by 1")
        ours = {row["device_type"]: row for row in again.to_arrow_table().to_pylist()}
        assert {row["device_type"] for row in asked} == set(ours)
        for row in asked:
            wanted = ours[row["device_type"]]
            for name in recomputed.RATIOS:
                assert row[name] == pytest.approx(wanted[name], rel=1e-9, abs=1e-12), (name, row["device_type"])
            assert row["viewers"] == pytest.approx(wanted["viewers"], rel=0.03, abs=1)
        for name, value in recomputed.HISTOGRAMS.items():
            stored = days.rows(
                f"select i - 1, sum(n)::bigint from quality_day, unnest({name}) with ordinality as u(n, i) "
                "where property = 'demo' and grouping = '' group by 1 having sum(n) > 0"
            )
            counted = engine.sql(
                f"select len(list_filter({recomputed.EDGES}, lambda edge: edge <= ms)) as bucket, count(*) "
                f"from (select {value} as ms from sessions) where ms is not null group by 1"
            ).fetchall()
            assert sorted(stored) == sorted(counted)


def test_no_byte_of_an_erased_viewer_is_left_and_the_others_stay(days: Days) -> None:
    settings, person = days.settings, "ada@example.com"
    manage_keys.viewer_secret(settings)
    (name,) = find_pseudonyms(settings, "demo", person)
    chosen = pc.unique(days.of(FIRST)["viewer_id"])[0].as_py()
    days.holds(
        FIRST,
        altered(days.of(FIRST), "viewer_id", f"case when viewer_id = '{chosen}' then '{name}' else viewer_id end"),
    )
    restate_day(settings, FIRST)
    assert holding(settings.var / "lake", name)
    others = days.rows("select count(*), sum(watched_ms) from sessions where viewer_id <> %s", name)
    mine = days.rows("select sum(event_count), sum(watched_ms) from sessions where viewer_id = %s", name)
    assert days.rows("select sum(events), sum(watched_ms) from viewer_day where value_1 = %s", name) == mine
    receipt = forget_viewer(settings, "demo", [name])
    assert (receipt.events > 0, receipt.sessions > 0) == (True, True)
    for table in (EVENTS, SESSION_VERSIONS):
        vacuum_table(settings, table, hours=0)
    assert holding(settings.var / "lake", name) == holding(settings.var / "lake", person) == []
    for held in ("sessions", *(mart.name for mart in SESSION_MARTS)):
        assert days.rows(f"select count(*) from {held} t where strpos(t::text, %s) > 0", name) == [(0,)], held
    assert days.rows("select count(*), sum(watched_ms) from sessions") == others
    for total in ("quality_day where grouping = ''", "viewer_day"):
        assert days.rows(f"select sum(watched_ms) from {total}")[0][0] == others[0][1]


def holding(folder: Path, text: str) -> list[Path]:
    """Files with this text, also inside Parquet's packed pages."""
    found = []
    with duckdb.connect() as engine:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed = path.suffix == ".parquet" and engine.execute(
                "select count(*) from read_parquet($path, hive_partitioning = false) t "
                "where contains(t::varchar, $text)",
                {"path": str(path), "text": text},
            ).fetchall() != [(0,)]
            if packed or text.encode() in path.read_bytes():
                found.append(path)
    return found
