"""Stream and batch name the same slice: the watch over minutes, and over the restated hour of the same events."""

import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.faults import Fault, Window
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES
from qoescope.compile import cube, fold
from qoescope.emit import chunks
from qoescope.emit.scenario import HOUR_MS, Scenario, hold
from qoescope.monitor.incidents.live import LiveWatch
from qoescope.monitor.incidents.restated import RestatedWatch, counted, history_of

BEGIN_MS = 1_767_373_200_000
"""2026-01-02, 17:00 UTC."""
HOURS = 4
MINUTE_MS = 60_000
FAULTS = (
    Fault("certificate", "", (("cdn", "cascade"),), Window(0.75), "connect_chance", 0.8, "start_failure_ratio", 9.0),
    Fault("slow-start", "", (("device_type", "mobile"),), Window(0.75), "startup_wait", 3.5,
          "startup_avg_ms", 2.5),
)  # fmt: skip


def test_the_watch_and_the_restated_hour_name_the_injected_slices_and_nothing_else() -> None:
    run = Scenario(2_000 * HOURS, BEGIN_MS, HOURS * HOUR_MS, 5, FAULTS)
    events = pa.concat_tables(chunks.event_tables(run, 0))
    live = LiveWatch(LEAF_DIMENSIONS, tuple(m.name for m in LEAF_MEASURES))
    rows, onset = cube.leaves(events), hold(run, FAULTS[0]).onset_ms // MINUTE_MS
    minute = pc.divide(rows["starts_at"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()), 60)
    for at in range(run.begin_ms // MINUTE_MS, onset + 8):
        live.history.put(at, rows.filter(pc.equal(minute, at)))
        if at > onset + 3:
            live.look(at)
    restated = RestatedWatch.over(history_of(counted(fold.sessions(events))))
    restated.look(onset * MINUTE_MS // HOUR_MS)
    injected = sorted(str(dict(fault.slice)) for fault in FAULTS)
    for incidents in (live.incidents, restated.incidents):
        assert sorted(str(dict(one.slice)) for one in incidents if one.confirmed_at) == injected
