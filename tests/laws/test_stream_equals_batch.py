"""Stream = batch: whatever comes late, from doors of any clock, and whenever the stream is killed in between.

The log, the books and the time are lists and numbers; marks, measuring and the lake's files are the stream's own.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qoescope.catalog.operations import SESSION_VERSIONS
from qoescope.catalog.tables import EVENTS, SESSIONS
from qoescope.compile import arrow, fold, versions
from qoescope.connect.lake.compaction import compact_table
from qoescope.connect.lake.reading import list_files, read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.connect.lake.tables import open_table
from qoescope.connect.lake.writing import append_files, commit_files, write_files
from qoescope.lake import open_sessions
from qoescope.lake.jobs import marks
from qoescope.lake.jobs.sessions import measure_sessions
from qoescope.lake.open_sessions import RestartPoint
from qoescope.settings import Settings

EXAMPLES = 200 if settings.get_current_profile_name() == "explore" else 12
START = datetime(2026, 1, 2, 23, 50, tzinfo=UTC)
"""Ten minutes before midnight: sessions go on into the next day."""
GAP_S, EVERY_S, SETTLED_S = 60, 5, 60
KILLS = ("after the events", "after their books", "before the rows", "after the rows")


@dataclass(frozen=True)
class Play:
    """A session: when it began, how long after one another it spoke, whether it says when it began."""

    began_s: int
    waits_s: list[int]
    says_start: bool


@dataclass(frozen=True)
class Beacon:
    """One event on its way: the door that takes it, and how long the log waits for it."""

    door: int
    delay_s: int


@dataclass(frozen=True)
class Step:
    """What the stream does after a batch."""

    records: int
    closes: bool
    meanwhile: int
    """Records that come while sessions are measured."""
    kill: str | None
    compacts: bool
    tick_ahead_s: int


PLAYS = st.builds(
    Play, st.integers(0, 900), st.lists(st.sampled_from([1, 20, 59, 61, 130]), min_size=1, max_size=6), st.booleans()
)
BEACONS = st.builds(Beacon, st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 9, 70, 600, 3600]))
STEPS = st.builds(
    Step, st.integers(1, 8), st.sampled_from([True, True, False]), st.sampled_from([0, 0, 3]),
    st.sampled_from([None, None, None, *KILLS]),
    st.booleans(), st.sampled_from([0, 0, 0, 30, 3600]),
)  # fmt: skip


@dataclass
class Books:
    """What Postgres would hold: written wholly or not at all."""

    read: int = 0
    complete_until: datetime | None = None
    restart_point: RestartPoint | None = None


@dataclass
class Stream:
    """Events into the lake, and sessions after them."""

    settings: Settings
    log: list[tuple[int, dict[str, Any]]]
    now_s: int = 0
    books: Books = field(default_factory=Books)
    open: open_sessions.OpenSessions = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a kill: only the lake and the books are there."""
        gap = timedelta(seconds=GAP_S)
        self.open = open_sessions.OpenSessions(gap, gap / 2, lambda: float(self.now_s))
        restart_point = self.books.restart_point
        since = (restart_point.closed_until, restart_point.open_since) if restart_point else (None, None)
        self.open.restore(marks.find_marks(self.settings, "sessions", self.books.complete_until, *since), None)
        self.open.advance(self.books.complete_until)

    def read(self, records: int, ticks: datetime, kill: str | None) -> None:
        """A batch of the log; one that comes again after a kill has the same number."""
        end = self.books.read + records
        self.now_s = max([self.now_s, *(arrived_s for arrived_s, _ in self.log[self.books.read : end])])
        rows = table([row for _, row in self.log[self.books.read : end]])
        delta = open_table(self.settings, EVENTS)
        commit_files(delta, EVENTS, write_files(self.settings, EVENTS, rows), "events", end)
        if kill == KILLS[0]:
            self.start()
            return
        self.open.mark(open_sessions.marks(rows))
        heard = [*filter(None, [self.books.complete_until, ticks]), *rows["received_at"].to_pylist()]
        self.books = Books(min(end, len(self.log)), max(heard), self.open.restart_point())
        if kill == KILLS[1]:
            self.start()
            return
        self.open.advance(self.books.complete_until)

    def close(self, kill: str | None, meanwhile: int = 0) -> None:
        """Measures what is due; so many records come before its rows are there."""
        due = self.open.due()
        delta, events = (open_table(self.settings, table) for table in (SESSION_VERSIONS, EVENTS))
        files = list(measure_sessions(self.settings, list_files(delta), list_files(events), due))
        if meanwhile:
            self.read(meanwhile, self.books.complete_until or START, None)
        if kill == KILLS[2]:
            self.start()
            return
        append_files(delta, SESSION_VERSIONS, files, {})
        if kill == KILLS[3]:
            self.start()
            return
        self.open.forget(due)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return arrow.conform(pa.Table.from_pylist(rows, arrow.schema(EVENTS)), EVENTS)


def event(number: int, play: Play, seq: int, at: datetime, received_at: datetime) -> dict[str, Any]:
    began = START + timedelta(seconds=play.began_s) if play.says_start else None
    day: date = (began or at).date()
    row = {f.name: None for f in EVENTS.fields} | {
        "property": "app", "session_id": f"s{number}", "seq": seq, "at": at, "received_at": received_at,
        "type": "playback_request" if seq == 1 else "heartbeat", "state": "idle" if seq == 1 else "playing",
        "state_ms": 0 if seq == 1 else 1000, "session_started_at": began, "session_day": day, "bucket": number % 2,
        "kafka_partition": 0, "kafka_offset": 100 * number + seq, "position": 0,
    }  # fmt: skip
    return {f.name: f.default if row[f.name] is None and not f.nullable else row[f.name] for f in EVENTS.fields}


def travelled(plays: list[Play], skews_s: list[int], ways: list[Beacon]) -> list[tuple[int, dict[str, Any]]]:
    """(second of arrival in the log, event), in the log's order."""
    log: list[tuple[int, dict[str, Any]]] = []
    for number, play in enumerate(plays):
        spoken_s = play.began_s
        for seq, wait_s in enumerate(play.waits_s, 1):
            spoken_s += wait_s
            way = ways[len(log) % len(ways)]
            at = START + timedelta(seconds=spoken_s)
            received_at = at + timedelta(seconds=skews_s[way.door])
            log.append((spoken_s + way.delay_s, event(number, play, seq, at, received_at)))
    return sorted(log, key=lambda one: one[0])


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plays=st.lists(PLAYS, min_size=1, max_size=5),
    skews_s=st.lists(st.sampled_from([-180, -60, -1, 0, 1, 60, 180]), min_size=3, max_size=3),
    ways=st.lists(BEACONS, min_size=1, max_size=12),
    steps=st.lists(STEPS, min_size=1, max_size=8),
    in_memory=st.sampled_from([3, 100_000]),
)
def test_however_events_come_and_whenever_it_is_killed_the_stream_measures_what_the_batch_does(
    plays: list[Play], skews_s: list[int], ways: list[Beacon], steps: list[Step], in_memory: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Settings(var=Path(folder), events_in_memory=in_memory, session_gap_s=GAP_S)
        ensure_tables(here, [EVENTS, SESSION_VERSIONS])
        stream = Stream(here, travelled(plays, skews_s, ways))
        for number in range(10 * len(stream.log)):
            if stream.books.read == len(stream.log):
                break
            step = steps[number % len(steps)]
            kill = step.kill if number < len(steps) else None
            last = min(stream.books.read + step.records, len(stream.log)) - 1
            now_s = max(stream.now_s, stream.log[last][0])
            ticks = START + timedelta(seconds=now_s + max(skews_s) + step.tick_ahead_s)
            stream.read(step.records, ticks, kill)
            if step.closes:
                stream.close(kill, step.meanwhile)
            if step.compacts:
                compact_table(here, EVENTS, 1)
                compact_table(here, SESSION_VERSIONS, 1)
        assert stream.books.read == len(stream.log)
        slowest_s = max(skews_s) - min(skews_s)  # only the slowest door is left: by its clock it is not silent yet
        for _ in range((GAP_S + SETTLED_S + slowest_s) // EVERY_S):
            stream.now_s += EVERY_S
            stream.read(0, START + timedelta(seconds=stream.now_s + min(skews_s)), None)
            stream.close(None)
        whole = fold.sessions(table([row for _, row in stream.log]))
        held = versions.latest(read_table(here, SESSION_VERSIONS)).select(SESSIONS.names)
        assert held.sort_by("session_id").equals(whole.sort_by("session_id"))
        assert len(stream.open) == 0
