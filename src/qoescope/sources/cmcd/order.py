"""CMCD records of one session in the order in which they happened, without repeats."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, cast

import pyarrow as pa

from qoescope.catalog.cmcd import RECORDS
from qoescope.compile import arrow
from qoescope.sources.cmcd.reading import Mode, RecordReading, read

_NEEDED = (
    "property",
    "session_id",
    "mode",
    "target",
    "record",
    "received_at",
    "host",
    "status",
    "kafka_partition",
    "kafka_offset",
    "position",
)
_DAY_MS = 86_400_000
_AHEAD_MS = 300_000


@dataclass(slots=True)
class Report:
    """One record: what it says, when by the player's clock, when and by which way it came."""

    reading: RecordReading
    mode: Mode
    target: str
    at: int
    """ms since the epoch: `ts`, or the arrival where there is none."""
    arrived: int
    row: int
    """Its row in the table of records."""
    host: str | None = None
    status: int | None = None
    event: str | None = None
    """`e`; None on media requests, where it has no say."""
    state: str | None = None
    """`sta`."""
    recovered: bool = False
    """Of a fatal error: the player survived it."""

    @property
    def calendar(self) -> int:
        """When it was, for the calendar: a clock that is a day off, or ahead, is not believed."""
        believed = -_DAY_MS <= self.at - self.arrived <= _AHEAD_MS
        return self.at if believed else self.arrived


@dataclass(slots=True)
class CmcdSession:
    """All that one `sid` told: repeats are gone, unknown versions too."""

    property: str
    session_id: str
    records: list[Report] = field(default_factory=list)
    """In order of arrival."""

    def of(self, mode: Mode) -> list[Report]:
        """Its records of one mode."""
        return [record for record in self.records if record.mode == mode]


def sessions(records: pa.Table) -> Iterator[CmcdSession]:
    """The table's records by property and `sid`, each in order of arrival; the same bytes of a report count once.

    One session at a time is read, so that memory holds one session's readings and not the table's.
    """
    table = arrow.conform(records, RECORDS).select(_NEEDED)
    columns = {name: table[name].to_pylist() for name in _NEEDED if name != "received_at"}
    arrivals = cast("list[int]", table["received_at"].cast(pa.int64()).to_pylist())
    names, sids = (cast("list[str]", columns[name]) for name in ("property", "session_id"))
    rows: dict[tuple[str, str], list[int]] = {}
    for i, who in enumerate(zip(names, sids, strict=True)):
        rows.setdefault(who, []).append(i)
    places = list(
        zip(arrivals, *(columns[name] for name in ("kafka_partition", "kafka_offset", "position")), strict=True)
    )
    for (name, sid), own in rows.items():
        own.sort(key=places.__getitem__)
        yield CmcdSession(name, sid, list(_distinct(own, arrivals, columns)))


def _distinct(rows: Iterable[int], arrivals: Sequence[int], columns: dict[str, list[Any]]) -> Iterator[Report]:
    """What the rows tell, without repeats and without versions that are not known."""
    texts, modes = columns["record"], columns["mode"]
    seen: set[str] = set()
    for i in rows:
        reading = read(texts[i], modes[i])
        mode: Mode = modes[i] if reading.version > 1 else "request"  # version 1 knows no reports, only requests
        if mode == "event":
            if texts[i] in seen:
                continue
            seen.add(texts[i])
        if not reading.ignored:
            yield _report(reading, mode, i, arrivals[i] // 1000, columns)


def _report(reading: RecordReading, mode: Mode, i: int, arrived: int, columns: dict[str, list[Any]]) -> Report:
    at, event = arrived, None
    if mode == "event":
        at = reading.numbers.get("ts", arrived)
        event = reading.texts.get("e")
    target, host, status = columns["target"][i], columns["host"][i], columns["status"][i]
    return Report(reading, mode, target, at, arrived, i, host, status, event, reading.texts.get("sta"))


def ordered(records: Sequence[Report]) -> list[Report]:
    """Event records by `ts`, then arrival; where `ts` steps back while `sn` rises on one target, by `sn`.

    `records` come in order of arrival.
    """
    straight = sorted(records, key=attrgetter("at"))
    if all("sn" not in record.reading.numbers for record in records):
        return straight
    believed = {id(record): (record.at, 0) for record in records}
    for run in runs(records):
        latest = None
        for place, record in enumerate(run):
            if latest is not None and record.at < latest:  # the clock was set back
                believed[id(record)] = (latest, place)
            else:
                latest = record.at
    return sorted(straight, key=lambda record: believed[id(record)])


def once(records: Iterable[Report]) -> list[Report]:
    """The records with each state told once: a second target, or the same one again, tells it at the same time."""
    seen: set[tuple[int, str | None, str]] = set()
    kept = []
    for record in records:
        if record.state is not None:
            statement = (record.at, record.event, record.state)
            if statement in seen:
                record = replace(record, state=None)  # noqa: PLW2901  a sign of life
            seen.add(statement)
        kept.append(record)
    return kept


def runs(records: Iterable[Report]) -> list[list[Report]]:
    """Records with `sn` in runs of rising numbers, by target; a number that falls while time goes on began anew."""
    streams: dict[tuple[str, str], list[list[Report]]] = {}
    tops: dict[tuple[str, str], Report] = {}
    for record in records:
        if "sn" not in record.reading.numbers:
            continue
        way = (record.mode, record.target)
        stream, top = streams.setdefault(way, []), tops.get(way)
        rises = top is not None and _number(record) > _number(top)
        if top is None or (not rises and record.at > top.at):
            stream.append([])
            rises = True
        stream[-1].append(record)
        if rises:
            tops[way] = record
    return [sorted(run, key=_number) for stream in streams.values() for run in stream]


def _number(record: Report) -> int:
    return record.reading.numbers["sn"]


def lost_reports(records: Iterable[Report]) -> int | None:
    """Numbers missing inside the runs of `sn`; None where no `sn` was sent."""
    number_sets = [{_number(record) for record in run} for run in runs(records)]
    return sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in number_sets) if number_sets else None
