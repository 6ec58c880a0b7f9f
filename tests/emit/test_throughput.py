"""Simulated lines behave like the measured ones: quantiles, autocorrelation, outages."""

import numpy as np
import pytest

from qoescope.catalog import networks as n
from qoescope.emit import draws, throughput
from qoescope.emit.draws import Floats
from qoescope.emit.throughput import SCALE

TRACES = 500


def traces(line: n.NetworkLine) -> Floats:
    """Means over 4 s, a row a trace as long as the measured ones."""
    every = [share for shares in n.NETWORKS.values() for share in shares]
    place = next(i for i, share in enumerate(every) if share.line == line.name)
    key = draws.keys(7, 99, np.arange(TRACES))
    air = throughput.begin(key, np.full(TRACES, place), np.full(TRACES, 1 / SCALE[place]))
    step, rates = np.full(TRACES, 1000 * n.SEGMENT_S), []
    for turn in range(line.measured.samples):
        word = draws.bits(key, 1000 + turn)
        rates.append(throughput.next_kbps(air, step, word))
        throughput.spend(air, step, word)
    return np.stack(rates, axis=1)


@pytest.mark.parametrize("line", n.LINES, ids=lambda line: line.name)
def test_quantiles_are_within_a_tenth_of_the_measured_ones(line: n.NetworkLine) -> None:
    simulated = np.quantile(traces(line), [0.05, 0.25, 0.5, 0.75, 0.95])
    for ours, theirs in zip(simulated, line.measured.quantiles_kbps, strict=True):
        assert ours == pytest.approx(theirs, rel=0.12, abs=n.OUTAGE_BELOW_KBPS)


@pytest.mark.parametrize("line", n.LINES, ids=lambda line: line.name)
def test_the_next_segment_is_as_alike_as_measured(line: n.NetworkLine) -> None:
    z = np.log(np.maximum(traces(line), 50))
    z -= z.mean(axis=1, keepdims=True)
    moves = z.std(axis=1) > 0.02
    lag1 = (z[moves, 1:] * z[moves, :-1]).sum(axis=1) / (z[moves] ** 2).sum(axis=1)
    assert lag1.mean() == pytest.approx(line.measured.lag1_autocorrelation, abs=0.06)


@pytest.mark.parametrize("line", n.LINES, ids=lambda line: line.name)
def test_outages_are_as_frequent_and_as_long_as_measured(line: n.NetworkLine) -> None:
    out = traces(line) < n.OUTAGE_BELOW_KBPS
    assert out.mean() == pytest.approx(line.measured.outage_share, rel=0.35, abs=0.002)
    edges = np.diff(np.pad(out.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    begins, ends = np.nonzero(edges == 1), np.nonzero(edges == -1)
    lengths = (ends[1] - begins[1]) * n.SEGMENT_S
    if line.measured.outage_share:
        assert lengths.mean() == pytest.approx(line.measured.outage_mean_s, rel=0.35)
