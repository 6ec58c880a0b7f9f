"""Counts by column are those that the statement gives which bears everything."""

import msgspec
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from qoescope.compile import tallies
from qoescope.compile.duck import query_arrow
from qoescope.compile.records.outputs import OUTPUTS
from qoescope.compile.records.parsing import RECORDS
from qoescope.compile.records.reading import read_sql
from qoescope.compile.records.texts import decode_texts

AT = 1_767_355_200_000
SAID = st.tuples(st.sampled_from(["app", "site"]), st.integers(0, 200_000), st.integers(0, 3), st.booleans())


@settings(max_examples=25, deadline=None)
@given(said=st.lists(SAID, min_size=1, max_size=12))
def test_plain_records_are_counted_as_all_are(said: list[tuple[str, int, int, bool]]) -> None:
    rows = []
    for offset, (property_id, after, events, tick) in enumerate(said):
        told = [
            {"seq": n, "at": AT, "type": "heartbeat", "state": "playing", "state_ms": 1} for n in range(1, events + 1)
        ]
        counts = {"received": events + 2, "accepted": events, "duplicate": 1, "invalid": 1, "filtered": 0}
        counts = counts if events else {"received": 0, "accepted": 0}
        record = {"property": property_id, "received_at": AT + after}
        record |= {"tick": True} if tick else {"counts": counts, "session": {"session_id": "s"}, "events": told}
        rows.append({"key": None, "value": msgspec.json.encode(record), "kafka_partition": offset % 3,
                     "kafka_offset": offset})  # fmt: skip
    given_rows = decode_texts(pa.Table.from_pylist(rows, RECORDS))
    read = query_arrow(read_sql("value", 8), given=given_rows)
    assert tallies.are_plain(read)
    for name, made in (("counts", tallies.counts(read)), ("offsets", tallies.offsets(read))):
        asked = query_arrow(OUTPUTS[name], records=read)
        names = asked.column_names
        order = [(column, "ascending") for column in names[:2]]
        assert made.select(names).sort_by(order).to_pylist() == asked.sort_by(order).to_pylist()
