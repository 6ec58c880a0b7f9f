"""CMCD reports as players send them, grouped by session and kept as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from qoescope.catalog.cmcd import COUNTED_AS, MEDIA_TYPES
from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.compile import wire
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival, tidy_session
from qoescope.ingest.records import Outgoing, dead_letter
from qoescope.sources.cmcd import transport
from qoescope.sources.cmcd.reading import read

_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class CmcdReports:
    """The records of one request: by session, without a session, and unreadable ones."""

    sessions: dict[str, list[str]] = field(default_factory=dict)
    without_session: int = 0
    unread: list[str] = field(default_factory=list)
    unknown: dict[str | None, Counter[str]] = field(default_factory=dict)
    """Values that were left out, by session and key."""

    @property
    def received(self) -> int:
        """The number of all records."""
        return sum(map(len, self.sessions.values())) + self.without_session + len(self.unread)

    @property
    def left_out(self) -> Counter[str]:
        """Values that were left out of any record, by key."""
        return sum(self.unknown.values(), Counter())

    @property
    def counts(self) -> wire.Counts:
        """The request's counts. None is a duplicate: repeats are recognised when reports are mapped to events."""
        accepted = sum(map(len, self.sessions.values()))
        return wire.Counts(self.received, accepted, 0, len(self.unread), self.without_session)


def parse_body(body: bytes, media_type: str | None) -> CmcdReports:
    """The reports of a POST; raises `Refused` (415 wrong media type, 413 too large, 400 nothing readable)."""
    kind = (media_type or MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise Refused(415, f"not CMCD: send {', '.join(MEDIA_TYPES)}", body)
    try:
        sent = transport.in_body(body, kind)
    except transport.TooLarge as error:
        raise Refused(413, str(error), body) from error
    return _group_by_session(sent, body)


def parse_request(headers: Iterable[tuple[str, str]], query: str) -> CmcdReports:
    """The report of a GET, in headers or query; raises `Refused` as `parse_body` does."""
    try:
        sent = transport.in_request(headers, query)
    except transport.TooLarge as error:
        raise Refused(413, str(error), b"") from error
    return _group_by_session([sent] if sent else [], b"")


def _group_by_session(records: list[transport.SentRecord], body: bytes) -> CmcdReports:
    reports = CmcdReports()
    for sent in records:
        reading = read(sent.text, "event")
        session = reading.texts.get("sid")
        if reading.empty and not reading.ignored:
            reports.unread.append(sent.text)
            continue
        if session is None:
            reports.without_session += 1
        else:
            reports.sessions.setdefault(session, []).append(sent.text)
        if reading.dropped or sent.dropped:
            names = (COUNTED_AS + name for name in (*reading.dropped, *sent.dropped))
            reports.unknown.setdefault(session, Counter()).update(names)
    if not records or (reports.unread and reports.received == len(reports.unread)):
        raise Refused(400, "no CMCD record could be read", body)
    return reports


def report_records(reports: CmcdReports, arrival: Arrival, target: str) -> list[Outgoing]:
    """One record a session; reports of none are counted in a record of their own, unreadable ones in a letter."""
    agent = arrival.headers.get("user-agent")
    outgoing = []
    for session_id, texts in reports.sessions.items():
        session = tidy_session(wire.Session(session_id=session_id), arrival, 0)
        counts = wire.Counts(len(texts), len(texts))
        record = wire.CmcdRecord(
            arrival.property,
            arrival.received_at,
            counts,
            session,
            texts,
            "event",
            target,
            agent,
            dict(reports.unknown.get(session_id, ())),
        )
        outgoing.append(Outgoing(BEACONS_TOPIC.name, _ENCODE(record), session_id.encode()))
    lost = reports.without_session + len(reports.unread)
    if lost:
        counts = wire.Counts(lost, invalid=len(reports.unread), filtered=reports.without_session)
        record = wire.CmcdRecord(
            arrival.property,
            arrival.received_at,
            counts,
            None,
            [],
            "event",
            target,
            agent,
            dict(reports.unknown.get(None, ())),
        )
        outgoing.append(Outgoing(BEACONS_TOPIC.name, _ENCODE(record)))
    if reports.unread:
        body = "\n".join(reports.unread).encode()
        outgoing.append(dead_letter(arrival, "no CMCD", "", body, len(reports.unread)))
    return outgoing
