"""The fold of the delivered events is the CSV's row, column by column."""

import csv
import io
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from qoescope.catalog.data_set import COLUMNS
from qoescope.compile import fold
from qoescope.emit import events, measures, rows
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.simulation import Sessions, simulated


def folded(s: Sessions) -> list[dict[str, object]]:
    """Session rows by the one definition, in the order of the CSV."""
    told = pa.concat_tables([events.plain(block) for block in events.blocks(s)])
    by_id = {row["session_id"]: row for row in fold.sessions(told).to_pylist()}
    return [by_id[name] for name in rows.session_ids(s.viewing).to_pylist()]


def resolution(height: object) -> str:
    if not isinstance(height, int):
        return ""
    return "4K" if height >= 2160 else "1080p" if height >= 1080 else "720p" if height >= 720 else "480p"


def as_csv(row: dict[str, object]) -> dict[str, str]:
    """What the data set's CSV says of a session row."""
    started = row["started_at"]
    assert isinstance(started, datetime)
    values = {
        "session_id": row["session_id"], "user_id": row["viewer_id"], "timestamp": f"{started:%Y-%m-%d %H:%M:%S.%f}",
        "device_type": row["device_type"], "os_version": row["user_agent"], "app_version": row["app_version"],
        "content_id": row["content_id"], "startup_time_ms": row["startup_ms"], "rebuffer_count": row["stall_count"],
        "rebuffer_duration_ms": row["stall_ms"], "bitrate_kbps": row["bitrate_avg_kbps"],
        "resolution": resolution(row["main_height"]), "frames_dropped": row["dropped_frames"],
        "session_duration_sec": (int(str(row["watched_ms"])) + 500) // 1000, "network_type": row["network_type"],
        "country_code": row["country_code"], "isp": row["isp"], "cdn_pop": row["cdn_pop"], "hour": row["hour"],
        "day_of_week": row["day_of_week"],
    }  # fmt: skip
    return {name: "" if value is None else str(value) for name, value in values.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fold_of_the_events_is_the_csv(seed: int) -> None:
    run = Scenario(sessions=1_000, seed=seed)
    s = simulated(run, Load(run), run.numbers(0))
    text = rows.HEADER + rows.csv_bytes(rows.rows(s.viewing, measures.measures(s)))
    written = list(csv.DictReader(io.StringIO(text.decode())))
    expected = [as_csv(row) for row in folded(s)]
    for column in COLUMNS:
        assert [row[column] for row in written] == [row[column] for row in expected], column


def test_what_the_answer_key_counts_is_what_the_fold_says(few: Sessions) -> None:
    m, told = measures.measures(few), folded(few)
    assert m.watched_ms.tolist() == [row["watched_ms"] for row in told]
    assert m.bitrate_kbps_ms.tolist() == [row["bitrate_kbps_ms"] for row in told]
    assert m.is_play.tolist() == [row["is_play"] for row in told]
    assert m.exited_before_start.tolist() == [row["start_outcome"] == "exited" for row in told]
    assert m.start_failed.tolist() == [row["start_outcome"] == "failed_technical" for row in told]
    failed = [row["start_outcome"] == "played" and row["error_class"] == "technical" for row in told]
    assert m.play_failed.tolist() == failed
    assert m.timed_out.tolist() == [row["close_reason"] == "timed_out" for row in told]


def test_the_short_way_to_session_rows_agrees_with_the_fold(few: Sessions) -> None:
    short = rows.sessions(few.viewing, measures.measures(few))
    told = pa.Table.from_pylist(folded(few))
    for name in sorted(set(short.column_names) - {"play_failed", "timed_out"}):
        assert short[name].to_pylist() == told[name].to_pylist(), name


def test_every_session_is_one_attempt_that_began_when_play_was_pressed(few: Sessions) -> None:
    told = folded(few)
    assert all(row["is_attempt"] for row in told)
    began = [round(row["started_at"].timestamp() * 1000) for row in told]  # type: ignore[attr-defined]
    assert began == few.viewing.started_ms.tolist()
    assert np.all(np.diff(few.viewing.started_ms) >= 0)
