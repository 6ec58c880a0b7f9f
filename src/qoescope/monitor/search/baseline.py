"""Baseline: what each leaf should show: traffic may shift without a fault, a new value starts at its parent's rate.

A log-linear model of main effects, fitted to the baseline by iterative proportional fitting (Deming and Stephan 1940)
with a gamma prior on each factor, of `SHRINK` sessions at the whole's rate. Its margins are the baseline's own; a value
without history has factor 1. Means have effects of pairs of dimensions too: a Mac on a cable is no faster than the
cable, and a new version on it neither.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from qoescope.monitor.search.counts import Floats, Ints, Leaves

SHRINK = 30.0
"""Sessions at the parent's rate that are added to each slice's own history."""

PAIR_SHRINK = 300.0
"""The same for a pair of values: there are many pairs, and most of what few sessions say of them is chance."""

_MOST_PAIRS = 250_000
"""Pairs of dimensions with more pairs of values than this say next to nothing of each."""

_PASSES = 5
_CLOSE = 1e-2


def _sums(code: Ints, weights: Floats, card: int) -> Floats:
    sums: Floats = np.bincount(code, weights, card).astype(np.float64)
    return sums


def expected_rates(leaves: Leaves, exposure: Floats, events: Floats, unit: float = 1.0) -> Floats:
    """The model's rate (0..1) for each leaf, from baseline `exposure` (sessions, watched time) and `events` (bad ones).

    `unit` is the exposure of one session. Without any baseline all rates are 0.
    """
    total = exposure.sum()
    if total <= 0:
        return np.zeros(leaves.size)
    mean = (events.sum() + 0.5 * unit) / (total + unit)
    known = exposure > 0
    where, weight = leaves.codes[:, known], exposure[known]
    prior = SHRINK * mean * unit
    events_by_dim = [_sums(code, events[known], card) for code, card in zip(where, leaves.cards, strict=True)]
    factors = [np.ones(card) for card in leaves.cards]
    rate = np.full(len(weight), mean)
    for _ in range(_PASSES):
        moved = 0.0
        for dim, code in enumerate(where):
            old = factors[dim]
            without = _sums(code, weight * rate, len(old)) / old
            new = (events_by_dim[dim] + prior) / np.maximum(without + prior, 1e-300)
            step = new / old
            rate = np.minimum(rate * step[code], 1.0)
            factors[dim] = new
            moved = max(moved, float(np.abs(step - 1).max(initial=0)))
        if moved < _CLOSE:
            break
    whole = np.full(leaves.size, mean)
    for code, factor in zip(leaves.codes, factors, strict=True):
        whole *= factor[code]
    bounded: Floats = np.minimum(whole, 1.0)
    return bounded


def expected_means(leaves: Leaves, number: Floats, total: Floats) -> Floats:
    """The additive model's mean for each leaf, from baseline `number` of values and their `total` (of logarithms)."""
    count = number.sum()
    if count <= 0:
        return np.zeros(leaves.size)
    mean = total.sum() / count
    known = number > 0
    where, weight = leaves.codes[:, known], number[known]
    rest = total[known] - weight * mean
    weights = [_sums(code, weight, card) for code, card in zip(where, leaves.cards, strict=True)]
    shifts = [np.zeros(card) for card in leaves.cards]
    for _ in range(_PASSES):
        moved = 0.0
        for dim, code in enumerate(where):
            new = (_sums(code, rest, len(shifts[dim])) + weights[dim] * shifts[dim]) / (weights[dim] + SHRINK)
            step = new - shifts[dim]
            rest = rest - weight * step[code]
            shifts[dim] = new
            moved = max(moved, float(np.abs(step).max(initial=0)))
        if moved < _CLOSE:
            break
    whole = np.full(leaves.size, mean)
    for code, shift in zip(leaves.codes, shifts, strict=True):
        whole += shift[code]
    for one, other in _pairs(leaves.cards):
        key = leaves.codes[one] * leaves.cards[other] + leaves.codes[other]
        width, inside = leaves.cards[one] * leaves.cards[other], key[known]
        step = _sums(inside, rest, width) / (_sums(inside, weight, width) + PAIR_SHRINK)
        rest = rest - weight * step[inside]
        whole += step[key]
    return whole


def _pairs(cards: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of dimensions, those of few values first."""
    pairs = [(a, b) for a, b in combinations(range(len(cards)), 2) if cards[a] * cards[b] <= _MOST_PAIRS]
    return sorted(pairs, key=lambda pair: (cards[pair[0]] * cards[pair[1]], pair))
