"""Injected: what the faults of a scenario do to the causes of these sessions, each from draws of its own."""

from dataclasses import dataclass, field, fields
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog.faults import Fault
from qoescope.emit import draws
from qoescope.emit.draws import Floats
from qoescope.emit.scenario import LONGEST_AHEAD_MS, Hold, Scenario, hold
from qoescope.emit.slices import in_slice
from qoescope.emit.spans import CODE
from qoescope.emit.viewers import Mask, Viewing, redirected

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
    values: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    whole = Injected(**values)
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
    def zero() -> Floats:
        return np.zeros(n)

    def one() -> Floats:
        return np.ones(n)

    def never() -> Mask:
        return np.zeros(n, dtype=np.bool_)

    def code() -> NDArray[np.int16]:
        return np.zeros(n, dtype=np.int16)

    return Injected(
        startup_times=one(), connect_ms=zero(), segment_times=one(), abr_times=one(), ad_wait_ms=zero(),
        failures_a_minute=zero(), failure_code=code(), leak_a_minute=zero(), leak_code=code(), licence_fails=never(),
        connect_fails=never(), start_code=code(), silent_end=never(),
    )  # fmt: skip


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
    if fault.cause in _TIMES:
        getattr(result, _TIMES[fault.cause])[:] *= times
    elif fault.cause in _MORE:
        getattr(result, _MORE[fault.cause])[:] += more
        if fault.cause in _CODED:
            getattr(result, _CODED[fault.cause])[now] = code
    else:
        getattr(result, _HAPPENS[fault.cause])[happens] = True
        if code:
            result.start_code[happens] = code


_TIMES = {"startup_wait": "startup_times", "segment_size": "segment_times", "abr_target": "abr_times"}
_MORE = {
    "connect_ms": "connect_ms", "ad_wait_ms": "ad_wait_ms", "failures_a_minute": "failures_a_minute",
    "leak_a_minute": "leak_a_minute",
}  # fmt: skip
_CODED = {"failures_a_minute": "failure_code", "leak_a_minute": "leak_code"}
_HAPPENS = {"licence_chance": "licence_fails", "connect_chance": "connect_fails", "silent_end_chance": "silent_end"}
"""Which of the causes of `Injected` a fault changes."""


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
