"""Throughput: how many kbps each session's line gives, as it goes along; fitted in the catalog's `networks`."""

from dataclasses import dataclass

import numpy as np

from qoescope.catalog import networks as n
from qoescope.emit import draws
from qoescope.emit.draws import Bits, Floats
from qoescope.emit.viewers import NETWORK_TYPES, Codes

_SHARES = tuple(s for net in NETWORK_TYPES for s in n.NETWORKS[net])
_INDEX = {line.name: i for i, line in enumerate(n.LINES)}
LINE = np.array([_INDEX[s.line] for s in _SHARES])
SCALE = np.array([s.scale for s in _SHARES])
SESSION_PART = np.sqrt([line.session_share for line in n.LINES])
MOVING_PART = np.sqrt([1 - line.session_share for line in n.LINES])
LOG_CORRELATION = np.log([line.correlation for line in n.LINES])
SPREAD = np.array([(1 + line.correlation) / (1 - line.correlation) for line in n.LINES])
OUTAGE_SHARE = np.array([line.outage_share for line in n.LINES])
OUTAGE_MS = np.array([1000 * line.outage_mean_s for line in n.LINES])
BETWEEN_OUTAGES_MS = np.where(OUTAGE_SHARE > 0, OUTAGE_MS * (1 - OUTAGE_SHARE) / np.maximum(OUTAGE_SHARE, 1e-9), 1e12)
_STEPS = 1024


def _kbps_by_z() -> Floats:
    """Kbps at 1024 steps of a standard normal from −4 to 4, a row a line; log-linear between the knots and beyond."""
    z = (np.arange(_STEPS) + 0.5) / _STEPS * 8 - 4
    knots = np.interp(n.KNOTS, draws.UNIT16, draws.NORMAL)
    rows = []
    for line in n.LINES:
        log = np.log(line.quantiles_kbps)
        low = log[0] + (z - knots[0]) * (log[1] - log[0]) / (knots[1] - knots[0])
        high = log[-1] + (z - knots[-1]) * (log[-1] - log[-2]) / (knots[-1] - knots[-2])
        rows.append(np.where(z < knots[0], low, np.where(z > knots[-1], high, np.interp(z, knots, log))))
    return np.exp(np.stack(rows)).ravel()


KBPS = _kbps_by_z()


@dataclass
class Air:
    """The state of each session's line."""

    line: Codes
    scale: Floats
    lasting: Floats
    """The part of the latent normal that stays."""
    moving: Floats
    """The autoregressive part, a standard normal."""
    outage: Floats
    """1 in an outage, else 0."""
    toggles_in_ms: Floats

    def take(self, keep: Codes) -> "Air":
        """Some of the sessions."""
        return Air(
            self.line[keep],
            self.scale[keep],
            self.lasting[keep],
            self.moving[keep],
            self.outage[keep],
            self.toggles_in_ms[keep],
        )


def begin(key: Bits, share: Codes, speed: Floats) -> Air:
    """Lines as sessions find them; `share` is a place in `NETWORKS`, `speed` scales the whole line."""
    line = LINE[share]
    word, more = draws.bits(key, 20), draws.bits(key, 21)
    lasting = SESSION_PART[line] * draws.NORMAL[draws.part(word, 0)]
    outage = (draws.UNIT16[draws.part(word, 2)] < OUTAGE_SHARE[line]).astype(np.float64)
    mean = np.where(outage > 0, OUTAGE_MS[line], BETWEEN_OUTAGES_MS[line])
    return Air(
        line,
        SCALE[share] * speed,
        lasting,
        draws.NORMAL[draws.part(word, 1)],
        outage,
        mean * draws.EXPONENTIAL[draws.part(more, 0)],
    )


def kbps(air: Air, z: Floats) -> Floats:
    """What lines give at these values of the latent normal, outages aside."""
    place = ((z + 4) * (_STEPS / 8)).astype(np.int64).clip(0, _STEPS - 1)
    return KBPS[air.line * _STEPS + place] * air.scale


def typical(air: Air) -> Floats:
    """What a player remembers of such a line."""
    return kbps(air, air.lasting)


def next_kbps(air: Air, step_ms: Floats, word: Bits) -> Floats:
    """Mean throughput over the next step, outages as they stand; longer steps average the moving part out."""
    segments = step_ms / (1000 * n.SEGMENT_S)
    kept = np.exp(segments * LOG_CORRELATION[air.line])
    air.moving = kept * air.moving + np.sqrt(1 - kept * kept) * draws.NORMAL[draws.part(word, 0)]
    averaged = np.sqrt(np.minimum(1.0, SPREAD[air.line] / np.maximum(segments, 1.0)))
    rate = kbps(air, air.lasting + MOVING_PART[air.line] * air.moving * averaged)
    return np.where(air.outage > 0, n.OUTAGE_KBPS, rate)


def spend(air: Air, step_ms: Floats, word: Bits) -> None:
    """Lets time pass; an outage that is due begins or ends."""
    left = air.toggles_in_ms - step_ms
    due = np.flatnonzero(left <= 0)
    if len(due):
        line = air.line[due]
        air.outage[due] = 1 - air.outage[due]
        mean = np.where(air.outage[due] > 0, OUTAGE_MS[line], BETWEEN_OUTAGES_MS[line])
        left[due] = np.maximum(mean * draws.EXPONENTIAL[draws.part(word[due], 1)], 1.0)
    air.toggles_in_ms = left
