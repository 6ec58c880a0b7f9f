"""Two hundred poisons through every entrance, without the sockets between: each is judged, told apart, measured."""

from random import Random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import poisons

from qoescope.catalog.errors import LAKE_OUTCOMES
from qoescope.catalog.marts import SESSION_MARTS
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow, fold
from qoescope.compile.cube import cube
from qoescope.compile.live import live
from qoescope.compile.records.parsing import RECORDS, parse_records
from qoescope.ingest import batches, judge, records, reports
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival
from qoescope.ingest.limits import Limits
from qoescope.ingest.records import Outgoing
from qoescope.lake import deduplication
from qoescope.lake import reports as retold
from qoescope.sources.cmcd import mapping

EXAMPLES = 150 if settings.get_current_profile_name() == "explore" else 3
NOW = 1_762_000_000_000
ARRIVAL = Arrival("shop", NOW, b"k" * 32, {})
GOOD = (
    b'{"session":{"session_id":"good","started_at":1762000000000},"events":[{"seq":1,"at":1762000000000,'
    b'"type":"playback_finish","state":"playing","state_ms":9000}],"sent_at":1762000000000}'
)


def written(path: str, body: bytes) -> list[Outgoing]:
    """What the door writes to the log for a body."""
    try:
        if path == "/v1/cmcd":
            return reports.report_records(reports.parse_body(body, None), ARRIVAL, path)
        parts = batches.split_batch(body)
        judged = (
            [judge.judge_beacon(body, ARRIVAL, Limits())]
            if parts is None
            else batches.judge_all(parts, ARRIVAL, Limits())
        )
    except Refused as refused:
        return records.refusal_records(refused.body or b"", refused.error, ARRIVAL)
    return [record for found in judged for record in records.beacon_records(found, ARRIVAL)]


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_poisons_through_every_entrance_stop_nothing(seed: int) -> None:
    values = [record.value for record in written("/v1/beacons", GOOD)]
    for poison in poisons(Random(seed), 200, "shop", NOW):  # noqa: S311  it need not be secret
        made = [(r.topic, r.value) for r in written(poison.path, poison.body)] if poison.path else []
        values += [value for topic, value in made if topic == "beacons"] if poison.path else [poison.body]
    rows = [{"key": b"k", "value": v, "kafka_partition": 0, "kafka_offset": i} for i, v in enumerate(values)]
    found = parse_records(pa.Table.from_pylist(rows, RECORDS), 8)
    fate = deduplication.judge_events(
        found.events, deduplication.identity_and_session_hashes(found.events)[0], arrow.schema(EVENTS).empty_table(), 7
    )
    assert live(fate.stored)
    mapped = mapping.map_records(found.reports)
    again = list(retold.beacons(mapped.events, NOW))
    rows = [{"key": k, "value": v, "kafka_partition": 1, "kafka_offset": i} for i, (k, v) in enumerate(again)]
    told = parse_records(pa.Table.from_pylist(rows, RECORDS), 8)
    assert len(told.unreadable) == 0
    sessions = fold.sessions(pa.concat_tables([arrow.conform(t, EVENTS) for t in (fate.fresh, told.events)]))
    assert all(len(cube(sessions, mart)) for mart in SESSION_MARTS)
    (good,) = [row for row in sessions.to_pylist() if row["session_id"] == "good"]
    assert good["play_ms"] == 9_000
    kept = deduplication.count_kept(found.unreadable, found.reports)
    booked = [*found.counts.to_pylist(), *fate.counts.to_pylist(), *kept.to_pylist()]
    total = {name: sum(row.get(name) or 0 for row in booked) for name in ("accepted", *LAKE_OUTCOMES)}
    assert total["accepted"] == sum(total[name] for name in LAKE_OUTCOMES)
