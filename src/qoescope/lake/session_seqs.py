"""Session numbers: how far the numbers of each session have come in the lake, and on which days it lies there.

A player numbers its events 1, 2, 3 …: one beyond the greatest number of its session is new, whatever any clock says.
Only what is not beyond it has to be looked for among stored events, in every day on which its session lies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
SESSION, SEQ, DAY = range(3)
"""Rows of a run: hash of (property, session_id), greatest seq, day since 1970; columns are in that order."""
NONE = np.zeros((3, 0), np.int64)
FEWER = 2
"""A run is joined with a newer one unless it is so many times as long: there are few, and each is joined rarely."""


def run(sessions: Ints, seqs: Ints, days: Ints) -> Ints:
    """One column a session and day, in order: the greatest seq of the events given."""
    order = np.lexsort((seqs, days, sessions))
    rows = np.stack([sessions[order], seqs[order], days[order]])
    last = np.append((np.diff(rows[SESSION]) != 0) | (np.diff(rows[DAY]) != 0), True)[: rows.shape[1]]
    kept = rows[:, last]
    return kept[:, np.lexsort((kept[SEQ], kept[SESSION]))]


def run_of(events: pa.Table, sessions: Ints) -> Ints:
    """The run of these rows of `events`, whose sessions have these hashes."""
    if not len(events):
        return NONE
    days = events["session_day"].cast(pa.int32()).to_numpy().astype(np.int64)
    return run(sessions, events["seq"].to_numpy(), days)


def joined(runs: Sequence[Ints]) -> Ints:
    """Runs as one."""
    rows = np.concatenate(runs, axis=1) if runs else NONE
    return run(rows[SESSION], rows[SEQ], rows[DAY])


def reached(runs: Iterable[Ints], sessions: Ints) -> Ints:
    """For each session the greatest seq that a run knows; one below all for a session that none knows."""
    greatest = np.full(len(sessions), np.iinfo(np.int64).min)
    for rows in runs:
        if rows.shape[1]:
            place = rows[SESSION].searchsorted(sessions, side="right") - 1
            there = (place >= 0) & (rows[SESSION][place] == sessions)
            greatest[there] = np.maximum(greatest[there], rows[SEQ][place[there]])
    return greatest


def days(runs: Iterable[Ints], sessions: Ints) -> set[int]:
    """Days of the lake on which one of these sessions lies."""
    wanted = np.unique(sessions)
    found: set[int] = set()
    for rows in runs:
        first, end = (rows[SESSION].searchsorted(wanted, side=side) for side in ("left", "right"))
        for a, b in zip(first[first < end], end[first < end], strict=True):
            found.update(rows[DAY][a:b].tolist())
    return found


@dataclass(slots=True)
class Runs:
    """Runs from the longest to the newest, joined as they come: a dozen for millions of sessions."""

    held: list[Ints] = field(default_factory=list)

    def add(self, rows: Ints) -> None:
        """Adds what a batch has written."""
        if not rows.shape[1]:
            return
        self.held.append(rows)
        while len(self.held) > 1 and self.held[-2].shape[1] < FEWER * self.held[-1].shape[1]:
            newest = self.held.pop()
            self.held[-1] = joined([self.held[-1], newest])
