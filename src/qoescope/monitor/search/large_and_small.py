"""Large and small: which findings stand beside a larger one, of which they may be the drift or the untold sessions.

Two things make small findings beside a large cause. Its sessions differ, so what its name leaves over is chance on a
larger scale; and sessions that do not tell one of its dimensions belong to it in part, under any other name.
"""

from collections.abc import Sequence

from qoescope.monitor.search.cells import matching, untold
from qoescope.monitor.search.counts import Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.scan import SearchLimits
from qoescope.monitor.search.slices import Slice


def besides_the_largest(
    leaves: Leaves, model: EvidenceModel, limits: SearchLimits, chosen: Sequence[Slice]
) -> list[Slice]:
    """Those of `chosen`, in their order, that have more than `limits.floor` of the largest excess of their own.

    Own is what larger ones do not explain by sessions that do not tell their dimensions.
    """
    kept: list[Slice] = []
    for one in sorted(chosen, key=lambda each: -abs(each.excess)):
        untold = sum(_leaked(leaves, model, larger, one) for larger in kept)
        own = abs(one.excess) - untold
        if not kept or (own >= limits.excess and own >= max(limits.floor * abs(kept[0].excess), untold)):
            kept.append(one)
    return [one for one in chosen if one in kept]


def _leaked(leaves: Leaves, model: EvidenceModel, cause: Slice, one: Slice) -> float:
    """The excess in `one` of sessions that may be those of `cause`, for they do not tell its dimensions.

    As many of them are taken for the cause's as are among the sessions of the same context that tell.
    """
    may = untold(leaves, cause.codes)
    if not may.any() or not cause.support:
        return 0.0
    context = matching(leaves, {dim: code for dim, code in one.codes.items() if dim not in cause.codes}) & ~may
    inside, amount = matching(leaves, one.codes) & may, model.support(leaves.sums)
    told = float(amount[context].sum())
    part = float(amount[context & matching(leaves, cause.codes)].sum()) / told if told else 0.0
    return part * float(amount[inside].sum()) * abs(cause.excess) / cause.support
