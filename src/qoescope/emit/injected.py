"""Injected: what the faults of a scenario do to the causes of these sessions, each from draws of its own."""

from dataclasses import dataclass, field, fields
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog.faults import Fault
from qoescope.emit import draws
from qoescope.emit.draws import Floats
from qoescope.emit.scenario import LONGEST_AHEAD_MS, Hold, Scenario, hold
from qoescope.emit.spans import CODE
from qoescope.emit.viewers import Mask, Viewing, in_slice, redirected

NEVER = 1e15


@dataclass
class Throttle:
    """Throughput × `times` from `on` to `off`, ms from the press of play; one entry a session."""

    on: Floats
    off: Floats
    times: Floats


@dataclass
class Injected:
    """How the faults change the causes of each session; without faults nothing is changed."""

    startup_times: Floats
    connect_ms: Floats
    segment_times: Floats
    abr_times: Floats
    ad_wait_ms: Floats
    failures_a_minute: Floats
    failure_code: NDArray[np.int16]
    leak_a_minute: Floats
    leak_code: NDArray[np.int16]
    licence_fails: Mask
    connect_fails: Mask
    start_code: NDArray[np.int16]
    silent_end: Mask
    throttles: list[Throttle] = field(default_factory=list)


def joined(parts: list[Injected]) -> Injected:
    """The sessions of all parts, one after the other."""
    names = [f.name for f in fields(Injected) if f.name != "throttles"]
    whole = Injected(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
    for i in range(max(len(part.throttles) for part in parts)):
        slots = [part.throttles[i] if i < len(part.throttles) else _free(len(part.connect_ms)) for part in parts]
        whole.throttles.append(
            Throttle(*(np.concatenate([getattr(slot, name) for slot in slots]) for name in ("on", "off", "times")))
        )
    return whole


def _free(n: int) -> Throttle:
    return Throttle(np.full(n, NEVER), np.full(n, NEVER), np.ones(n))


def touched(run: Scenario, fault: Fault, v: Viewing) -> Mask:
    """Sessions that the fault may change: in its slice, and there while it holds (or, throttled, soon to be)."""
    if fault.cause == "traffic":
        return redirected(run, fault, v.started_ms, v.key)
    now, inside, _, window = held(run, fault, v)
    if fault.cause != "throughput":
        return now
    begins, ends = window.around(v.started_ms)
    return inside & (begins < v.started_ms + LONGEST_AHEAD_MS) & (ends > v.started_ms)


def held(run: Scenario, fault: Fault, v: Viewing) -> tuple[Mask, Mask, Floats, Hold]:
    """In the slice while the fault holds at the press of play; in the slice at all; its strength; its window."""
    window = hold(run, fault)
    on, off = window.around(v.started_ms)
    inside = in_slice(fault, v)
    return inside & (v.started_ms >= on) & (v.started_ms < off), inside, window.strength(v.started_ms), window


def _none(n: int) -> Injected:
    zero, one, never = np.zeros, np.ones, lambda: np.zeros(n, dtype=bool)
    code = np.zeros(n, dtype=np.int16)
    return Injected(
        one(n),
        zero(n),
        one(n),
        one(n),
        zero(n),
        zero(n),
        code.copy(),
        zero(n),
        code.copy(),
        never(),
        never(),
        code.copy(),
        never(),
    )


def injected(run: Scenario, v: Viewing) -> Injected:
    """What the scenario's faults do to these sessions."""
    result = _none(len(v))
    for fault in run.faults:
        if fault.cause == "traffic":
            continue
        now, inside, strength, window = held(run, fault, v)
        if fault.cause == "throughput":
            _throttle(result, fault, v, inside, window)
        elif now.any():
            _apply(result, fault, v, now, strength)
    return result


def _apply(result: Injected, fault: Fault, v: Viewing, now: Mask, strength: Floats) -> None:
    own = draws.uniform(v.key, 1_000_000 + crc32(fault.name.encode()))
    times = np.where(now, 1 + strength * (fault.by - 1), 1.0)
    more = np.where(now, strength * fault.by, 0.0)
    happens = own < more
    code = CODE.get(fault.error_code, 0)
    match fault.cause:
        case "startup_wait":
            result.startup_times *= times
        case "connect_ms":
            result.connect_ms += more
        case "segment_size":
            result.segment_times *= times
        case "abr_target":
            result.abr_times *= times
        case "ad_wait_ms":
            result.ad_wait_ms += more
        case "failures_a_minute":
            result.failures_a_minute += more
            result.failure_code[now] = code
        case "leak_a_minute":
            result.leak_a_minute += more
            result.leak_code[now] = code
        case "licence_chance":
            result.licence_fails |= happens
            result.start_code[happens] = code
        case "connect_chance":
            result.connect_fails |= happens
            result.start_code[happens] = code
        case "silent_end_chance":
            result.silent_end |= happens


def _throttle(result: Injected, fault: Fault, v: Viewing, inside: Mask, window: Hold) -> None:
    begins, ends = window.around(v.started_ms)
    near = inside & (begins < v.started_ms + LONGEST_AHEAD_MS) & (ends > v.started_ms)
    if not near.any():
        return
    strength = window.strength(np.maximum(v.started_ms, begins))
    on = np.where(near, begins - v.started_ms, NEVER)
    off = np.where(near, ends - v.started_ms, NEVER)
    times = np.where(near, 1 + strength * (fault.by - 1), 1.0)
    for slot in result.throttles:
        if not (near & (slot.on < NEVER)).any():
            slot.on, slot.off, slot.times = (
                np.where(near, on, slot.on),
                np.where(near, off, slot.off),
                np.where(near, times, slot.times),
            )
            return
    result.throttles.append(Throttle(on, off, times))
