"""Comparison: which of two slices that share bad sessions holds the cause: what only one of them holds decides.

A slice may score best because its sessions are alike, or because its bad ones are the worst. So the level that the
shared sessions reached is held against the others: do they show it, or are they as usual?
"""

from collections.abc import Sequence

import numpy as np

from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import EvidenceModel, Rise
from qoescope.monitor.search.slices import Slice

CONTENDERS = 20
"""Slices that the best one is compared with."""

_ROUNDS = 4
FULL_RISE, HALF_RISE = (1.0,), (1.0, 0.5)
"""What sessions must show of the rise: all of it to be taken in, half of it to be kept, for some are less sensitive."""


def rise_evidence(model: EvidenceModel, sums: Floats, like: Floats, parts: Sequence[float] = FULL_RISE) -> float:
    """Log-likelihood ratio of "got as much worse as `like`, or by a part of that" to "as usual", for summed columns.

    0 where there are no sessions, or none that show the level.
    """
    if model.support(sums) <= 0 or model.support(like) <= 0:
        return 0.0
    own, other = (model.evidence(each.reshape(-1, 1), 1) for each in (sums, like))
    rise = Rise(
        expected=float(own.expected[0]),
        actual=float(own.actual[0]),
        lift=float(own.lift[0]),
        factor=float(other.lift[0]),
        difference=float(other.actual[0] - other.expected[0]),
    )
    return model.rise_evidence(sums, like, rise, parts)


def strongest_cause(leaves: Leaves, model: EvidenceModel, ranked: Sequence[Slice]) -> Slice:
    """The slice that stands against all others which share sessions with it, beginning with the first of `ranked`.

    Of names for the same sessions it is the one that ranks first.
    """
    best = ranked[0]
    for _ in range(_ROUNDS):
        inside = matching(leaves, best.codes)
        gains = [_advantage(leaves, model, inside, best, other) for other in ranked[:CONTENDERS]]
        most = int(np.argmax(gains))
        if gains[most] <= 0:
            break
        best = ranked[most]
    return next(one for one in ranked if one.fingerprint == best.fingerprint)


def _advantage(leaves: Leaves, model: EvidenceModel, inside: np.ndarray, best: Slice, other: Slice) -> float:
    """How much likelier `other` is than `best`, names' cost included; 0 where they hold the same sessions.

    `inside` are the leaves of `best`.
    """
    theirs = matching(leaves, other.codes)
    rows = (inside & theirs, theirs & ~inside, inside & ~theirs)
    shared, added, lost = (leaves.sums[:, each].sum(axis=1) for each in rows)
    support = [float(model.support(sums)) for sums in (shared, added, lost)]
    if support[0] <= 0 or not (support[1] or support[2]):
        return 0.0
    cheaper = best.cost - other.cost
    return rise_evidence(model, added, shared) - rise_evidence(model, lost, shared, HALF_RISE) + cheaper
