"""The greatest event number of each session in the lake, and the days that hold its events.

Players number events 1, 2, 3 …: a number beyond its session's greatest is new, whatever any clock says. Only others
have to be looked up, on every day that holds events of their session.
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
JOIN_RATIO = 2
"""A run is joined with a newer one unless it is this many times as long, so that there are few."""


def build_run(sessions: Ints, seqs: Ints, days: Ints) -> Ints:
    """A run of these events: one column a session and day, sorted, with the greatest seq."""
    order = np.lexsort((seqs, days, sessions))
    rows = np.stack([sessions[order], seqs[order], days[order]])
    last = np.append((np.diff(rows[SESSION]) != 0) | (np.diff(rows[DAY]) != 0), True)[: rows.shape[1]]
    kept = rows[:, last]
    return kept[:, np.lexsort((kept[SEQ], kept[SESSION]))]


def run_of(events: pa.Table, sessions: Ints) -> Ints:
    """The run of rows of `events`, whose sessions have these hashes."""
    if not len(events):
        return NONE
    days = events["session_day"].cast(pa.int32()).to_numpy().astype(np.int64)
    return build_run(sessions, events["seq"].to_numpy(), days)


def join_runs(runs: Sequence[Ints]) -> Ints:
    """One run of several."""
    rows = np.concatenate(runs, axis=1) if runs else NONE
    return build_run(rows[SESSION], rows[SEQ], rows[DAY])


def greatest_seqs(runs: Iterable[Ints], sessions: Ints) -> Ints:
    """For each session the greatest seq in any run; the least integer for one that is in none."""
    greatest = np.full(len(sessions), np.iinfo(np.int64).min)
    for rows in runs:
        if rows.shape[1]:
            position = rows[SESSION].searchsorted(sessions, side="right") - 1
            there = (position >= 0) & (rows[SESSION][position] == sessions)
            greatest[there] = np.maximum(greatest[there], rows[SEQ][position[there]])
    return greatest


def days_of(runs: Iterable[Ints], sessions: Ints) -> set[int]:
    """The days, since 1970, that hold events of one of these sessions."""
    wanted = np.unique(sessions)
    day_numbers: set[int] = set()
    for rows in runs:
        first, end = (rows[SESSION].searchsorted(wanted, side=side) for side in ("left", "right"))
        for a, b in zip(first[first < end], end[first < end], strict=True):
            day_numbers.update(rows[DAY][a:b].tolist())
    return day_numbers


@dataclass(slots=True)
class SeqRuns:
    """Runs from the longest to the newest, joined as they are added: a dozen for millions of sessions."""

    items: list[Ints] = field(default_factory=list)

    def add(self, rows: Ints) -> None:
        """Adds the run of a batch."""
        if not rows.shape[1]:
            return
        self.items.append(rows)
        while len(self.items) > 1 and self.items[-2].shape[1] < JOIN_RATIO * self.items[-1].shape[1]:
            newest = self.items.pop()
            self.items[-1] = join_runs([self.items[-1], newest])
