"""Interruptions: pauses, seeks, ads, windows out of sight, small errors: what happens while content plays."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

import numpy as np

from qoescope.catalog import population as p
from qoescope.emit import draws
from qoescope.emit.draws import Bits, Floats
from qoescope.emit.players import RESUME_MS, Players, until_next_ms
from qoescope.emit.spans import (
    AD_END,
    AD_START,
    CDN_CHANGE,
    CODE,
    ERROR,
    FINISH,
    PAUSE,
    PAUSED,
    PLAYING,
    REQUEST,
    RESUMING,
    SEEK_END,
    SEEK_START,
    SEEKING,
    START,
    VISIBILITY,
    Recorder,
)
from qoescope.emit.startup import RATE, pick
from qoescope.emit.viewers import SOFTWARE, Codes, Viewing

PAUSES, SEEKS, OUT_OF_SIGHT, SMALL_ERROR, OTHER_CDN = range(5)
_KIND = draws.picks((0.40, 0.34, 0.16, 0.07, 0.03))
MID_ROLL = 0.25
"""Of interruptions of viewers with ads, how many are an ad break."""
NEVER_BACK = 0.12
"""Pauses that the viewer does not come back from."""
LONGEST_SEEK_WAIT_MS = 25_000.0
_ON_WEB = np.array([s.device.device_type == "web" for s in SOFTWARE])


def happen(a: Players, rows: Codes, rate: Floats, word: Bits, v: Viewing, record: Recorder) -> Codes:
    """Takes down what interrupts these players; gives back those whose session it ended."""
    fresh = draws.bits(word[rows], 7)
    who = a.who[rows]
    a.next_ms[rows] = until_next_ms(word[rows], 8, v.with_ads[who])
    kind = _KIND[draws.part(fresh, 0)]
    kind = np.where((kind == OUT_OF_SIGHT) & ~_ON_WEB[v.software[who]], PAUSES, kind)
    ad = v.with_ads[who] & ~v.live[who] & (draws.UNIT16[draws.part(fresh, 1)] < MID_ROLL)
    kind = np.where((kind == SEEKS) & v.live[who], SMALL_ERROR, kind)
    size = draws.part(fresh, 2)
    more = draws.part(fresh, 3)
    _ad_break(a, rows[ad], size[ad], record)
    for which, tell in ((SEEKS, _seek), (OUT_OF_SIGHT, _out_of_sight)):
        mine = ~ad & (kind == which)
        if mine.any():
            tell(a, rows[mine], rate, size[mine], more[mine], record)
    mine = rows[~ad & (kind == SMALL_ERROR)]
    a.close(mine, ERROR, record, code=CODE["SEGMENT_RETRY"])
    mine = rows[~ad & (kind == OTHER_CDN)]
    if len(mine):
        record.note(
            a.who[mine],
            state=PLAYING,
            ms=a.span_ms[mine],
            event=CDN_CHANGE,
            rung=a.rung[mine] + 1,
            dropped=a.dropped[mine],
            next_cdn=(v.cdn[a.who[mine]] + 1) % len(p.CDNS) + 1,
        )
        a.span_ms[mine], a.dropped[mine] = 0.0, 0.0
    mine = ~ad & (kind == PAUSES)
    return _pause(a, rows[mine], size[mine], more[mine], record)


def _pause(a: Players, rows: Codes, size: Codes, more: Codes, record: Recorder) -> Codes:
    a.close(rows, PAUSE, record)
    lasts = np.ceil((40_000 * np.exp(1.1 * draws.NORMAL[size])).clip(800, 900_000))
    gone = draws.UNIT16[more] < NEVER_BACK
    code = np.where(gone, CODE["exited"], 0)
    record.note(a.who[rows], state=PAUSED, ms=lasts, event=np.where(gone, FINISH, REQUEST), code=code)
    back = rows[~gone]
    edge = np.ceil(60 + 300 * draws.UNIT16[size[~gone]] ** 3)
    record.note(a.who[back], state=RESUMING, ms=edge, event=START)
    a.at_ms[rows] += lasts
    a.at_ms[back] += edge
    return rows[gone]


def _seek(a: Players, rows: Codes, rate: Floats, size: Codes, more: Codes, record: Recorder) -> None:
    a.close(rows, SEEK_START, record)
    forward = np.where(
        draws.UNIT16[size] < 0.7, 30_000 + 240_000 * draws.UNIT16[more], -10_000 - 50_000 * draws.UNIT16[more]
    )
    jump = np.floor(np.minimum(forward, a.content_ms[rows] * 0.5))
    jump = np.where(jump < 0, np.maximum(jump, -np.floor(a.played_ms[rows])), jump)
    rung = np.minimum(pick(rate[rows]), a.rung[rows])
    waits = np.ceil((150 + RESUME_MS * RATE[rung] / rate[rows]).clip(80, LONGEST_SEEK_WAIT_MS))
    record.note(a.who[rows], state=SEEKING, ms=waits, event=SEEK_END, jump_ms=jump)
    a.content_ms[rows] -= jump
    a.buffer_ms[rows] = RESUME_MS
    a.at_ms[rows] += waits


def _ad_break(a: Players, rows: Codes, size: Codes, record: Recorder) -> None:
    if not len(rows):
        return
    a.close(rows, AD_START, record)
    edge = np.ceil(100 + 400 * draws.UNIT16[size])
    length = np.where(size % 5 < 3, 15_000.0, 30_000.0)
    record.note(a.who[rows], state=RESUMING, ms=edge, event=START, ad=True)
    record.note(a.who[rows], state=PLAYING, ms=length, event=AD_END, ad=True)
    record.note(a.who[rows], state=RESUMING, ms=edge, event=START)
    a.at_ms[rows] += length + 2 * edge


def _out_of_sight(a: Players, rows: Codes, rate: Floats, size: Codes, more: Codes, record: Recorder) -> None:
    """A tab goes to the background and comes back; it plays on."""
    del rate, more
    a.close(rows, VISIBILITY, record)
    left = np.minimum(a.wants_ms[rows], a.content_ms[rows]) - 1
    lasts = np.floor(np.minimum(45_000 * np.exp(draws.NORMAL[size]), left).clip(0))
    record.note(a.who[rows], state=PLAYING, ms=lasts, event=VISIBILITY, hidden=True, rung=a.rung[rows] + 1)
    for array, sign in ((a.at_ms, 1), (a.played_ms, 1), (a.wants_ms, -1), (a.content_ms, -1)):
        array[rows] += sign * lasts
