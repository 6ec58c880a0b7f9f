"""At the end of a live run those who still watch leave, each with a word; everybody else is as they were."""

import numpy as np

from qoescope.emit.measures import Measures
from qoescope.emit.scenario import Scenario
from qoescope.emit.simulation import Sessions
from qoescope.emit.spans import CODE, FINISH, IDLE, STARTING

World = tuple[Scenario, Sessions, Measures]
AT_MS = 300_000


def test_who_still_watches_leaves_and_says_so(calm: World) -> None:
    whole = calm[1].timeline
    left = whole.left_by(np.full(whole.sessions, AT_MS))
    last, begins = left.first[1:] - 1, whole.end_ms - whole["ms"]
    over = (begins < AT_MS) & (whole.end_ms > AT_MS) & ~np.isin(whole["state"], (IDLE, STARTING))
    leave = np.zeros(whole.sessions, dtype=bool)
    leave[whole.session[over]] = True
    assert 0.05 < leave.mean() < 0.95
    assert set(left.length_ms[leave]) == {AT_MS}
    assert set(left["event"][last][leave]) == {FINISH}
    assert set(left["code"][last][leave]) == {CODE["exited"]}
    assert np.array_equal(left.total(left["ms"]), np.where(leave, AT_MS, whole.total(whole["ms"])))


def test_what_was_before_and_who_has_gone_is_as_it_was(calm: World) -> None:
    whole = calm[1].timeline
    left = whole.left_by(np.full(whole.sessions, AT_MS))
    after = left.left_by(left.length_ms)
    assert all(np.array_equal(after[name], left[name]) for name in left.columns)
    ends = np.zeros(len(left.session), dtype=bool)
    ends[left.first[1:] - 1] = True
    order = np.arange(len(whole.session)) - whole.first[whole.session]
    place = {key: i for i, key in enumerate(zip(whole.session.tolist(), order.tolist(), strict=True))}
    rows = np.flatnonzero(~ends)
    turn = rows - left.first[left.session[rows]]
    there = [place[key] for key in zip(left.session[rows].tolist(), turn.tolist(), strict=True)]
    for name in left.columns:
        assert np.array_equal(left[name][rows], whole[name][there]), name
