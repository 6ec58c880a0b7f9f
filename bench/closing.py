"""Bench of closing: sessions of two events that all fall silent at once, from the lake's events to the lake's sessions.

Needs no service: a lake in a temporary folder, and Spark. Prints sessions a second, and the most memory that each
Python process, and all of the tree, took meanwhile.
usage: python bench/closing.py [thousands of sessions, such as 200,1000]
"""

import contextlib
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import duckdb
import psutil
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.connect import spark
from qoescope.connect.lake.reading import read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, write_files
from qoescope.lake.jobs import marks, sessions
from qoescope.lake.open_sessions import marks as marked
from qoescope.settings import Settings

AT = datetime(2026, 1, 2, 8, tzinfo=UTC)
AT_ONCE = 50_000
MB = 1 << 20


def made(first: int, count: int) -> pa.Table:
    """Two events of each of these sessions."""
    with duckdb.connect() as engine:
        rows = engine.sql(f"""
select 'bench' as property, md5('s' || s) as session_id, e + 1 as seq,
  timestamp '2026-01-02 07:59:00' + to_seconds(e * 10) as "at",
  ['playback_request', 'playback_start'][e + 1] as type, ['idle', 'starting'][e + 1] as state,
  e * 900 as state_ms, 4500 as bitrate_kbps, 1080 as height, 1920 as width, 'v1:' || md5('v' || s) as viewer_id,
  3600000 as content_duration_ms, timestamp '2026-01-02 07:59:00' as session_started_at,
  ['smart_tv', 'mobile', 'web'][1 + s % 3] as device_type, 'tizen' as os, 'v16.' || s % 7 as app_version,
  ['kt', 'cox', 'dt'][1 + s % 3] as isp, 'KR' as country_code, ['a', 'b'][1 + s % 2] as cdn,
  'vod' as content_type, timestamp '2026-01-02 08:00:00' + to_milliseconds(s % 1000) as received_at,
  timestamp '2026-01-02 08:00:00' as sent_at, s as kafka_offset, e as position, date '2026-01-02' as session_day,
  s % 8 as bucket
from range({first}, {first + count}) as a(s), range(2) as b(e)""").to_arrow_table()  # noqa: S608
    return arrow.conform(rows, EVENTS)


def filled(settings: Settings, count: int) -> list[pa.Table]:
    """Writes the events of so many sessions; answers their marks."""
    ensure_tables(settings)
    found = []
    for first in range(0, count, AT_ONCE):
        rows = made(first, min(AT_ONCE, count - first))
        append_files(open_table(settings, EVENTS), EVENTS, write_files(settings, EVENTS, rows), {})
        found.append(marked(rows))
    return found


def processor_seconds() -> float:
    """Of this process and all that it started."""
    used = 0.0
    for one in (me := psutil.Process(), *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            used += sum(one.cpu_times()[:2])
    return used


class Memory:
    """The most memory of each process of the tree, and its processor time, looked at ten times a second."""

    def __init__(self) -> None:
        self.most: dict[int, tuple[str, int]] = {}
        self.whole = 0
        self.used: dict[int, float] = {}
        self._done = Event()
        self._watch = Thread(target=self._look, daemon=True)

    def cpu(self) -> float:
        """Processor seconds of the tree meanwhile."""
        return sum(self.used.values()) - self._before

    def __enter__(self) -> "Memory":
        self._before = processor_seconds()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        me = psutil.Process()
        while not self._done.wait(0.1):
            whole = 0
            for one in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    size, name = one.memory_full_info().uss, one.name()
                    self.used[one.pid] = max(sum(one.cpu_times()[:2]), self.used.get(one.pid, 0.0))
                    whole += size
                    self.most[one.pid] = (name, max(size, self.most.get(one.pid, ("", 0))[1]))
            self.whole = max(self.whole, whole)

    def __str__(self) -> str:
        python = sorted((size // MB for pid, (name, size) in self.most.items()
                         if "java" not in name and pid != psutil.Process().pid), reverse=True)  # fmt: skip
        own = self.most.get(psutil.Process().pid, ("", 0))[1] // MB
        return f"driver {own} MB, tasks {python[:4]} MB, all with the JVM {self.whole // MB} MB"


def closed(session: SparkSession, settings: Settings, count: int) -> None:
    """Prints what it takes to close so many sessions."""
    found = filled(settings, count)
    still_open = marks.new_open_sessions(settings)
    still_open.restore(found, AT)
    still_open._calm = 0.0  # noqa: SLF001 - nobody speaks any more
    still_open.advance(AT + timedelta(minutes=5))
    worker = sessions.worker(session, settings, Event(), still_open, Event())
    began = time.perf_counter()
    with Memory() as memory:
        while len(still_open):
            worker.work()
    took = time.perf_counter() - began
    rows = read_table(settings, SESSION_VERSIONS, columns=["event_count"])
    assert (len(rows), pc.sum(rows["event_count"]).as_py()) == (count, 2 * count)
    rates = f"{count / took:,.0f}/s, {count / memory.cpu():,.0f} a processor second"
    print(f"{count:,} sessions of two events closed: {rates}; {memory}", flush=True)


def main() -> None:
    """Runs it for each number of sessions, in a folder of its own."""
    counts = [int(1000 * float(n)) for n in (sys.argv[1] if len(sys.argv) > 1 else "200,1000").split(",")]
    session = spark.open_session(Settings(), "bench")
    try:
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                closed(session, Settings(var=Path(folder), give_way_s=0.0), count)
    finally:
        session.stop()


if __name__ == "__main__":
    main()
