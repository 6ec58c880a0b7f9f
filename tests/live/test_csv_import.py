"""A CSV that is imported gives the marts that the events of its sessions give, and each file has its verdict."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from console_marts import UP_S, placed
from typer.testing import CliRunner

from qoescope.catalog.marts import SESSION_MARTS
from qoescope.cli import app as commands
from qoescope.compile import fold
from qoescope.compile.cube import cube
from qoescope.connect import postgres
from qoescope.emit import events, measures, rows
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import simulated
from qoescope.stack import assembly

pytestmark = pytest.mark.live
SESSIONS = 600
SAME = (
    "attempts", "plays", "startups", "startup_ms", "startups_unknown", "stalls", "stall_ms", "stalled_plays",
    "dropped_frames",
)  # fmt: skip
BAD = ",user,2025-10-12 10:00:00,web,UA,v1,c1,1500,1,800,3000,1080p,0,300,wifi,DE,isp,DE-1,,\n"


def test_marts_of_a_csv_are_those_of_its_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Scenario(sessions=SESSIONS, seed=23)
    s = simulated(run, Load(run), run.numbers(0))
    text = rows.HEADER + rows.csv_bytes(rows.rows(s.viewing, measures.measures(s))) + BAD.encode()
    packed, other = tmp_path / "sessions.csv.gz", tmp_path / "other.csv"
    packed.write_bytes(gzip.compress(text))
    other.write_text("when,who\n1,2\n")
    monkeypatch.setenv("QOESCOPE_VAR", str(tmp_path / "var"))
    command = ["import", "csv", str(packed), str(other), "--property", "demo", "--json"]
    with assembly.run_parts(placed(tmp_path / "var"), ("postgres",)) as (here, children):
        children.wait(["postgres"], UP_S)
        first, again = (CliRunner().invoke(commands.app, command) for _ in range(2))
        mart = SESSION_MARTS[0]
        columns = ", ".join(f"sum({name})::bigint" for name in (*SAME, "watched_ms", "paused_ms"))
        with postgres.connect(here, "reader") as connection:
            connection.execute("select set_config('qoescope.property', 'demo', false)")
            (imported,) = connection.execute(f"select {columns} from {mart.table.name}").fetchall()

    (verdict, refused), (repeated, _) = json.loads(first.stdout), json.loads(again.stdout)
    assert (first.exit_code, "first line must name" in refused["error"]) == (2, True)
    assert (verdict["rows"], verdict["sessions"], verdict["changed"], verdict["error"]) == (601, 600, 600, None)
    assert verdict["reasons"] == [{"reason": "session_id is empty or too long", "rows": 1, "first_line": 602}]
    assert (repeated["sessions"], repeated["changed"]) == (600, 0)

    folded = cube(fold.sessions(pa.concat_tables([events.plain(block) for block in events.blocks(s)])), mart)
    expected = {name: pc.sum(folded[name]).as_py() for name in (*SAME, "watched_ms", "paused_ms")}
    found = dict(zip((*SAME, "watched_ms", "paused_ms"), imported, strict=True))
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
    assert abs(found["watched_ms"] - expected["watched_ms"]) < 0.001 * expected["watched_ms"]
    assert (found["paused_ms"], expected["paused_ms"] > 0) == (0, True)
