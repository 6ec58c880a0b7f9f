"""Life cycle: findings of one window after another → incidents that open, are confirmed, change, close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from qoescope.catalog.watch import CLOSE_AFTER, CONFIRM_IN, CONFIRM_OF, State
from qoescope.monitor.detect.finding import MOST_VOTE, Finding
from qoescope.monitor.detect.history import SliceSpan, slice_span
from qoescope.monitor.detect.named_slices import NamedSlice, are_related, is_within, parse_slice, slice_key

REOPEN = timedelta(minutes=60)
"""What comes back this soon is the same incident; where windows of a day show it, within a day."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many windows confirm and close an incident."""

    confirm_in: int = CONFIRM_IN
    confirm_of: int = CONFIRM_OF
    close_after: int = CLOSE_AFTER
    every: int = 1
    """Steps from one window to the next: an incident ends by windows like the one that opened it."""


LIVE = Pace()
BATCH = Pace(1, 1, 2)
DAILY = Pace(1, 1, 2, every=24)


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause as it is known so far. `best` is the strongest finding; the slice is the one most windows named."""

    id: str
    state: State
    slice: NamedSlice
    opened_at: datetime
    onset_at: datetime
    last_seen_at: datetime
    best: Finding
    metrics: Mapping[str, float]
    votes: Mapping[str, float]
    hits: tuple[bool, ...]
    excess: float
    version: int = 1
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None
    onsets: tuple[datetime, ...] = field(default=())
    every: int = 1
    """Steps between the windows that it was opened by: hours or days where sessions are restated."""

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.state in ("provisional", "confirmed")

    @property
    def persistence(self) -> float:
        """Windows that showed it over windows since it opened."""
        return sum(self.hits) / max(len(self.hits), 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Steps of a history as times."""

    step_s: int = 60

    def time(self, step: int) -> datetime:
        """When the step begins."""
        return datetime.fromtimestamp(step * self.step_s, tz=UTC)

    def step(self, at: datetime) -> int:
        """The step in which the time lies."""
        return int(at.timestamp() // self.step_s)


def advance(
    incidents: Sequence[Incident],
    findings: Sequence[Finding],
    at: datetime,
    clock: Clock,
    pace: Pace = LIVE,
) -> list[Incident]:
    """The incidents after a window that ended at `at`; unchanged ones are the same objects.

    Findings of one slice are one incident, whatever their metrics. They join the incident of their slice, else one of a
    related slice, else they open a new one. An incident found again within an hour of its end goes on. Windows of
    another length than the one that opened it may show it again, but say nothing of its end.
    """
    groups: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: -f.score):
        groups.setdefault(slice_key(finding.slice), []).append(finding)
    now = list(incidents)
    known = {slice_key(one.slice): i for i, one in reversed(list(enumerate(now))) if one.open or _may_reopen(one, at)}
    joined: dict[int, list[Finding]] = {known[name]: list(group) for name, group in groups.items() if name in known}
    late = timedelta(seconds=clock.step_s * pace.close_after)
    for name, group in groups.items():
        if name in known:
            continue
        index = _incident_of(now, joined, group, at, late, clock)
        if index is None:
            now.append(_opened(group[0], at, clock, pace))
            index = len(now) - 1
        joined.setdefault(index, []).extend(group)
    return [
        _shown(one, joined[i], at, clock, pace) if i in joined else _not_shown(one, at, pace)
        for i, one in enumerate(now)
    ]


ONSET_WITHIN = timedelta(minutes=2)
"""How well an onset is known, where steps are shorter: what a fault's first minutes did is no history of its slice."""

SAME_ONSET = timedelta(minutes=3)
"""Onsets so near may be one moment, where steps are shorter."""


def _incident_of(
    now: Sequence[Incident],
    joined: Mapping[int, list[Finding]],
    group: Sequence[Finding],
    at: datetime,
    late: timedelta,
    clock: Clock,
) -> int | None:
    """The open incident of a related slice; not one that shows beside this slice, told apart from it.

    Told apart by a metric that shows in both, or since this slice reaches beyond an incident that shows under its own
    name too: whatever breaks the part does not break the rest. But what began in the same minutes is one cause, of
    which another metric shows too little to tell the part from the whole.
    """
    metrics = {f.watched.metric for f in group}
    onset = clock.time(min(f.onset for f in group))
    for i, one in enumerate(now):
        beside = joined.get(i, ())
        apart = bool(metrics & {f.watched.metric for f in beside})
        if any(slice_key(f.slice) == slice_key(one.slice) for f in beside):
            together = clock.step_s < SAME_ONSET.total_seconds() and abs(onset - one.onset_at) <= SAME_ONSET
            apart |= not is_within(group[0].slice, one.slice) and not together
        near = are_related(one.slice, group[0].slice) or (bool(metrics & set(one.metrics)) and _overlap(one, group))
        if one.open and at - one.last_seen_at <= late * one.every and not apart and near:
            return i
    return None


def _overlap(one: Incident, group: Sequence[Finding]) -> bool:
    """Whether one holds a part of the other's sessions, though their names do not tell."""
    return any(slice_key(slice_) == slice_key(one.slice) for slice_ in group[0].overlapping)


def _may_reopen(one: Incident, at: datetime) -> bool:
    return one.state == "closed" and one.closed_at is not None and at - one.closed_at <= REOPEN * one.every


def _opened(f: Finding, at: datetime, clock: Clock, pace: Pace) -> Incident:
    onset = clock.time(f.onset)
    key = f"{at.isoformat()} {slice_key(f.slice)} {f.watched.metric}"
    return Incident(
        id=sha256(key.encode()).hexdigest()[:16],
        state="provisional",
        slice=f.slice,
        opened_at=at,
        onset_at=onset,
        last_seen_at=at,
        best=f,
        metrics={},
        votes={},
        hits=(),
        excess=0.0,
        version=0,
        every=pace.every,
    )


def _shown(one: Incident, findings: Sequence[Finding], at: datetime, clock: Clock, pace: Pace) -> Incident:
    votes, metrics = dict(one.votes), dict(one.metrics)
    for f in findings:
        votes[slice_key(f.slice)] = votes.get(slice_key(f.slice), 0.0) + min(f.score, MOST_VOTE)
        metrics[f.watched.metric] = max(metrics.get(f.watched.metric, 0.0), f.score)
    hits = (*one.hits, True) if one.every == pace.every else one.hits
    slice_ = parse_slice(max(votes, key=lambda name: (votes[name], name)))
    mine = [f for f in (one.best, *findings) if slice_key(f.slice) == slice_key(slice_)]
    best = max(mine or [one.best, *findings], key=lambda f: f.score)
    confirmed = one.confirmed_at is not None or sum(hits[-pace.confirm_of :]) >= pace.confirm_in
    onsets = (*one.onsets, *(clock.time(f.onset) for f in findings if f.watched.metric == best.watched.metric))[-9:]
    onset_is_final = one.confirmed_at is not None and len(one.hits) > pace.confirm_of
    return replace(
        one,
        state="confirmed" if confirmed else "provisional",
        slice=slice_,
        last_seen_at=at,
        best=best,
        votes=votes,
        metrics=metrics,
        hits=hits,
        excess=max(one.excess, best.excess, key=abs),
        version=one.version + 1,
        confirmed_at=one.confirmed_at or (at if confirmed else None),
        closed_at=None,
        onsets=onsets,
        onset_at=one.onset_at if onset_is_final else sorted(onsets)[len(onsets) // 2],
    )


def _not_shown(one: Incident, at: datetime, pace: Pace) -> Incident:
    if not one.open or one.every != pace.every:
        return one
    hits = (*one.hits, False)
    clean = len(hits) >= pace.close_after and not any(hits[-pace.close_after :])
    if one.state == "confirmed" and clean:
        return replace(one, state="closed", hits=hits, closed_at=at, version=one.version + 1)
    hopeless = len(hits) >= pace.confirm_of and sum(hits[-pace.confirm_of :]) < pace.confirm_in - 1
    if one.state == "provisional" and (clean or hopeless):
        return replace(one, state="dismissed", hits=hits, closed_at=at, version=one.version + 1)
    return replace(one, hits=hits)


def confirmed_spans(incidents: Sequence[Incident], clock: Clock, now: int) -> list[SliceSpan]:
    """The steps and slices of confirmed incidents, from the earliest that they may have begun to their last window.

    Those that are open reach until before the step `now`.
    """
    early = int(ONSET_WITHIN.total_seconds() // clock.step_s)
    return [
        slice_span(
            clock.step(one.onset_at) - early,
            now if one.open else clock.step(one.last_seen_at) + 1,
            one.slice,
            one.votes.get(slice_key(one.slice), 0.0),
        )
        for one in incidents
        if one.confirmed_at is not None and one.state != "dismissed" and one.slice
    ]
