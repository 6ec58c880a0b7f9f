"""Two causes at once: each is named as if the other one were not there, and what they share is no third."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pyarrow as pa
import pytest

from qoescope.monitor.search.backfit import backfit
from qoescope.monitor.search.cells import matching
from qoescope.monitor.search.counts import Leaves, leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.mean import MeanModel
from qoescope.monitor.search.scan import Choice, SearchLimits, figures
from qoescope.monitor.search.slices import Slice

DIMS = ("player", "drm", "network")
NUMBER, HISTORY, USUAL, SPREAD = 40, 8, 7.0, 0.5
STARTUP = MeanModel()
LIMITS = SearchLimits(lift=1.15, excess=4, in_order=True)
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
    return STARTUP.prepared(leaves(table, DIMS, [np.array(c, dtype=float) for c in columns[3:]]))


def slice_of(counts: Leaves, chosen: dict[str, str], model: EvidenceModel = STARTUP) -> Slice:
    dims = list(counts.dims)
    codes = {dims.index(name): counts.values[dims.index(name)].index(value) for name, value in chosen.items()}
    seen = figures(counts.sums[:, matching(counts, codes)].sum(axis=1), model, codes, LIMITS)
    return replace(seen, gain=seen.preference - log(3) * len(codes) - 2 * (len(codes) - 1))


def after(
    counts: Leaves,
    found: Sequence[dict[str, str]],
    others: Sequence[dict[str, str]] = (),
    model: EvidenceModel = STARTUP,
) -> list[dict[str, object]]:
    """The names of `found` once they are refitted; `others` stood for choice beside the first."""
    pool = tuple(slice_of(counts, one, model) for one in others)
    steps = [Choice(slice_of(counts, one, model), () if at else pool, 100) for at, one in enumerate(found)]
    return [dict(counts.named(step.best.codes)) for step in backfit(counts, model, LIMITS, steps)]


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
    steps = [Choice(avplayer, (cheaper,), 100), Choice(hls, (), 100)]
    assert [one.best.codes for one in backfit(counts, STARTUP, LIMITS, steps)] == [avplayer.codes, hls.codes]


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


def test_what_is_made_of_others_and_inside_none_is_dropped() -> None:
    shaka, made_up = {"player": "shaka"}, {"drm": "widevine", "network": "wifi"}
    counts = startups([(shaka, 0.8), (HLS_WIFI, 0.8)])
    assert after(counts, [made_up, shaka, HLS_WIFI]) == [shaka, HLS_WIFI]


def test_what_overlaps_others_is_kept_for_what_it_shows_beside_them() -> None:
    hls, shaka, wifi = {"player": "hls"}, {"player": "shaka"}, {"network": "wifi"}
    counts = startups([(hls, 0.8), (shaka, 0.8), (AVPLAYER | wifi, 0.8)])
    assert after(counts, [wifi, hls, shaka]) == [wifi, hls, shaka]


def bitrates(fast: int, tablets: bool) -> Leaves:
    """Logarithms of bitrates: half as much on mobile, but for `fast` sessions on 5g; on `tablets` with 4g, too."""
    rng = np.random.default_rng(6)
    rows = []
    for device, network in product(("mobile", "tablet"), ("wifi", "4g", "5g")):
        size = (fast if network == "5g" else 160) if device == "mobile" else 30
        slow = network != "5g" if device == "mobile" else tablets and network == "4g"
        now, then = rng.normal(8.0 - 0.7 * slow, 0.7, size), rng.normal(8.0, 0.7, 8 * size)
        os = "android" if device == "mobile" else "fire"
        sums = (now.size, now.sum(), (now**2).sum(), then.size, then.sum(), (then**2).sum())
        rows.append((device, os, network, *sums))
    columns = list(zip(*rows, strict=True))
    dims = ("device", "os", "network")
    table = pa.table(dict(zip(dims, columns[:3], strict=True)))
    counts = leaves(table, dims, [np.array(c, dtype=float) for c in columns[3:]])
    return MeanModel(higher_is_worse=False).prepared(counts)


@pytest.mark.parametrize(
    ("fast", "tablets", "named"),
    [
        (110, False, [{"device": "mobile"}]),
        (110, True, [{"device": "mobile", "network": "wifi"}, {"network": "4g"}]),
        (400, False, [{"device": "mobile", "network": "wifi"}, {"network": "4g"}]),
    ],
)
def test_most_of_a_parent_goes_by_its_name_where_they_hold_nothing_bad_beside_it(
    fast: int, tablets: bool, named: list[dict[str, str]]
) -> None:
    counts = bitrates(fast, tablets)
    mobile = {"device": "mobile"}
    found = [mobile | {"network": "wifi"}, {"network": "4g"}]
    assert after(counts, found, [mobile], MeanModel(higher_is_worse=False)) == named


def test_of_two_names_for_a_parents_sessions_the_one_that_stands_first_wins_although_the_other_costs_less() -> None:
    counts = bitrates(110, tablets=False)
    model = MeanModel(higher_is_worse=False)
    mobile, android = (slice_of(counts, one, model) for one in ({"device": "mobile"}, {"os": "android"}))
    wifi, cellular = (slice_of(counts, {"network": network}, model) for network in ("wifi", "4g"))
    for pool in ((mobile, replace(android, gain=android.gain + 1)), (android, mobile)):
        steps = [Choice(wifi, pool, 100), Choice(cellular, (), 100)]
        assert [one.best.codes for one in backfit(counts, model, LIMITS, steps)] == [mobile.codes]
