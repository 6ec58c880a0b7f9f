"""CMCD: all records of sessions in, our events out, and what is known of their delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import pyarrow as pa

from qoescope.catalog.cmcd import CONTENT_TYPES, NO_RULES, OBSERVED, REQUESTS, STREAM_FORMATS, Rules
from qoescope.catalog.dimensions import CONTEXT_FIELDS, UNKNOWN
from qoescope.catalog.schema import Table
from qoescope.catalog.tables import EVENTS
from qoescope.compile import arrow
from qoescope.sources.cmcd.counters import counters
from qoescope.sources.cmcd.delivery import delivery, observation
from qoescope.sources.cmcd.events import CmcdEvent, Context, cdn_of
from qoescope.sources.cmcd.intervals import placed
from qoescope.sources.cmcd.order import CmcdSession, Report, once, ordered, sessions
from qoescope.sources.cmcd.presses import presses
from qoescope.sources.cmcd.states import Play, play_events

_OURS = tuple(CmcdEvent.__dataclass_fields__)
_CONTEXT = tuple(f.name for f in CONTEXT_FIELDS if f.name not in ("session_id", "started_at", "content_duration_ms"))
_OF_SESSION = ("property", "session_id", "seq", "session_started_at")
_ORIGIN = ("received_at", "kafka_partition", "kafka_offset", "position")
_CLOSING = frozenset("efq")


@dataclass(frozen=True, slots=True)
class Mapped:
    """All that is made of CMCD records, from one reading of them."""

    events: pa.Table
    """In the shape of the catalog's `events`; `seq` runs anew when a late record is added, so rows are replaced."""
    observed: pa.Table
    requests: pa.Table


def events(records: pa.Table, rules: Mapping[str, Rules] | None = None) -> pa.Table:
    """The events of all sessions whose records tell states; `rules` by property."""
    return map_records(records, rules).events


def observed(records: pa.Table, rules: Mapping[str, Rules] | None = None) -> pa.Table:
    """One row a `sid`: what it tells of delivery, null where it cannot tell."""
    return map_records(records, rules).observed


def requests(records: pa.Table, rules: Mapping[str, Rules] | None = None) -> pa.Table:
    """One row a `sid` and host: sums over its media requests."""
    return map_records(records, rules).requests


def map_records(records: pa.Table, rules: Mapping[str, Rules] | None = None) -> Mapped:
    """Events, observed sessions and requests of the records: all that each session told, in any order."""
    made, observations, requested = _EventRows(records), list[dict[str, Any]](), list[dict[str, Any]]()
    for session in sessions(records):
        if not session.records:
            continue
        own = (rules or {}).get(session.property, NO_RULES)
        context = made.context(session, own)
        stories = _stories(session, own)
        for number, story in enumerate(stories, 1):
            of_press = context | ({"content_id": story.content_id} if story.content_id else {})
            name = session.session_id + (f"~{number}" if number > 1 else "")
            made.add(session, story.events, name, of_press)
        content_id = stories[0].content_id if stories else _first_content(session)
        context |= {"content_id": content_id} if content_id else {}
        observations.append(observation(session, context, tells_states=bool(stories)))
        requested += delivery(session, own)
    return Mapped(
        made.table(),
        _rows(observations, OBSERVED),
        _rows(requested, REQUESTS),
    )


def _rows(rows: list[dict[str, Any]], table: Table) -> pa.Table:
    """Rows as the table; absent values take their defaults."""
    given = {f.name: pa.array([row.get(f.name, f.default) for row in rows], arrow.TYPES[f.type]) for f in table.fields}
    return arrow.conform(pa.table(given), table)


@dataclass(frozen=True, slots=True)
class _Story:
    """What one press of play told."""

    events: list[CmcdEvent]
    content_id: str | None


def _stories(session: CmcdSession, rules: Rules) -> list[_Story]:
    """The events of each press of play, in order; none where nobody told a state."""
    reports = [r for r in _rendered(session.of("event")) if r.event != "rr"]
    if reports:
        records = once(ordered(reports))
        parts = presses(records) if any(r.state for r in records) else []
    else:
        records = [replace(r, at=r.arrived) for r in _rendered(session.of("request"))]
        parts = presses(records, by_content=False) if any(r.state for r in records) else []
        parts = [replace(part, records=believed) for part in parts if (believed := _believed(part.records))]
    live = any(r.reading.texts.get("st") in ("l", "ll") for r in session.records)
    context = Context(tells_visibility=any(r.event == "b" for r in records), live=live)
    totals, open_play, stories, last_at = counters([r for part in parts for r in part.records]), None, [], None
    for part in parts:
        startup_ms = _startup(part.records)
        if startup_ms is None and reports and len(parts) == 1:
            startup_ms = _startup(session.of("request"))
        records = placed(part.records, startup_ms, live=live, after=last_at)
        if open_play is not None:
            open_play.leave(records[0])
        open_play = Play(rules, context, totals, startup_ms)
        made, last_at = play_events(records, open_play), records[-1].at
        stories.append(_Story(made, part.content_id))
    return [story for story in stories if story.events]


def _first_content(session: CmcdSession) -> str | None:
    """What was asked for first, in a session that tells no states."""
    return next((r.reading.texts["cid"] for r in _rendered(session.records) if "cid" in r.reading.texts), None)


def _rendered(records: Sequence[Report]) -> list[Report]:
    """Those that are not about what a second player fetches."""
    return [r for r in records if not r.reading.flags.get("nr")]


def _startup(records: Sequence[Report]) -> int | None:
    return next((r.reading.numbers["msd"] for r in records if "msd" in r.reading.numbers), None)


def _believed(play: list[Report]) -> list[Report]:
    """Of media requests: what they can tell of states.

    Before the first frame they cannot tell an exit from silence, and their arrivals are no measure of startup. Where
    they tell of stalls by `bsd` or `bsda`, that is more than the states of those that happen to be sent in a stall;
    `w` is also said in a seek.
    """
    begun = next((i for i, r in enumerate(play) if r.state == "p" or "msd" in r.reading.numbers), None)
    if begun is None:
        return play if any(r.state in _CLOSING for r in play) else []
    counted = any(r.reading.lists.keys() & {"bsd", "bsda", "bsa"} for r in play)
    unheard = "rw" if counted else "w"
    before = [replace(r, state=None) for r in play[:begun]]
    after = [replace(r, state=None) if r.state and r.state in unheard else r for r in play[begun + 1 :]]
    return [*before, replace(play[begun], state="p"), *after]


class _EventRows:
    """Rows of `events`, column by column."""

    def __init__(self, records: pa.Table) -> None:
        self._ours: dict[str, list[Any]] = {name: [] for name in _OURS}
        self._by_session: dict[str, list[Any]] = {
            n: [] for n in ("property", "session_id", "seq", "session_started_at")
        }
        self._contexts: list[dict[str, str]] = []
        self._lengths: list[int] = []
        self._records = records
        self._known = {
            name: values
            for name in _CONTEXT
            if name in records.column_names
            and any(v not in (None, UNKNOWN) for v in records[name].unique().to_pylist())
            for values in (records[name].to_pylist(),)
        }

    def context(self, session: CmcdSession, rules: Rules) -> dict[str, str]:
        """The session's dimensions but its content: mapped custom keys and CMCD's own, else what the door knew."""
        known: dict[str, str] = {}
        newest = max(r.reading.version for r in session.records)
        for record in _rendered(session.records) or session.records:
            texts = record.reading.texts
            named = {
                "stream_format": STREAM_FORMATS.get(texts.get("sf", "")),
                "content_type": CONTENT_TYPES.get(texts.get("st", "")),
                "cdn": cdn_of(record, rules),
            }
            named |= {rules.custom[key]: value for key, value in record.reading.custom.items() if key in rules.custom}
            for name, value in named.items():
                if value:
                    known.setdefault(name, value)
        for name, values in self._known.items():
            value_known = next((values[r.row] for r in session.records if values[r.row] not in (None, UNKNOWN)), None)
            if value_known is not None:
                known.setdefault(name, value_known)
        known["source"] = "cmcd_v2" if newest > 1 else "cmcd_v1"
        return known

    def add(self, session: CmcdSession, story: list[CmcdEvent], session_id: str, context: dict[str, str]) -> None:
        """The events of one press of play."""
        asked_at = next((e.at for e in story if e.type == "playback_request"), story[0].at - story[0].state_ms)
        many = len(story)
        for name in _OURS:
            self._ours[name] += map(attrgetter(name), story)
        self._by_session["property"] += [session.property] * many
        self._by_session["session_id"] += [session_id] * many
        self._by_session["seq"] += range(1, many + 1)
        self._by_session["session_started_at"] += [asked_at] * many
        self._contexts.append(context)
        self._lengths.append(many)

    def table(self) -> pa.Table:
        """All of them."""
        columns: dict[str, Any] = {name: values for name, values in self._ours.items() if name not in ("row", "at")}
        columns |= {name: values for name, values in self._by_session.items() if name != "session_started_at"}
        columns["at"] = _instants(self._ours["at"])
        columns["session_started_at"] = _instants(self._by_session["session_started_at"])
        columns["session_day"] = [
            datetime.fromtimestamp(ms / 1000, UTC).date() for ms in self._by_session["session_started_at"]
        ]
        columns["bucket"] = pa.repeat(pa.scalar(0, pa.int64()), len(columns["at"]))
        for name in {name for context in self._contexts for name in context}:
            columns[name] = [
                value
                for context, many in zip(self._contexts, self._lengths, strict=True)
                for value in [context.get(name, UNKNOWN)] * many
            ]
        rows = pa.array(self._ours["row"], pa.int64())
        for name in _ORIGIN:
            if name in self._records.column_names:
                columns[name] = self._records[name].take(rows)
        known = {f.name: f for f in EVENTS.fields}
        arrays: dict[str, Any] = {
            name: values
            if isinstance(values, pa.Array | pa.ChunkedArray)
            else pa.array(values, arrow.TYPES[known[name].type])
            for name, values in columns.items()
            if name in known
        }
        return arrow.conform(pa.table(arrays), EVENTS)


def _instants(ms: list[int]) -> "pa.Array[Any]":
    return pa.array(ms, pa.timestamp("ms", tz="UTC"))
