"""Scenario: how many sessions, over which days, from which seed, with which faults; and when each fault holds."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog import faults as f
from qoescope.catalog import population as p
from qoescope.emit.draws import Floats

DEFAULT_END = date(2025, 11, 11)
"""The default period ends before this day, not today: the same seed gives the same bytes on any day."""
CHUNK = 25_000
"""Sessions simulated at a time: a constant, so that bytes do not depend on the number of workers."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SLOT_MS = 300_000
LONGEST_AHEAD_MS = 6 * HOUR_MS

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Scenario:
    """A run of the simulator. Everything that it makes is a function of these values."""

    sessions: int = 100_000
    begin_ms: int = int(datetime(2025, 10, 12, tzinfo=UTC).timestamp() * 1000)
    length_ms: int = 30 * DAY_MS
    seed: int = 42
    faults: tuple[f.Fault, ...] = f.FAULTS

    @cached_property
    def chunks(self) -> int:
        """How many chunks the sessions fall into."""
        return -(-self.sessions // CHUNK)

    @property
    def end_ms(self) -> int:
        """The period's end, exclusive."""
        return self.begin_ms + self.length_ms

    def without(self, name: str) -> "Scenario":
        """The same scenario but for one fault."""
        return replace(self, faults=tuple(x for x in self.faults if x.name != name))

    def numbers(self, chunk: int) -> NDArray[np.int64]:
        """The session numbers of a chunk, in order of time."""
        return np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, self.sessions), dtype=np.int64)


def over_days(sessions: int, days: float, seed: int, end: date, faults: tuple[f.Fault, ...]) -> Scenario:
    """A scenario of so many days that ends before `end`, UTC."""
    length = round(days * DAY_MS)
    end_ms = int(datetime(end.year, end.month, end.day, tzinfo=UTC).timestamp() * 1000)
    return Scenario(sessions, end_ms - length, length, seed, faults)


OFFSET_HOURS = {
    c.code: float(np.average([r.utc_offset_hours for r in c.regions], weights=[r.share for r in c.regions]))
    for c in p.COUNTRIES
}
_ISP_COUNTRY = {i.name: c.code for c in p.COUNTRIES for i in c.isps}


def offset_hours(slice_: tuple[tuple[str, str], ...]) -> float:
    """The clock by which people of the slice would speak of an hour: their country's, else UTC."""
    where = dict(slice_)
    country = (
        where.get("country_code")
        or where.get("cdn_pop", "").split("-")[0]
        or _ISP_COUNTRY.get(where.get("isp", ""), "")
    )
    return OFFSET_HOURS.get(country, 0.0)


@dataclass(frozen=True)
class Hold:
    """When a fault holds: from `onset_ms` to `end_ms`; daily ones for `each_ms` of every day."""

    onset_ms: int
    end_ms: int
    each_ms: int | None
    ramp_ms: float

    def around(self, t: Times) -> tuple[Times, Times]:
        """For each time, when the window on it, or next after it, begins and ends; absolute ms."""
        if self.each_ms is None:
            return np.full_like(t, self.onset_ms), np.full_like(t, self.end_ms)
        day = np.maximum((t + LONGEST_AHEAD_MS - self.onset_ms) // DAY_MS, 0)
        begins = self.onset_ms + day * DAY_MS
        over = begins + self.each_ms
        before = (begins > t) & (begins - DAY_MS + self.each_ms > t) & (day > 0)
        begins = np.where(before, begins - DAY_MS, begins)
        return begins, np.minimum(np.where(before, over - DAY_MS, over), self.end_ms)

    def strength(self, t: Times) -> Floats:
        """How much of the fault there is: 0 before its onset, growing to 1 over its ramp."""
        if self.ramp_ms <= 0:
            return np.ones(len(t))
        grown: Floats = ((t - self.onset_ms) / self.ramp_ms).clip(0.0, 1.0)
        return grown


def released_ms(run: Scenario, version: str | None) -> int:
    """When a version of the app comes out; the last one does a few days before the period's end."""
    if version is None:
        return run.begin_ms
    major, minor, patch = (int(part) for part in version.removeprefix("v").split("."))
    later = (p.VERSION_MAJORS[-1] - major) * 100 + (9 - minor) * 10 + (9 - patch)
    return max(run.begin_ms, run.end_ms - round((later + 1) * p.DAYS_BETWEEN_RELEASES * DAY_MS))


def hold(run: Scenario, fault: f.Fault) -> Hold:
    """When the fault holds in this run. An hour that the period does not reach is moved into it."""
    w = fault.window
    latest = run.begin_ms + round(w.end * run.length_ms)
    released = min(released_ms(run, dict(fault.slice).get("app_version")), latest - HOUR_MS)
    earliest = max(run.begin_ms + round(w.start * run.length_ms), released)
    length = latest - earliest if w.minutes is None else round(w.minutes * 60_000)
    onset = earliest
    if w.local_hour is not None:
        at = round((w.local_hour - offset_hours(fault.slice)) * HOUR_MS)
        onset = earliest + (at - earliest) % DAY_MS
        while onset + length > run.end_ms and onset - DAY_MS >= run.begin_ms:
            onset -= DAY_MS
    if w.daily:
        return Hold(onset, latest, length, w.ramp * (latest - onset))
    onset = max(run.begin_ms, min(onset, run.end_ms - length))
    end = min(onset + length, run.end_ms)
    return Hold(onset, end, None, w.ramp * (end - onset))


class Load:
    """How many press play, where and when: by region and by five minutes of the period."""

    def __init__(self, run: Scenario) -> None:
        slots = max(1, -(-run.length_ms // SLOT_MS))
        self.edges = run.begin_ms + np.minimum(np.arange(slots + 1) * SLOT_MS, run.length_ms)
        middle = (self.edges[:-1] + self.edges[1:]) / 2
        rates = np.stack(
            [
                c.share * r.share * by_hour(middle + r.utc_offset_hours * HOUR_MS)
                for c in p.COUNTRIES
                for r in c.regions
            ],
            axis=1,
        )
        self.crowd = in_crowd(middle)
        rates *= np.where(self.crowd, 1.35, 1.0)[:, None]
        weight = rates.sum(axis=1) * np.diff(self.edges)
        self.reached = np.concatenate([[0.0], np.cumsum(weight)]) / weight.sum()
        self.regions = np.cumsum(rates, axis=1) / rates.sum(axis=1, keepdims=True)

    def times(self, shares: Floats) -> Times:
        """The moment by which this share of the sessions has begun."""
        return np.interp(shares, self.reached, self.edges).astype(np.int64)

    def slots(self, t: Times) -> Times:
        """Which five minutes."""
        return (t - self.edges[0]) // SLOT_MS

    def region(self, slot: Times, u: Floats) -> NDArray[np.int64]:
        """Where the session is from, given when."""
        return (u[:, None] >= self.regions[slot]).sum(axis=1).clip(0, self.regions.shape[1] - 1)


def local_hours(local_ms: Floats | Times) -> tuple[Floats, NDArray[np.int64]]:
    """Hour of the day (with its fraction) and day of the week, Monday = 0."""
    hours: Floats = np.asarray(local_ms, dtype=np.float64) / HOUR_MS
    return hours % 24, (np.floor(hours / 24).astype(np.int64) + 3) % 7


def by_hour(local_ms: Floats | Times) -> Floats:
    """Relative load at local times."""
    hour, weekday = local_hours(local_ms)
    table = np.array([*p.LOAD_BY_LOCAL_HOUR, p.LOAD_BY_LOCAL_HOUR[0]])
    load = np.interp(hour, np.arange(25), table)
    weekend = weekday >= 5
    load = load * np.where(weekend, p.WEEKEND_LOAD, 1.0)
    return load * np.where(weekend & (hour >= 10) & (hour < 17), p.WEEKEND_DAYTIME_LOAD, 1.0)


def in_crowd(t: Floats | Times) -> NDArray[np.bool_]:
    """Whether a live event draws a crowd: Saturdays, 19 to 21 o'clock UTC."""
    hour, weekday = local_hours(t)
    return (weekday == 5) & (hour >= 19) & (hour < 21)


def day_of(ms: int) -> datetime:
    """The instant as a datetime, UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
