"""Playback: player and viewer from the first frame on; steps end when something happens, not at every segment."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

import numpy as np

from qoescope.catalog.faults import LEAK_AFTER_S
from qoescope.emit import draws, interruptions, throughput
from qoescope.emit.draws import Bits, Floats
from qoescope.emit.injected import NEVER, Injected, Throttle
from qoescope.emit.players import (
    FINE_STEP_MS,
    LONGEST_STEP_MS,
    LOW_BUFFER,
    LOW_QUALITY_COST,
    RESUME_MS,
    STALL_COST,
    STALL_PATIENCE_MS,
    Players,
    players,
)
from qoescope.emit.spans import CODE, FAIL, FINISH, RENDITION, STALL, START, Recorder
from qoescope.emit.startup import RATE, Started, pick
from qoescope.emit.throughput import Air
from qoescope.emit.viewers import Codes, Mask, Viewing

REACTS_AT = 0.75
"""A player whose buffer drains thinks again when this share of it is gone."""
FAILURE_CODES = np.array([CODE["NETWORK_LOST"], CODE["SEGMENT_NOT_FOUND"], CODE["APP_CRASH"], CODE["DECODER_INIT"]])


def play(v: Viewing, s: Started, air: Air, inj: Injected, record: Recorder) -> None:
    """Takes down everything from the first frame of content to the end of each session."""
    a, line = players(v, s, inj), air.take(s.who)
    throttles = [Throttle(t.on[s.who], t.off[s.who], t.times[s.who]) for t in inj.throttles]
    step = 0
    while len(a.who):
        step += 1
        word = draws.bits(a.key, 1000 + step)
        step_ms = _step_ms(a, line, throttles)
        rate = throughput.next_kbps(line, step_ms, word)
        for t in throttles:
            rate = np.where((t.on <= a.at_ms) & (t.off > a.at_ms), rate * t.times, rate)
        _switch(a, record)
        step_ms = _until_something(a, rate, step_ms)
        a.estimate_kbps = a.estimate_kbps + np.where(step_ms > FINE_STEP_MS, 0.6, 0.35) * (rate - a.estimate_kbps)
        throughput.spend(line, step_ms, word)
        alive = _pass(a, rate, step_ms, word, v, inj, record)
        if not alive.all():
            keep = np.flatnonzero(alive)
            a, line = a.take(keep), line.take(keep)
            throttles = [Throttle(t.on[keep], t.off[keep], t.times[keep]) for t in throttles]


def _step_ms(a: Players, line: Air, throttles: list[Throttle]) -> Floats:
    """How far to look ahead: a segment when it is tight, longer once it runs steadily."""
    steady = np.minimum(6_000 + 0.08 * a.played_ms, LONGEST_STEP_MS)
    tight = a.stalled | (a.buffer_ms < LOW_BUFFER * a.most_ms) | (line.outage > 0)
    ahead = np.where(tight, FINE_STEP_MS + 0.004 * a.played_ms, steady)
    ahead = np.minimum(ahead, line.toggles_in_ms)
    for t in throttles:
        until = np.where(t.on > a.at_ms, t.on - a.at_ms, np.where(t.off > a.at_ms, t.off - a.at_ms, NEVER))
        ahead = np.minimum(ahead, until)
    return np.maximum(ahead, 1.0)


def _switch(a: Players, record: Recorder) -> None:
    """The ABR's choice: what the measured throughput allows, less while the buffer is low, up only with a buffer."""
    dares = 0.78 + 0.42 * np.minimum(a.buffer_ms / 18_000, 1.0)
    choice = np.minimum(pick(a.estimate_kbps * dares * a.abr_times), a.top)
    stays = (choice == a.rung) | ((choice > a.rung) & (a.stalled | (a.buffer_ms < LOW_BUFFER * a.most_ms)))
    rows = np.flatnonzero(~stays)
    if not len(rows):
        return
    now, then = a.rung[rows], choice[rows]
    a.close(rows, RENDITION, record, next_rung=then + 1)
    a.rung[rows] = then
    worse = rows[(then < now) & (then < 3)]
    a.wants_ms[worse] = np.ceil(a.wants_ms[worse] * (1 - LOW_QUALITY_COST / a.tolerance[worse].clip(0.5)))


def _media_a_ms(a: Players, rate: Floats) -> Floats:
    return rate / (RATE[a.rung] * a.segment_times)


def _hazard(a: Players) -> Floats:
    return a.failures + np.where(a.played_ms >= LEAK_AFTER_S * 1000, a.leak, 0.0)


def _until_something(a: Players, rate: Floats, step_ms: Floats) -> Floats:
    """The step, cut where something happens first: an empty buffer, enough data, an interruption, an end."""
    fill = _media_a_ms(a, rate)
    empties = np.where(fill < 1, a.buffer_ms / np.maximum(1 - fill, 1e-9), NEVER)
    leak_begins = np.where((a.leak > 0) & (a.played_ms < LEAK_AFTER_S * 1000), LEAK_AFTER_S * 1000 - a.played_ms, NEVER)
    playing = np.minimum(np.minimum(a.wants_ms, a.content_ms), np.minimum(a.next_ms, a.survival / _hazard(a)))
    looks_again = np.maximum(REACTS_AT * empties, FINE_STEP_MS + 0.004 * a.played_ms)
    playing = np.minimum(np.minimum(playing, empties), np.minimum(leak_begins, looks_again))
    waiting = np.minimum(a.need_ms / np.maximum(fill, 1e-9), a.leaves_stall_ms)
    return np.maximum(np.ceil(np.minimum(step_ms, np.where(a.stalled, waiting, playing))), 1.0)


def _pass(a: Players, rate: Floats, step_ms: Floats, word: Bits, v: Viewing, inj: Injected, record: Recorder) -> Mask:
    """Lets the step pass and takes down what happened at its end; gives back who plays on."""
    fill = _media_a_ms(a, rate)
    runs = ~a.stalled
    played = np.where(runs, step_ms, 0.0)
    a.at_ms = a.at_ms + step_ms
    a.span_ms = a.span_ms + step_ms
    a.survival = a.survival - played * _hazard(a)
    a.played_ms, a.wants_ms = a.played_ms + played, a.wants_ms - played
    a.content_ms, a.next_ms = a.content_ms - played, a.next_ms - played
    a.dropped = a.dropped + played * a.drops * (0.3 + 0.7 * (a.rung / np.maximum(a.top, 1)) ** 2)
    a.buffer_ms = np.where(runs, (a.buffer_ms + step_ms * (fill - 1)).clip(0.0, a.most_ms), a.buffer_ms)
    a.need_ms = np.where(runs, 0.0, a.need_ms - step_ms * fill)
    a.leaves_stall_ms = np.where(runs, NEVER, a.leaves_stall_ms - step_ms)

    fails = runs & (a.survival <= 1e-12)
    finishes = runs & ~fails & (a.content_ms <= 0)
    leaves = ~fails & ~finishes & np.where(runs, a.wants_ms <= 0, (a.leaves_stall_ms <= 0) & (a.need_ms > 1e-6))
    ends = fails | finishes | leaves
    hungry = runs & ~ends & (a.buffer_ms <= 1.0) & (fill < 1)
    fed = a.stalled & ~ends & (a.need_ms <= 1e-6)
    interrupted = runs & ~ends & ~hungry & (a.next_ms <= 0)

    rows = np.flatnonzero(ends)
    if len(rows):
        codes = np.where(finishes, CODE["finished"], CODE["exited"])[rows]
        codes = np.where(fails[rows], _failure_codes(a, rows, word, inj), codes)
        a.close(rows, np.where(fails, FAIL, FINISH)[rows], record, code=codes)
    if hungry.any():
        _stall(a, np.flatnonzero(hungry), word, record)
    if fed.any():
        _go_on(a, np.flatnonzero(fed), record)
    if interrupted.any():
        ends[interruptions.happen(a, np.flatnonzero(interrupted), rate, word, v, record)] = True
    return ~ends


def _failure_codes(a: Players, rows: Codes, word: Bits, inj: Injected) -> Codes:
    base = FAILURE_CODES[draws.part(word[rows], 3) & 3]
    who = a.who[rows]
    base = np.where((a.leak[rows] > 0) & (a.played_ms[rows] >= LEAK_AFTER_S * 1000), inj.leak_code[who], base)
    return np.where((inj.failures_a_minute[who] > 0) & (inj.failure_code[who] > 0), inj.failure_code[who], base)


def _stall(a: Players, rows: Codes, word: Bits, record: Recorder) -> None:
    a.close(rows, STALL, record)
    a.stalled[rows] = True
    a.buffer_ms[rows] = 0.0
    a.need_ms[rows] = RESUME_MS
    a.leaves_stall_ms[rows] = np.ceil(
        1500 + STALL_PATIENCE_MS * a.tolerance[rows] * draws.EXPONENTIAL[draws.part(word[rows], 2)]
    )


def _go_on(a: Players, rows: Codes, record: Recorder) -> None:
    a.close(rows, START, record)
    a.stalled[rows] = False
    a.buffer_ms[rows] = RESUME_MS
    a.wants_ms[rows] = np.ceil(a.wants_ms[rows] * (1 - STALL_COST / a.tolerance[rows].clip(0.5)))
