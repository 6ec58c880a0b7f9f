"""Two causes at once: each is named as if the other one were not there, and what they share is no third."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa

from qoescope.monitor.cells import matching
from qoescope.monitor.counts import Leaves, leaves
from qoescope.monitor.measures import Mean
from qoescope.monitor.refit import refitted
from qoescope.monitor.scan import Limits, Peeled, Slice, figures

DIMS = ("player", "drm", "network")
NUMBER, HISTORY, USUAL, SPREAD = 40, 8, 7.0, 0.5
LIMITS = Limits(lift=1.15, excess=4, in_order=True)
PLAYERS = (("avplayer", "fairplay"), ("hls", "fairplay"), ("hls", "widevine"), ("shaka", "widevine"))
AVPLAYER, FAIRPLAY, HLS_WIFI = {"player": "avplayer"}, {"drm": "fairplay"}, {"player": "hls", "network": "wifi"}


def startups(slow: Sequence[tuple[dict[str, str], float]], players: Sequence[tuple[str, str]] = PLAYERS) -> Leaves:
    """Logarithms of startup times, e^by times as long in each `slow` slice; avplayer is all fairplay, hls in part."""
    rng = np.random.default_rng(5)
    rows = []
    for (player, drm), network in product(players, ("wifi", "4g", "cable")):
        here = {"player": player, "drm": drm, "network": network}
        by = sum(by for slice_, by in slow if slice_.items() <= here.items())
        now, then = rng.normal(USUAL + by, SPREAD, NUMBER), rng.normal(USUAL, SPREAD, HISTORY * NUMBER)
        rows.append((*here.values(), now.size, now.sum(), (now**2).sum(), then.size, then.sum(), (then**2).sum()))
    columns = list(zip(*rows, strict=True))
    table = pa.table(dict(zip(DIMS, columns[:3], strict=True)))
    return Mean().prepared(leaves(table, DIMS, [np.array(c, dtype=float) for c in columns[3:]]))


def slice_of(counts: Leaves, chosen: dict[str, str]) -> Slice:
    codes = {DIMS.index(name): counts.values[DIMS.index(name)].index(value) for name, value in chosen.items()}
    return figures(counts.sums[:, matching(counts, codes)].sum(axis=1), Mean(), codes, LIMITS)


def after(
    counts: Leaves, found: Sequence[dict[str, str]], others: Sequence[dict[str, str]] = ()
) -> list[dict[str, object]]:
    """The names of `found` once they are refitted; `others` stood for choice beside the first."""
    pool = tuple(slice_of(counts, one) for one in others)
    steps = [Peeled(slice_of(counts, one), () if at else pool, 100) for at, one in enumerate(found)]
    return [dict(counts.named(step.best.codes)) for step in refitted(counts, Mean(), LIMITS, steps)]


def test_a_name_that_took_a_part_of_another_cause_in_gives_way_to_its_rival() -> None:
    counts = startups([(AVPLAYER, 0.8), (HLS_WIFI, 0.8)])
    assert after(counts, [FAIRPLAY, HLS_WIFI], [AVPLAYER]) == [AVPLAYER, HLS_WIFI]


def test_a_name_that_stands_without_the_others_sessions_is_kept() -> None:
    counts = startups([(FAIRPLAY, 0.8), (HLS_WIFI, 0.8)])
    assert after(counts, [FAIRPLAY, HLS_WIFI], [AVPLAYER]) == [FAIRPLAY, HLS_WIFI]


def test_of_two_names_for_the_same_sessions_the_first_stays_although_the_other_costs_less() -> None:
    counts = startups([(AVPLAYER, 0.8), (HLS_WIFI, 0.8)], (("avplayer", "fairplay"), ("hls", "widevine")))
    avplayer, fairplay, hls = (slice_of(counts, one) for one in (AVPLAYER, FAIRPLAY, HLS_WIFI))
    cheaper = replace(fairplay, gain=fairplay.gain + 1)
    steps = [Peeled(avplayer, (cheaper,), 100), Peeled(hls, (), 100)]
    assert [one.best.codes for one in refitted(counts, Mean(), LIMITS, steps)] == [avplayer.codes, hls.codes]


def test_what_two_causes_share_is_no_third_one() -> None:
    wifi = {"network": "wifi"}
    both = AVPLAYER | wifi
    counts = startups([(AVPLAYER, 0.7), (wifi, 0.7)])
    assert after(counts, [both, AVPLAYER, wifi]) == [AVPLAYER, wifi]


def test_what_is_far_worse_than_both_of_its_causes_together_is_a_third_one() -> None:
    wifi = {"network": "wifi"}
    both = AVPLAYER | wifi
    counts = startups([(AVPLAYER, 0.3), (wifi, 0.3), (both, 1.5)])
    assert after(counts, [both, AVPLAYER, wifi]) == [both, AVPLAYER, wifi]
