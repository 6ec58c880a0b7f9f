"""Kpis: a watched metric's sums out of a history's columns, and the statistics that judge them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoescope.catalog.watch import Watched
from qoescope.monitor.search.baseline import SHRINK
from qoescope.monitor.search.counts import Floats, Leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.mean import MeanModel
from qoescope.monitor.search.ratio import RatioModel
from qoescope.monitor.search.scan import SearchLimits
from qoescope.monitor.search.share import ShareModel
from qoescope.monitor.search.volume import VolumeModel, usual_dispersion


@dataclass(frozen=True, slots=True)
class Kpi:
    """A watched metric over a history with these columns."""

    watched: Watched
    parts: tuple[tuple[int, ...], ...]
    """Per sum the columns that add up to it."""
    cluster: float = 1.0
    unseen: float = SHRINK
    """How many sessions of a slice without a past the model of a mean is worth."""

    def sums(self, columns: Floats) -> Floats:
        """The metric's sums (sums x anything) out of all columns; clusters of intervals count as one."""
        sums = np.array([columns[list(part)].sum(axis=0) for part in self.parts])
        return self.model().clustered(sums, self.cluster)

    def leaves(self, leaves: Leaves, columns: int) -> Leaves:
        """The leaves with the metric's sums in the window, then in the baseline; empty leaves dropped."""
        now, then = self.sums(leaves.sums[:columns]), self.sums(leaves.sums[columns:])
        sums = np.vstack([now, then])
        some = (now[0] > 0) | (then[0] > 0)
        return Leaves(leaves.dims, leaves.values, leaves.codes[:, some], sums[:, some])

    def model(self) -> EvidenceModel:
        """The statistics that judge it."""
        return model_of(self.watched, self.unseen)

    def limits(self, drift: Sequence[float] | None) -> SearchLimits:
        """When a slice counts; with the drift of clean history also the whole is judged like any slice."""
        known = SearchLimits(support=self.watched.support, excess=self.watched.excess, lift=self.watched.lift)
        if drift is None:
            root = 1 + 1.6 * (self.watched.lift - 1)
            return SearchLimits(support=known.support, excess=known.excess, lift=known.lift, root_lift=root)
        return SearchLimits(
            support=known.support,
            excess=known.excess,
            lift=known.lift,
            root_lift=known.lift,
            drift=tuple(drift),
        )


def model_of(watched: Watched, unseen: float = SHRINK) -> EvidenceModel:
    """The statistics of the metric's kind; `unseen` is what a slice without a past is worth to the model of a mean."""
    match watched.kind:
        case "share":
            return ShareModel()
        case "mean":
            return MeanModel(higher_is_worse=watched.higher_is_worse, unseen=unseen)
        case "ratio":
            return RatioModel()
        case "volume":
            return VolumeModel(rises=watched.higher_is_worse, falls=not watched.higher_is_worse)


def live_kpis(watched: Sequence[Watched], columns: Sequence[str]) -> list[Kpi]:
    """Those that `live_leaf`'s columns can tell."""
    return [
        Kpi(w, tuple(tuple(columns.index(name) for name in part) for part in w.leaf), w.cluster)
        for w in watched
        if w.leaf and all(name in columns for part in w.leaf for name in part)
    ]


def kpi_of(watched: Watched, columns: Sequence[str]) -> Kpi:
    """The metric over a history of live minutes or of summed sessions, whichever these columns are."""
    if watched.leaf and watched.leaf[0][0] in columns:
        return live_kpis([watched], columns)[0]
    return session_kpis([watched], columns)[0]


def session_columns(watched: Sequence[Watched]) -> dict[str, str]:
    """Column → SQL over a row of `sessions`, for all metrics that sessions can tell."""
    return {f"{w.metric}_{i}": sql for w in watched for i, sql in enumerate(w.session)}


def session_kpis(watched: Sequence[Watched], columns: Sequence[str]) -> list[Kpi]:
    """Those that summed sessions can tell."""
    return [
        Kpi(w, tuple((columns.index(f"{w.metric}_{i}"),) for i in range(len(w.session)))) for w in watched if w.session
    ]


def forecast(leaves: Leaves) -> Leaves:
    """Real and forecast of a volume: each leaf's share of the baseline, of what the whole is now.

    So a busier hour is no rise and a quieter one no fall; what is missed is a slice that fell silent.
    """
    real, before = leaves.sums[0], leaves.sums[1]
    scale = real.sum() / max(before.sum(), 1e-12)
    return Leaves(leaves.dims, leaves.values, leaves.codes, np.vstack([real, before * scale]))


def dispersed(model: EvidenceModel, leaves: Leaves) -> EvidenceModel:
    """A volume's measure with the dispersion that most leaves show."""
    if isinstance(model, VolumeModel):
        spread = max(usual_dispersion(leaves.sums[0], leaves.sums[1]), 1.0)
        return VolumeModel(spread, rises=model.rises, falls=model.falls)
    return model
