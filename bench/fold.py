"""Bench of the fold: a day of the lake folded bucket by bucket, beside one plain DuckDB query over the same files.

The peer removes repeats and sums the time of each state a session, no more; ours gives all of a session's measures.
usage: python bench/fold.py [sessions] [events a session]
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from qoescope.catalog.events import STATES
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, fold
from qoescope.connect import lake
from qoescope.settings import Settings

DAY = date(2026, 1, 2)


def made(sessions: int, events: int, buckets: int) -> pa.Table:
    """A day's events, one in fifty of them twice."""
    with duckdb.connect() as engine:
        rows = engine.sql(f"""
select 'app' as property, 's' || s as session_id, e + 1 as seq,
  timestamp '{DAY} 08:00:00' + to_seconds(s % 3600 + e * 10) as "at",
  case when e = 0 then 'playback_request' when e = 1 then 'playback_start' when e % 9 = 5 then 'playback_stall'
    when e % 9 = 6 then 'playback_start' else 'heartbeat' end as type,
  case when e = 0 then 'idle' when e = 1 then 'starting' when e % 9 = 6 then 'stalled' else 'playing' end as state,
  case when e = 0 then 0 when e % 9 = 6 then 800 else 9000 + s % 900 end as state_ms,
  4500 as bitrate_kbps, 1080 as height,
  'v' || (s % 5000) as viewer_id, 'smart_tv' as device_type, 'kt' as isp, timestamp '{DAY} 08:00:00' as received_at,
  s as kafka_offset, e as position, date '{DAY}' as session_day, s % {buckets} as bucket
from range({sessions}) as a(s), range({events}) as b(e), range(2) as c(again) where again = 0 or (s + e) % 50 = 0""")  # noqa: S608
        return arrow.conform(rows.to_arrow_table(), EVENTS)


def ours(settings: Settings) -> int:
    """Sessions folded, a bucket at a time."""
    found = lake.files(lake.opened(settings, EVENTS), [DAY])
    total = 0
    for bucket in sorted({f.bucket for f in found}):
        total += len(fold.sessions(lake.rows(settings, EVENTS, [f for f in found if f.bucket == bucket])))
    return total


def peer(settings: Settings) -> int:
    """Sessions of one query that sums time by state over distinct events."""
    sums = ", ".join(f"sum(state_ms) filter (where state = '{state}') as {state}" for state in STATES)
    files = f"{lake.uri(settings, EVENTS)}/session_day={DAY}/*/*.parquet"
    with duckdb.connect(config={"threads": 1}) as engine:
        rows = engine.sql(f"""
select property, session_id, {sums}, count(*) as events, any_value(device_type), any_value(isp) from (
  select distinct on (property, session_id, seq) * from read_parquet('{files}')
  order by property, session_id, seq, received_at, kafka_offset, position
) group by all""").fetchall()  # noqa: S608
    return len(rows)


def whole(settings: Settings) -> int:
    """The same fold over the whole day at once: what taking it bucket by bucket costs, or saves."""
    return len(fold.sessions(lake.read(settings, EVENTS, [DAY])))


def seconds(work: object, settings: Settings) -> tuple[float, float]:
    """(wall, processor) seconds of the better of two runs."""
    runs = []
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        work(settings)  # type: ignore[operator]
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(runs)


def main() -> None:
    """Prints both, in the same run, on one thread each."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder), lake_buckets=8)
        lake.ensure(settings, [EVENTS])
        rows = made(sessions, events, 8)
        added = lake.write(settings, EVENTS, rows)
        lake.append(lake.opened(settings, EVENTS), EVENTS, added, {"made": datetime.now(UTC).isoformat()})
        mine, one, theirs = (seconds(work, settings) for work in (ours, whole, peer))
    told = {"by bucket, all measures": mine, "at once, all measures": one, "plain DuckDB, seven sums": theirs}
    for name, (wall, cpu) in told.items():
        print(f"{name}: {len(rows) / wall:,.0f} events/s, {len(rows) / cpu:,.0f} events a processor second")
    print(f"processor time by bucket over at once: {mine[1] / one[1]:.2f}, over seven sums: {mine[1] / theirs[1]:.2f}")


if __name__ == "__main__":
    main()
