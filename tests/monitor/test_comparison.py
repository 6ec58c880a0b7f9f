"""Which of two slices that share bad sessions is named: what only one of them holds decides."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from qoescope.monitor.search.comparison import rise_evidence
from qoescope.monitor.search.counts import Leaves, leaves
from qoescope.monitor.search.evidence import EvidenceModel
from qoescope.monitor.search.find import find_root_causes
from qoescope.monitor.search.mean import MeanModel
from qoescope.monitor.search.ratio import RatioModel
from qoescope.monitor.search.scan import SearchLimits
from qoescope.monitor.search.share import ShareModel
from qoescope.monitor.search.volume import VolumeModel

SHIFT = 1.6


def startups(slow: set[str]) -> Leaves:
    """Logarithms of startup times by player and model; each `slow` model of player dash takes five times as long.

    One model of dash is as steady as a clock, the others are not and rare: alone it looks worst.
    """
    rng = np.random.default_rng(2)
    cells = [
        ("dash", "steady", 60, 0.1),
        ("dash", "old", 12, 1.0),
        ("dash", "new", 12, 1.0),
        ("hls", "phone", 400, 0.6),
    ]
    rows = []
    for player, model, number, spread in cells:
        now, then = rng.normal(7.5, spread, number), rng.normal(7.5, spread, 9 * number)
        now += SHIFT if player == "dash" and model in slow else 0.0
        rows.append((player, model, number, now.sum(), (now**2).sum(), 9 * number, then.sum(), (then**2).sum()))
    columns = list(zip(*rows, strict=True))
    table = pa.table({"player": columns[0], "model": columns[1]})
    return leaves(table, ["player", "model"], [np.array(c, dtype=float) for c in columns[2:]])


@pytest.mark.parametrize(
    ("slow", "named"),
    [({"steady", "old", "new"}, {"player": "dash"}), ({"steady"}, {"model": "steady"})],
)
def test_the_rest_of_the_broader_slice_says_which_one_it_is(slow: set[str], named: dict[str, str]) -> None:
    assert [dict(one.slice) for one in find_root_causes(startups(slow), MeanModel())] == [named]


@pytest.mark.parametrize(
    ("model", "bad", "usual"),
    [
        (ShareModel(), [100, 30, 900, 18], [100, 2, 900, 18]),
        (VolumeModel(), [300, 100], [100, 100]),
        (MeanModel(), [50, 425, 3650, 450, 3375, 25500], [50, 375, 2850, 450, 3375, 25500]),
        (
            RatioModel(),
            [50, 5000, 1000, 520_000, 100_000, 25_000, 450, 45_000, 450, 4_600_000, 45_000, 900],
            [50, 5000, 50, 520_000, 5_000, 100, 450, 45_000, 450, 4_600_000, 45_000, 900],
        ),
    ],
)
def test_sessions_speak_for_the_level_that_they_show(
    model: EvidenceModel, bad: list[float], usual: list[float]
) -> None:
    """Two leaves, both with the same history; the first got worse."""
    table = pa.table({"isp": ["a", "b"]})
    both = model.prepared(
        leaves(table, ["isp"], [np.array(pair, dtype=float) for pair in zip(bad, usual, strict=True)])
    )
    like = both.sums[:, 0]
    assert rise_evidence(model, like, like) > 2
    assert rise_evidence(model, both.sums[:, 1], like) < -2
    assert rise_evidence(model, np.zeros_like(like), like) == 0


@pytest.mark.parametrize(
    ("model", "new"),
    [
        (ShareModel(), [100, 2, 0, 0, 2, 0]),
        (VolumeModel(), [100, 100]),
        (MeanModel(), [50, 375, 2850, 0, 0, 0, 375, 0]),
        (RatioModel(), [50, 5000, 50, 520_000, 5_000, 100, 0, 0, 0, 0, 0, 0, 50, 0]),
    ],
)
def test_sessions_without_a_past_speak_for_nothing_where_nobody_shows_the_level(
    model: EvidenceModel, new: list[float]
) -> None:
    sums = np.array(new, dtype=float)
    assert rise_evidence(model, sums, np.zeros_like(sums)) == 0


def bitrates(fast: int) -> Leaves:
    """Logarithms of bitrates by device and network: mobile gets half as much, but for `fast` sessions on 5g."""
    rng = np.random.default_rng(4)
    rows = []
    for device, network in product(("mobile", "tv", "web"), ("4g", "5g", "wifi")):
        size = fast if network == "5g" else 160
        now, then = rng.normal(8.0, 0.7, size), rng.normal(8.0, 0.7, 8 * size)
        now -= np.log(2) if device == "mobile" and network != "5g" else 0.0
        rows.append((device, network, now.size, now.sum(), (now**2).sum(), then.size, then.sum(), (then**2).sum()))
    columns = list(zip(*rows, strict=True))
    table = pa.table({"device": columns[0], "network": columns[1]})
    return leaves(table, ["device", "network"], [np.array(c, dtype=float) for c in columns[2:]])


@pytest.mark.parametrize(
    ("fast", "named"),
    [
        (80, [{"device": "mobile"}]),
        (400, [{"device": "mobile", "network": "4g"}, {"device": "mobile", "network": "wifi"}]),
    ],
)
def test_parts_stand_in_for_their_whole_only_where_they_leave_more_than_an_exception(
    fast: int, named: list[dict[str, str]]
) -> None:
    slices = [dict(one.slice) for one in find_root_causes(bitrates(fast), MeanModel(higher_is_worse=False))]
    assert sorted(slices, key=str) == named


@pytest.mark.parametrize(("in_order", "named"), [(True, "os"), (False, "drm")])
def test_of_names_for_the_same_sessions_the_first_dimension_wins_the_duel_too(in_order: bool, named: str) -> None:
    """Slow phones of ios, which are those with fairplay: drm has fewer values; one CDN's are steady and score best."""
    rng = np.random.default_rng(5)
    devices = [
        ("phone", "ios", 40),
        ("phone", "droid", 90),
        ("tv", "ios", 60),
        ("tv", "tizen", 60),
        ("tv", "webos", 60),
    ]
    rows = []
    for (device, os, number), (cdn, spread) in product(devices, (("steady", 0.1), ("other", 0.5))):
        slow = SHIFT if (device, os) == ("phone", "ios") else 0.0
        now, then = rng.normal(7.5 + slow, spread, number), rng.normal(7.5, spread, 9 * number)
        drm = "fairplay" if os == "ios" else "widevine"
        rows.append((device, os, cdn, drm, number, now.sum(), (now**2).sum(), 9 * number, then.sum(), (then**2).sum()))
    columns = list(zip(*rows, strict=True))
    dims = ["device", "os", "cdn", "drm"]
    table = pa.table(dict(zip(dims, columns[:4], strict=True)))
    counts = leaves(table, dims, [np.array(c, dtype=float) for c in columns[4:]])
    (one,) = find_root_causes(counts, MeanModel(), SearchLimits(in_order=in_order))
    assert set(one.slice) == {"device", named}
