"""Worlds: simulated sessions and live minutes with faults of one's choice, as the monitor reads them."""

from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qoescope.catalog.faults import Fault, Window
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.watch import SESSION_DIMENSIONS
from qoescope.compile import arrow, cube
from qoescope.compile.duck import without_zone
from qoescope.emit import events, simulation
from qoescope.emit.drawn import drawn
from qoescope.emit.measures import measures
from qoescope.emit.scenario import Load, Scenario, over_days
from qoescope.emit.slices import DIMENSIONS

__all__ = ["Window", "calm", "minutes_of", "scenario", "sessions_of", "troubled"]

END = date(2025, 11, 11)
DECOYED = ("IN", "BR", "DE", "US", "JP")
"""Countries that a campaign may bring more viewers from."""


def scenario(seed: int, sessions: int, days: float, faults: int | tuple[Fault, ...]) -> Scenario:
    """So many sessions over so many days, with these faults or so many drawn ones."""
    plain = over_days(sessions, days, seed, END, ())
    return replace(plain, faults=drawn(plain, faults) if isinstance(faults, int) else faults)


def troubled(seed: int, sessions: int, days: float) -> Scenario:
    """A run with three random faults (seeds take turns through all causes and shapes) and a shift of traffic."""
    plain = scenario(seed, sessions, days, ())
    first = 3 * (seed % 4)
    country = DECOYED[seed % len(DECOYED)]
    decoy = Fault("shift", "", (("country_code", country),), Window(0.25, 0.7), "traffic", 0.12, "", 1.0, kind="decoy")
    return replace(plain, faults=(*drawn(plain, 12)[first : first + 3], decoy))


def calm(run: Scenario) -> Scenario:
    """The same run without what a monitor should find."""
    return replace(run, faults=tuple(fault for fault in run.faults if fault.kind == "decoy"))


def sessions_of(run: Scenario) -> pa.Table:
    """The watched columns of `sessions`, straight from the simulator (tests hold it to the fold)."""
    load = Load(run)
    return pa.concat_tables([_sessions(run, load, chunk) for chunk in range(run.chunks)])


def _sessions(run: Scenario, load: Load, chunk: int) -> pa.Table:
    s = simulation.simulated(run, load, run.numbers(chunk))
    v, m = s.viewing, measures(s)
    columns: dict[str, pa.Array] = {}
    for name in SESSION_DIMENSIONS:
        array, said = DIMENSIONS[name]
        codes = pa.array(getattr(v, array).astype(np.int32))
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(said)).cast(pa.string())
    outcome = np.select(
        [m.is_play, m.start_failed, m.exited_before_start], ["played", "failed_technical", "exited"], "failed_business"
    )
    failed = m.start_failed | m.play_failed
    columns |= {
        "started_at": pa.array(v.started_ms, pa.timestamp("ms", "UTC")),
        "is_attempt": pa.array(np.ones(len(v), dtype=bool)),
        "is_play": pa.array(m.is_play),
        "start_outcome": pa.array(outcome),
        "close_reason": pa.array(np.select([failed, m.timed_out], ["failed", "timed_out"], "exited")),
        "error_class": pa.array(np.where(failed, "technical", "business")),
        "startup_ms": pa.array(m.startup_ms, mask=m.startup_ms < 0),
        "stall_ms": pa.array(m.stall_ms),
        "watched_ms": pa.array(m.watched_ms),
        "bitrate_avg_kbps": pa.array(m.bitrate_avg_kbps, mask=m.bitrate_avg_kbps < 0),
    }
    return pa.table(columns)


def minutes_of(run: Scenario) -> pa.Table:
    """`live_leaf` of the run, from its events."""
    load = Load(run)
    parts = []
    for chunk in range(run.chunks):
        s = simulation.simulated(run, load, run.numbers(chunk))
        parts += [cube.leaves(arrow.conform(once(block), EVENTS)) for block in events.blocks(s)]
    whole = pa.concat_tables(parts)
    minute = pc.cast(pc.floor(pc.divide(pc.cast(whole["starts_at"], pa.int64()), 60_000_000)), pa.int64())
    return whole.append_column("step", minute)


def once(block: pa.Table) -> pa.Table:
    """Each event once, the first received."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.register("given", without_zone(block))
        sql = "select * from given qualify row_number() over (partition by session_id, seq order by received_at) = 1"
        return engine.sql(sql).to_arrow_table()
