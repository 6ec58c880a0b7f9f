"""State: what a page shows, as it stands in its address; a link shows the same thing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode

from qoescope.catalog.dimensions import DIMENSION_BY_NAME
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.compile.ask import LONGEST, Between
from qoescope.serve.request.times import DAY, HOUR, MINUTE, ceiling, floor, parse_time


@dataclass(frozen=True, slots=True)
class NamedRange:
    """A time range by name: how long it is, and the grid that its ends lie on."""

    name: str
    label: str
    length: timedelta
    grid: timedelta
    every: str


SPANS = (
    NamedRange("1h", "Last hour", HOUR, timedelta(minutes=5), "minute"),
    NamedRange("6h", "Last 6 hours", 6 * HOUR, timedelta(minutes=5), "5m"),
    NamedRange("24h", "Last 24 hours", DAY, HOUR, "hour"),
    NamedRange("7d", "Last 7 days", 7 * DAY, DAY, "hour"),
    NamedRange("30d", "Last 30 days", 30 * DAY, DAY, "day"),
    NamedRange("90d", "Last 90 days", 90 * DAY, DAY, "day"),
)
STEPS = ((12 * MINUTE, "10s"), (100 * MINUTE, "minute"), (10 * HOUR, "5m"), (10 * DAY, "hour"), (120 * DAY, "day"))
"""How long a range is at most that is drawn by this step."""
BY_NAME = {span.name: span for span in SPANS}
DEFAULT = "24h"
NEVER = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PageState:
    """One page's question: when, of which sessions, against what, and the page's own choices."""

    between: Between
    span: str
    """Name of the range, or empty for a range given by its ends."""
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    until: datetime | None = None
    """How far into the range time has come, where it is not over."""
    default: str = DEFAULT
    """The range of an address that names none."""

    @property
    def length(self) -> timedelta:
        """How long the range is."""
        return self.between[1] - self.between[0]

    @property
    def before(self) -> Between:
        """The range of the same length just before; as much of it as has passed of this one."""
        end = min(self.until or self.between[1], self.between[1])
        return self.between[0] - self.length, end - self.length

    @property
    def every(self) -> str:
        """The step of a chart over the range: some twenty to two hundred points."""
        if self.span:
            return BY_NAME[self.span].every
        return step_of(self.length)

    def query(self, **changes: str | None) -> str:
        """The address' query, with changes to the page's own choices (None takes one out)."""
        own = {k: v for k, v in {**self.own, **changes}.items() if v is not None}
        pairs = [] if self.span == self.default == DEFAULT else [("t", self.span)] if self.span else _ends(self.between)
        pairs += [("f", filter_text(name, values)) for name, values in self.where.items()]
        pairs += sorted(own.items())
        return "?" + urlencode(pairs, safe=":,!") if pairs else ""

    def narrowed(self, name: str, value: str) -> "PageState":
        """The same, of sessions with this value only."""
        where = {k: v for k, v in self.where.items() if k.removeprefix("!") != name}
        return replace(self, where=where | {name: (value,)})

    def without(self, name: str) -> "PageState":
        """The same without this filter."""
        return replace(self, where={k: v for k, v in self.where.items() if k != name})


def default_range(oldest: datetime | None, newest: datetime | None, now: datetime) -> str:
    """The named range in which there is something to see, of sessions in the hours from `oldest` to `newest`."""
    if oldest is None or newest is None:
        return DEFAULT
    if now - newest > DAY + HOUR:
        return next((span.name for span in SPANS if now - newest < span.length), DEFAULT)
    return next((name for age, name in _YOUNG if now - oldest <= age), DEFAULT)


_YOUNG = ((100 * MINUTE, "1h"), (7 * HOUR, "6h"))
"""How old the first hour of data is at most for this range to hold about all of it."""


def step_of(length: timedelta) -> str:
    """The step by which a range of this length is drawn."""
    return next((step for longest, step in STEPS if length <= longest), "week")


def _ends(between: Between) -> list[tuple[str, str]]:
    return [("from", f"{between[0]:%Y-%m-%dT%H:%M}"), ("to", f"{between[1]:%Y-%m-%dT%H:%M}")]


def state(search: str, now: datetime) -> PageState:
    """What the address' query asks for. Raises `Mistake` with what is wrong in it."""
    return from_pairs(parse_qsl(search.removeprefix("?")), now)


def from_pairs(pairs: Sequence[tuple[str, str]], now: datetime, default: str = DEFAULT) -> PageState:
    """The same from the query's parts; `default` is the range where they name none."""
    own: dict[str, str] = {}
    filters: list[str] = []
    ends: dict[str, datetime] = {}
    span = ""
    for key, value in pairs:
        checked_text(key + value)
        match key:
            case "t":
                span = value
            case "f":
                filters.append(value)
            case "from" | "to":
                ends[key] = parse_time(value, now)
            case _:
                own[key] = value
    if ends:
        end = ends.get("to", ceiling(now, HOUR))
        between = ends.get("from", end - DAY), end
        grid = HOUR if between[1] - between[0] > 10 * HOUR else MINUTE
        return PageState(checked_range(between), "", where(filters), own, _passed(between, grid, now), default)
    span = span or default
    if span not in BY_NAME:
        raise UnknownName("time range", span, BY_NAME)
    chosen = BY_NAME[span]
    end = ceiling(now, chosen.grid)
    between = end - chosen.length, end
    return PageState(between, span, where(filters), own, _passed(between, min(chosen.grid, HOUR), now), default)


def _passed(between: Between, grid: timedelta, now: datetime) -> datetime | None:
    """Now, to the nearest point of the grid, where it lies inside the range."""
    nearest = floor(now + grid / 2, grid)
    return nearest if between[0] < nearest < between[1] else None


def checked_range(between: Between) -> Between:
    """The range, if it can be asked for."""
    if between[1] <= between[0]:
        raise Mistake("the range ends before it begins: choose an end after the start")
    if between[1] - between[0] > LONGEST:
        raise Mistake(f"at most {LONGEST.days} days at once: choose a shorter range")
    return between


def checked_text(text: str) -> str:
    """The text, if it can be stored and asked for: NUL and halves of characters cannot."""
    if NEVER.search(text):
        raise Mistake("the address contains an invalid character")
    return text


def where(filters: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Filters as `ask` takes them: `device_type:smart_tv,web` keeps, `!country_code:US` leaves out."""
    chosen: dict[str, tuple[str, ...]] = {}
    for text in map(checked_text, filters):
        name, colon, values = text.partition(":")
        if not colon or not values:
            raise Mistake(f"'{text}' is not a valid filter; use dimension:value, or !dimension:value to exclude it")
        if name.removeprefix("!") not in DIMENSION_BY_NAME:
            raise UnknownName("dimension", name.removeprefix("!"), DIMENSION_BY_NAME)
        chosen[name] = (*chosen.get(name, ()), *_split(values))
    return chosen


def _split(values: str) -> tuple[str, ...]:
    """Values between commas; a comma inside one has a backslash before it."""
    parts = values.replace("\\,", "\x00").split(",")
    return tuple(part.replace("\x00", ",") for part in parts if part)


def filter_text(name: str, values: Sequence[str]) -> str:
    """A filter as it is written in an address."""
    return f"{name}:" + ",".join(value.replace(",", "\\,") for value in values)


def item_address(path: str, identity: str) -> str:
    """The address of one thing among those of a page, whatever its id holds."""
    return f"{path}/{quote(identity, safe='')}"


def page_address(path: str, state: PageState, **changes: str | None) -> str:
    """The address of another page about the same sessions and time."""
    dropped: Mapping[str, str | None] = dict.fromkeys(state.own)
    return path + state.query(**{**dropped, **changes})
