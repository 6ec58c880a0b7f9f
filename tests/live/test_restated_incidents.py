"""Restated days in Postgres: one cause is one row from day to day, and what was said since is not taken back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from qoescope.catalog.faults import Fault, Window
from qoescope.catalog.operations import SESSION_ROWS
from qoescope.compile.fold import sessions
from qoescope.connect import postgres
from qoescope.connect.postgres import Write
from qoescope.emit.events import blocks
from qoescope.emit.scenario import DAY_MS, Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.monitor.jobs.search_day import search_day
from qoescope.settings import Settings
from qoescope.stack import assembly

pytestmark = pytest.mark.live

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
THIRD, FOURTH = date(2026, 1, 7), date(2026, 1, 8)
SLICE = {"cdn": "cascade"}
FAULT = Fault("leak", "", tuple(SLICE.items()), Window(0.5), "failures_a_minute", 0.02, "play_failure_ratio", 4.0)
"""From the third of four days on: some eighty plays a day break off, three an hour."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    run = Scenario(8_000, int(BEGIN.timestamp() * 1000), 4 * DAY_MS, 11, (FAULT,))
    rows = sessions(pa.concat_tables(list(blocks(simulated(run, Load(run), run.numbers(0))))))
    written = pa.repeat(pa.scalar(BEGIN + timedelta(days=5)), len(rows))
    settings = Settings(var=tmp_path_factory.mktemp("restated") / "var", postgres_port=0)
    with assembly.run_parts(settings, ("postgres",)) as (here, children):
        children.wait(["postgres"], 300)
        with postgres.connect(here, "writer") as connection, connection.transaction():
            postgres.upsert(connection, Write(SESSION_ROWS, rows.append_column("written_at", written)))
        yield here


def incidents(settings: Settings, day: date) -> list[tuple[Any, ...]]:
    """All that restated days have said, once this one was looked at."""
    search_day(settings, day)
    with postgres.connect(settings, "writer") as connection:
        shown = "id, state, slice, onset_at, last_seen_at, viewers, excess"
        return connection.execute(f"select {shown} from incidents where source = 'batch' order by opened_at").fetchall()


def test_a_cause_of_many_days_is_one_row_whichever_day_is_restated_again(stored: Settings) -> None:
    (opened,) = incidents(stored, THIRD)
    assert (opened[1], opened[2]) == ("confirmed", SLICE)
    assert abs(opened[3] - (BEGIN + timedelta(days=2))) <= timedelta(hours=6)
    assert opened[4] == BEGIN + timedelta(days=3)
    assert incidents(stored, THIRD) == [opened]

    (later,) = incidents(stored, FOURTH)
    assert (later[0], later[1], later[3], later[4]) == (
        opened[0], "confirmed", opened[3], BEGIN + timedelta(days=4),
    )  # fmt: skip
    assert later[5] > opened[5] > 0
    assert later[6] > opened[6] > 0
    assert incidents(stored, FOURTH) == [later]
    assert incidents(stored, THIRD) == [later]


def test_what_a_person_dismissed_stays_dismissed(stored: Settings) -> None:
    (known,) = incidents(stored, THIRD)
    with postgres.connect(stored, "writer") as connection:
        connection.execute("update incidents set state = 'dismissed' where id = %s", (known[0],))
    assert [row[:2] for row in incidents(stored, THIRD)] == [(known[0], "dismissed")]
