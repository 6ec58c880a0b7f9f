"""Startup: from the press of play to the first frame, or to whatever came before it."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog import networks as n
from qoescope.catalog import population as p
from qoescope.emit import draws, throughput
from qoescope.emit.draws import Floats
from qoescope.emit.injected import Injected
from qoescope.emit.spans import (
    AD_END,
    AD_START,
    CODE,
    FAIL,
    FINISH,
    IDLE,
    PLAYING,
    REQUEST,
    RESUMING,
    START,
    STARTING,
    Recorder,
)
from qoescope.emit.throughput import Air
from qoescope.emit.viewers import ISPS, NETWORK_TYPES, SOFTWARE, Codes, Mask, Viewing

RATE = np.array([r[0] for r in p.LADDER], dtype=np.float64)
START_MS = np.array([s.device.start_ms for s in SOFTWARE])
TOP = np.array([int(np.searchsorted(RATE, s.device.top_kbps, side="right")) - 1 for s in SOFTWARE])
HAS_DRM = np.array([s.device.drm != "none" for s in SOFTWARE])
ROUND_TRIP = np.array([n.ROUND_TRIP_MS[net] for net in NETWORK_TYPES])
SPEED = np.array([isp.speed for _, isp in ISPS])
COUNTRY_SPEED = np.array([c.speed for c in p.COUNTRIES])
FIRST_MEDIA_S = 4.0
START_TOP_KBPS = 4300.0
"""No player starts above this rendition."""

PATIENT_MS, PATIENCE_MS = 2000.0, 42_000.0
"""Nobody leaves in the first two seconds; then waiting viewers leave as if each second were a draw (mean patience)."""
ACCIDENTAL = 0.005
"""Presses of play that were a mistake, undone within a second or so."""

BASE_FAILURES = (
    ("MANIFEST_TIMEOUT", 0.0022, 12_000.0),
    ("DRM_LICENCE_ERROR", 0.0018, 3_000.0),
    ("SEGMENT_NOT_FOUND", 0.0016, 4_000.0),
    ("DECODER_INIT", 0.0014, 300.0),
    ("NOT_ENTITLED", 0.0022, 120.0),
    ("GEO_BLOCKED", 0.0014, 80.0),
    ("STREAM_LIMIT", 0.0012, 150.0),
)
"""Failures of a start without any fault: code, probability, ms after the manifest was asked for."""
COLD_STARTS = 0.085
"""Starts at which the app itself has to be woken up first."""
AD_LEAVERS = 0.03
HIDDEN_STARTS = np.array(
    [{"web": 0.025, "mobile": 0.006, "tablet": 0.004}.get(s.device.device_type, 0.0) for s in SOFTWARE]
)


@dataclass(frozen=True)
class Started:
    """Who plays, and how the players stand when content begins."""

    who: Codes
    at_ms: Floats
    rung: Codes
    estimate_kbps: Floats


@dataclass(frozen=True)
class _Waits:
    manifest_ms: Floats
    total_ms: Floats
    ad: Mask
    rung: Codes
    estimate_kbps: Floats


def lines(v: Viewing) -> Air:
    """The line of each session, slower in busy evenings."""
    busy = 1 - n.EVENING_CONGESTION * np.minimum(v.local_load, 1.2)
    return throughput.begin(v.key, v.line, SPEED[v.isp] * COUNTRY_SPEED[v.country] * busy)


def started(v: Viewing, air: Air, inj: Injected, record: Recorder) -> Started:
    """Takes down every session's start and gives back those that came to play content."""
    everyone = np.arange(len(v))
    record.note(everyone, state=IDLE, event=REQUEST)
    waits = _waits(v, air, inj)
    fail_ms, fail_code = _failures(v, inj, waits)
    leave_ms = _patience(v)
    hidden = draws.uniform(v.key, 38) < HIDDEN_STARTS[v.software]
    total_ms = np.where(inj.connect_fails | inj.licence_fails, np.inf, waits.total_ms)
    fails = (fail_ms < total_ms) & (fail_ms <= leave_ms)
    leaves = (leave_ms < total_ms) & ~fails
    plays = ~fails & ~leaves
    end_ms = np.ceil(np.where(fails, fail_ms, np.where(leaves, leave_ms, waits.total_ms)))
    code = np.where(fails, fail_code, np.where(leaves, CODE["exited"], 0))
    event = np.where(fails, FAIL, np.where(leaves, FINISH, START))
    ad_ms = np.ceil(waits.manifest_ms)
    in_ad = waits.ad & (ad_ms < end_ms)
    rows = np.flatnonzero(in_ad)
    record.note(rows, state=STARTING, ms=ad_ms[rows], event=AD_START, hidden=hidden[rows])
    record.note(
        everyone, state=STARTING, ms=end_ms - np.where(in_ad, ad_ms, 0), event=event, code=code, ad=in_ad, hidden=hidden
    )
    at_ms = end_ms.copy()
    gone = _preroll(v, np.flatnonzero(plays & in_ad), at_ms, record)
    plays[gone] = False
    who = np.flatnonzero(plays)
    return Started(who, at_ms[who], waits.rung[who], waits.estimate_kbps[who])


def _waits(v: Viewing, air: Air, inj: Injected) -> _Waits:
    """What each player waits for, one thing after the other: app, connection, manifest, licence, ad, first segments."""
    trip = ROUND_TRIP[v.network] * draws.lognormal(v.key, 30, 0.7) / COUNTRY_SPEED[v.country] ** 0.5
    cold = np.where(draws.uniform(v.key, 37) < COLD_STARTS, 3000 * draws.lognormal(v.key, 39, 0.6), 0.0)
    app = START_MS[v.software] * draws.lognormal(v.key, 31, 0.5) + cold
    manifest = app + 5 * trip + 90 * draws.lognormal(v.key, 32, 0.8) + inj.connect_ms
    licence = np.where(HAS_DRM[v.software], 2 * trip + 140 * draws.lognormal(v.key, 33, 1.0), 0.0)
    remembered = throughput.typical(air) * draws.lognormal(v.key, 34, 0.3)
    rung = np.minimum(pick(np.minimum(remembered * 0.6 * inj.abr_times, START_TOP_KBPS)), TOP[v.software])
    rate = throughput.kbps(air, air.lasting + throughput.MOVING_PART[air.line] * air.moving)
    for slot in inj.throttles:
        rate = np.where((slot.on <= 0) & (slot.off > 0), rate * slot.times, rate)
    waiting_out = np.where(air.outage > 0, air.toggles_in_ms, 0.0)
    media = 1000 * FIRST_MEDIA_S * RATE[rung] * inj.segment_times / rate + waiting_out
    ad = v.with_ads & ~v.live & (draws.uniform(v.key, 35) < 0.8)
    ad_wait = 500 * draws.lognormal(v.key, 36, 0.7) + inj.ad_wait_ms + 1000 * 1200 / rate + waiting_out
    total = (manifest + np.where(ad, ad_wait, licence + media)) * inj.startup_times
    return _Waits(manifest * inj.startup_times, total, ad, rung, np.maximum(remembered, 100.0))


def pick(target_kbps: Floats) -> Codes:
    """The best rendition within the target; the lowest if none is."""
    return np.maximum(np.searchsorted(RATE, target_kbps, side="right") - 1, 0)


def _failures(v: Viewing, inj: Injected, waits: _Waits) -> tuple[Floats, NDArray[np.int16]]:
    u = draws.uniform(v.key, 40)
    late = draws.lognormal(v.key, 41, 0.3)
    at: Floats = np.full(len(v), np.inf)
    code = np.zeros(len(v), dtype=np.int16)
    below = 0.0
    for name, share, after_ms in BASE_FAILURES:
        hit = (u >= below) & (u < below + share)
        at[hit], code[hit] = (waits.manifest_ms + after_ms * late)[hit], CODE[name]
        below += share
    certificate = inj.connect_fails
    at[certificate] = (waits.manifest_ms + 1500 * late)[certificate]
    licence = inj.licence_fails & ~certificate
    at[licence] = (waits.manifest_ms + 10_000 * late)[licence]
    code = np.where(certificate | licence, inj.start_code, code)
    never_later = np.minimum(at, np.maximum(waits.total_ms - 1, 1))
    return np.where(np.isfinite(at) & ~(certificate | licence), never_later, at), code


def _patience(v: Viewing) -> Floats:
    waits = PATIENT_MS + PATIENCE_MS * v.tolerance * draws.exponential(v.key, 42)
    return np.where(draws.uniform(v.key, 43) < ACCIDENTAL, 150 + 1200 * draws.uniform(v.key, 44), waits)


def _preroll(v: Viewing, rows: Codes, at_ms: Floats, record: Recorder) -> Codes:
    """Takes down the pre-rolls, moves `at_ms` past them, and gives back who left during one."""
    key = v.key[rows]
    length: Any = np.where(draws.uniform(key, 45) < 0.6, 15_000.0, 30_000.0)
    leaves = draws.uniform(key, 46) < AD_LEAVERS
    length = np.where(leaves, np.ceil(length * (0.05 + 0.9 * draws.uniform(key, 47))), length)
    stay = rows[~leaves]
    record.note(
        rows,
        state=PLAYING,
        ms=length,
        event=np.where(leaves, FINISH, AD_END),
        ad=True,
        code=np.where(leaves, CODE["exited"], 0),
    )
    edge = np.ceil(120 + 200 * draws.uniform(key, 48)[~leaves])
    record.note(stay, state=RESUMING, ms=edge, event=START)
    at_ms[stay] += length[~leaves] + edge
    return rows[leaves]
