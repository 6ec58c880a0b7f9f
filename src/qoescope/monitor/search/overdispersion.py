"""Over-dispersion: how far clean slices stray beyond chance, so that drift is no alarm and hides no fault.

The drift τ is the variance of a clean slice's relative error: φ = 1 + τ · information (for shares the over-dispersion
of the beta-binomial by moments, Williams 1982, growing with the expected bad sessions). It comes from windows without
an incident; where a table brings no history, from the slices that are left once the root causes are taken out.
"""

import numpy as np

from qoescope.monitor.search.cells import CellCounter, groupings, root_cell
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.scan import SearchLimits

_MEDIAN = 0.4549
"""Median of χ² with one degree of freedom: what the median of squared errors is compared with, which a few faults do
not move, as in genomic control (Devlin and Roeder 1999)."""

_LOOKED_AT = 60
"""Groupings that the drift is read off, spread evenly over all."""

_LEAST_SLICES = 20
_LEAST_INFORMATION = 5.0


def drift_variance(errors: Floats, information: Floats) -> float:
    """τ at which the median of errors² / (1/information + τ) is what chance may give; 0 with too few slices.

    Slices overlap, so their number counts for a quarter: a few slices must stray far before they count as drift.
    """
    known = information >= _LEAST_INFORMATION
    squared, chance = errors[known] ** 2, 1 / information[known]
    if squared.size < _LEAST_SLICES:
        return 0.0
    usual = _MEDIAN * (1 + 5 / np.sqrt(squared.size))
    if np.median(squared / chance) <= usual:
        return 0.0
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        if np.median(squared / (chance + middle)) > usual:
            low = middle
        else:
            high = middle
    return high


def errors_by_depth(leaves: Leaves, model: EvidenceModel, limits: SearchLimits) -> list[tuple[Floats, Floats]]:
    """For each depth from 0: relative errors of all supported slices, and their information."""
    gathered: list[list[tuple[Floats, Floats]]] = [[] for _ in range(limits.depth + 1)]
    wanted = groupings(leaves.only(model.support(leaves.sums) > 0), limits.depth)
    wanted = (
        [wanted[i] for i in sorted({round(i) for i in np.linspace(0, len(wanted) - 1, _LOOKED_AT)})] if wanted else []
    )
    support = np.maximum(model.support(leaves.sums), 0.0)
    for cells in (root_cell(leaves), *CellCounter(leaves, support, wanted, limits.support).cells()):
        evidence = model.evidence(cells.sums, len(cells.dims))
        gathered[len(cells.dims)].append((evidence.error, evidence.information))
    none = (np.zeros(0), np.zeros(0))
    return [
        (np.concatenate([e for e, _ in pairs]), np.concatenate([i for _, i in pairs])) if pairs else none
        for pairs in gathered
    ]


def residual_drift(leaves: Leaves, model: EvidenceModel, limits: SearchLimits) -> tuple[float, ...]:
    """τ by depth from one window's own remaining slices: of that depth, or of a shallower one that strays more.

    Thin slices of three dimensions stray most, and say nothing of the broad ones. Single values are few, so they are
    judged by pairs too.
    """
    strays = [drift_variance(errors, information) for errors, information in errors_by_depth(leaves, model, limits)[1:]]
    return tuple(max(strays[: max(depth, 2)], default=0.0) for depth in range(limits.depth + 1))
