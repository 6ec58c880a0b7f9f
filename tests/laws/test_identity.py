"""Law: an identity lies in the lake once, whatever clocks say, whoever sends it how often, and whatever is killed."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from qoescope.catalog.operations import LATE
from qoescope.catalog.tables import EVENTS
from qoescope.compile.records.parsing import RECORDS
from qoescope.connect.lake.reading import read_table
from qoescope.connect.lake.schema import ensure_tables
from qoescope.lake.jobs import storing
from qoescope.lake.jobs.event_tables import EventTables
from qoescope.lake.jobs.identities import KnownIdentities
from qoescope.settings import Settings

EXAMPLES = 400 if settings.get_current_profile_name() == "explore" else 25
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MIDNIGHT = int(datetime(2026, 1, 3, tzinfo=UTC).timestamp() * 1000)
AHEAD_MS = 5 * MINUTE
CLOCKS = (0, HOUR, -HOUR, 3 * DAY, -3 * DAY, -20 * DAY, 90 * DAY)
"""How far a device's clock is ahead."""
DELAYS = (0, 20_000, 10 * MINUTE, 17 * MINUTE, 3 * HOUR, DAY, 6 * DAY, 33 * DAY)
"""How long after it was sent a copy of a beacon is received."""
COLLECTORS = (0, 4 * MINUTE, -HOUR)
"""How far the clocks of collectors are ahead."""
ENDS = ("goes on", "is killed before the lake has it", "is killed before the books have it", "starts again")
"""What becomes of the process after a batch."""


@dataclass(frozen=True)
class Sent:
    """A beacon as its player made it: its session, first number, and when; it may name its press of play."""

    session: int
    first: int
    events: int
    sent_ms: int
    clock_ms: int
    says_start: bool


@dataclass(frozen=True)
class Copy:
    """A beacon as a collector had it."""

    beacon: int
    delay_ms: int
    collector_ms: int
    without_first: bool
    """The door had its first event already, and passed on the others."""


BEACONS = st.lists(
    st.builds(
        Sent, st.integers(0, 3), st.integers(1, 6), st.integers(1, 3),
        st.sampled_from((-HOUR, -MINUTE, -1, 0, MINUTE)), st.sampled_from(CLOCKS), st.booleans(),
    ),
    min_size=1, max_size=5,
)  # fmt: skip
COPIES = st.lists(
    st.builds(
        Copy, st.integers(0, 4), st.sampled_from(DELAYS), st.sampled_from(COLLECTORS), st.booleans()
    ),
    min_size=2, max_size=10,
)  # fmt: skip


def record(sent: Sent, copy: Copy) -> tuple[bytes, bytes]:
    """(key, record) as the door writes it: times that are ahead of its own clock become its own."""
    received = MIDNIGHT + sent.sent_ms + copy.delay_ms + copy.collector_ms
    device = MIDNIGHT + sent.sent_ms + sent.clock_ms
    told = []
    for seq in range(sent.first, sent.first + sent.events)[copy.without_first :]:
        at = device + seq * 1000
        ahead = at > received + AHEAD_MS
        told.append({"seq": seq, "at": received if ahead else at, "clock_adjusted": ahead, "type": "heartbeat",
                     "state": "playing", "state_ms": 1000})  # fmt: skip
    key = f"s{sent.session}"
    session: dict[str, object] = {"session_id": key} | ({"started_at": device - HOUR} if sent.says_start else {})
    counts = {"received": len(told), "accepted": len(told), "duplicate": 0, "invalid": 0, "filtered": 0}
    told_all = {"property": "app", "received_at": received, "counts": counts, "session": session, "events": told}
    return key.encode(), msgspec.json.encode(told_all)


def batches(records: list[tuple[bytes, bytes]], cuts: list[int]) -> list[pa.Table]:
    """The log, cut into batches."""
    rows = [{"key": key, "value": value, "kafka_partition": 0, "kafka_offset": offset}
            for offset, (key, value) in enumerate(records)]  # fmt: skip
    bounds = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    return [pa.Table.from_pylist(rows[a:b], RECORDS) for a, b in pairwise(bounds)]


def run(here: Settings, log: list[pa.Table], ends: list[str], *, indexed: bool) -> Counter[str]:
    """Sends the batches through what the stream does, with these ends in turn; the books."""
    ensure_tables(here)
    shelves, books = EventTables(here), Counter[str]()
    for number, batch in enumerate(log):
        end = ends[number % len(ends)]
        for tries in range(2):
            known = shelves.known()
            stored = storing.store_records(
                here, known if indexed else KnownIdentities(partial(lambda files: (files, None), known.files)), batch
            )
            first = tries == 0
            if first and end == "is killed before the lake has it":
                shelves = EventTables(here)
                continue
            shelves.commit(stored, "query", number)
            if first and end == "is killed before the books have it":
                shelves = EventTables(here)
                continue
            break
        for row in stored.rows(storing.COUNTS):
            books.update({k: v for k, v in row.items() if isinstance(v, int)})
        shelves.tidy()
        if number % 2:
            shelves.join(files_a_part=1)
        if end == "starts again":
            shelves.index.shared()
            shelves = EventTables(here)
    return books


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    sent=BEACONS, copies=COPIES, cuts=st.lists(st.integers(0, 20), max_size=6),
    ends=st.lists(st.sampled_from(ENDS), min_size=1, max_size=4), indexed=st.booleans(),
)  # fmt: skip
@example(
    sent=[Sent(0, 1, 1, 0, HOUR, says_start=True)], copies=[Copy(0, 0, 0, False), Copy(0, 17 * MINUTE, 0, False)],
    cuts=[1], ends=["starts again"], indexed=True,
)  # fmt: skip
@example(
    sent=[Sent(0, 1, 2, -1, 3 * DAY, says_start=True)], copies=[Copy(0, 0, 0, False), Copy(0, 6 * DAY, 0, True)],
    cuts=[1], ends=["goes on"], indexed=True,
)  # fmt: skip
def test_an_identity_lies_in_the_lake_once(
    sent: list[Sent], copies: list[Copy], cuts: list[int], ends: list[str], indexed: bool
) -> None:
    some = [(copy, sent[copy.beacon % len(sent)]) for copy in copies]
    log = [record(beacon, copy) for copy, beacon in some]
    with TemporaryDirectory() as folder:
        here = Settings(var=Path(folder), lake_buckets=2)
        books = run(here, batches(log, cuts), ends, indexed=indexed)
        rows = read_table(here, EVENTS, columns=["property", "session_id", "seq"]).to_pylist()
        late = len(read_table(here, LATE))
    lies = Counter((row["session_id"], row["seq"]) for row in rows)
    assert [identity for identity, times in lies.items() if times > 1] == []
    assert books["lake"] == len(rows)
    assert books["late"] == late
    events = sum(len(msgspec.json.decode(value)["events"]) for _, value in log)
    assert books["accepted"] + books["duplicate"] == events
    assert books["accepted"] == books["lake"] + books["late"] + books["quarantined"]
