"""Players: the state of each player that still plays, and of its viewer."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from dataclasses import dataclass, fields

import numpy as np

from qoescope.catalog import population as p
from qoescope.emit import draws
from qoescope.emit.draws import Bits, Floats
from qoescope.emit.injected import NEVER, Injected
from qoescope.emit.spans import PLAYING, STALLED, Recorder, Rows
from qoescope.emit.startup import TOP, Started
from qoescope.emit.viewers import SOFTWARE, Codes, Mask, Viewing

LONG_BUFFER_MS, LIVE_BUFFER_MS = 20_000.0, 8_000.0
RESUME_MS = 4_000.0
"""A stalled player goes on with one segment in its buffer."""
LOW_BUFFER = 0.4
"""Below this share of its most, a buffer is low."""
FINE_STEP_MS = 4_000.0
LONGEST_STEP_MS = 150_000.0
BROWSERS = 0.22
"""Sessions that only look: a minute in the mean."""
MEDIAN_WATCH_MS, WATCH_SIGMA = 11 * 60_000.0, 1.05
STALL_COST = 0.08
"""Each stall takes this share of what a viewer still meant to watch (a tolerant one loses less)."""
STALL_PATIENCE_MS = 60_000.0
"""Mean patience within a stall."""
LOW_QUALITY_COST = 0.03
"""A fall below 540 lines takes this share of what was still meant to be watched."""
FAILURES_A_MINUTE = 0.00045
TELEVISION = np.array([s.device.device_type == "smart_tv" for s in SOFTWARE])
"""On a television people watch half as long again."""
WEAK = np.array([s.device.drops_a_minute for s in SOFTWARE]) / 60_000


@dataclass
class Players:
    """The state of each player that still plays, and of its viewer."""

    who: Rows
    key: Bits
    at_ms: Floats
    stalled: Mask
    span_ms: Floats
    """How long the open span has lasted."""
    dropped: Floats
    """Frames dropped in it."""
    buffer_ms: Floats
    need_ms: Floats
    """Media still to come before a stall ends."""
    rung: Codes
    top: Codes
    estimate_kbps: Floats
    wants_ms: Floats
    """What the viewer still means to watch."""
    content_ms: Floats
    """What is left of the content."""
    leaves_stall_ms: Floats
    next_ms: Floats
    """Playing time until the next interruption."""
    survival: Floats
    """Exponential hazard still to be used up before a failure."""
    most_ms: Floats
    drops: Floats
    tolerance: Floats
    segment_times: Floats
    abr_times: Floats
    failures: Floats
    leak: Floats
    played_ms: Floats

    def take(self, keep: Codes) -> "Players":
        """Some of them."""
        return Players(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})

    def close(
        self, rows: Codes, event: int | Codes, record: Recorder, code: int | Codes = 0, next_rung: int | Codes = 0
    ) -> None:
        """Takes down the open span of these players as ended by `event`, and opens the next."""
        record.note(
            self.who[rows],
            state=np.where(self.stalled[rows], STALLED, PLAYING),
            ms=self.span_ms[rows],
            event=event,
            rung=self.rung[rows] + 1,
            dropped=self.dropped[rows],
            code=code,
            next_rung=next_rung,
        )
        self.span_ms[rows] = 0.0
        self.dropped[rows] = 0.0


def content_length_ms(content: Codes) -> Floats:
    """How long each title is: films and episodes; a live channel has no end."""
    u = ((content * 2_654_435_761) % 4096) / 4096
    film = content % 10 < 3
    length = np.where(film, 84 + 60 * u, np.where(u < 0.4, 22 + 6 * u, 42 + 16 * u))
    return np.where(content > p.TITLES - p.LIVE_TITLES, NEVER, np.round(length * 60) * 1000)


def start_position_ms(v: Viewing) -> Floats:
    """Where viewers begin: some go on where they stopped."""
    again = draws.uniform(v.key, 50) < 0.25
    place = content_length_ms(v.content) * 0.85 * draws.uniform(v.key, 51)
    return np.where(again & ~v.live, np.floor(place), 0.0)


def players(v: Viewing, s: Started, inj: Injected) -> Players:
    """Those who came to play content, as they stand at its first frame."""
    w, key = s.who, v.key[s.who]
    zeros = np.zeros(len(w))
    wants = np.where(
        draws.uniform(key, 52) < BROWSERS,
        60_000 * draws.exponential(key, 53),
        np.where(TELEVISION[v.software[w]], 1.45, 1.0) * MEDIAN_WATCH_MS * draws.lognormal(key, 54, WATCH_SIGMA),
    )
    left = content_length_ms(v.content[w]) - start_position_ms(v)[w]
    return Players(
        who=w,
        key=key,
        at_ms=s.at_ms,
        stalled=np.zeros(len(w), dtype=bool),
        span_ms=zeros,
        dropped=zeros,
        buffer_ms=np.full(len(w), RESUME_MS),
        need_ms=zeros,
        rung=s.rung,
        top=TOP[v.software[w]],
        estimate_kbps=s.estimate_kbps,
        wants_ms=np.ceil(wants) + 1,
        content_ms=left,
        leaves_stall_ms=np.full(len(w), NEVER),
        next_ms=until_next_ms(key, 55, v.with_ads[w]),
        survival=draws.exponential(key, 56),
        most_ms=np.where(v.live[w], LIVE_BUFFER_MS, LONG_BUFFER_MS),
        drops=WEAK[v.software[w]] * draws.lognormal(key, 57, 0.8),
        tolerance=v.tolerance[w],
        segment_times=inj.segment_times[w],
        abr_times=inj.abr_times[w],
        failures=(FAILURES_A_MINUTE + inj.failures_a_minute[w]) / 60_000,
        leak=inj.leak_a_minute[w] / 60_000,
        played_ms=zeros,
    )


EVERY_MS = 9 * 60_000.0
"""Mean playing time between interruptions; with ads a third more often."""


def until_next_ms(key: Bits, purpose: int, with_ads: Mask) -> Floats:
    """Playing time until something interrupts."""
    return np.ceil(1 + EVERY_MS * np.where(with_ads, 0.75, 1.0) * draws.exponential(key, purpose))
