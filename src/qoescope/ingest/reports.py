"""Reports: CMCD as players send it, told apart by session and kept as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from qoescope.catalog.cmcd import COUNTED_AS, MEDIA_TYPES
from qoescope.catalog.topics import BEACONS
from qoescope.compile import wire
from qoescope.ingest.bodies import Refused
from qoescope.ingest.context import Arrival, kept
from qoescope.ingest.records import Outgoing, of_letter
from qoescope.sources.cmcd import transport
from qoescope.sources.cmcd.reading import read

_ENCODE = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Reports:
    """The records of one request: those of each session, those of none, and what could not be read."""

    sessions: dict[str, list[str]] = field(default_factory=dict)
    without_session: int = 0
    unread: list[str] = field(default_factory=list)
    unknown: dict[str | None, Counter[str]] = field(default_factory=dict)
    """Values that were left out, by session and key."""

    @property
    def received(self) -> int:
        """All records."""
        return sum(map(len, self.sessions.values())) + self.without_session + len(self.unread)

    @property
    def left_out(self) -> Counter[str]:
        """Values that were left out of all of them, by key."""
        return sum(self.unknown.values(), Counter())

    @property
    def counts(self) -> wire.Counts:
        """The request's books. Nothing is a duplicate here: a repeat is for the mapping to see."""
        accepted = sum(map(len, self.sessions.values()))
        return wire.Counts(self.received, accepted, 0, len(self.unread), self.without_session)


def in_body(body: bytes, media_type: str | None) -> Reports:
    """The reports of a POST; raises `Refused` (415 another media type, 413 too large, 400 nothing could be read)."""
    kind = (media_type or MEDIA_TYPES[0]).partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise Refused(415, f"not CMCD: send {', '.join(MEDIA_TYPES)}", body)
    try:
        sent = transport.in_body(body, kind)
    except transport.TooLarge as error:
        raise Refused(413, str(error), body) from error
    return _sorted(sent, body)


def in_request(headers: Iterable[tuple[str, str]], query: str) -> Reports:
    """The report of a GET, in headers or query; raises `Refused` as `in_body` does."""
    try:
        sent = transport.in_request(headers, query)
    except transport.TooLarge as error:
        raise Refused(413, str(error), b"") from error
    return _sorted([sent] if sent else [], b"")


def _sorted(records: list[transport.SentRecord], body: bytes) -> Reports:
    found = Reports()
    for sent in records:
        reading = read(sent.text, "event")
        session = reading.texts.get("sid")
        if reading.empty and not reading.ignored:
            found.unread.append(sent.text)
            continue
        if session is None:
            found.without_session += 1
        else:
            found.sessions.setdefault(session, []).append(sent.text)
        if reading.dropped or sent.dropped:
            names = (COUNTED_AS + name for name in (*reading.dropped, *sent.dropped))
            found.unknown.setdefault(session, Counter()).update(names)
    if not records or (found.unread and found.received == len(found.unread)):
        raise Refused(400, "no CMCD record could be read", body)
    return found


def records(found: Reports, arrival: Arrival, target: str) -> list[Outgoing]:
    """One record a session; what belongs to none is booked in a record of its own, what is unread a dead letter too."""
    agent = arrival.headers.get("user-agent")
    outgoing = []
    for session_id, texts in found.sessions.items():
        session = kept(wire.Session(session_id=session_id), arrival, 0)
        counts = wire.Counts(len(texts), len(texts))
        record = wire.CmcdRecord(
            arrival.property, arrival.received_at, counts, session, texts, "event", target, agent,
            dict(found.unknown.get(session_id, ())),
        )  # fmt: skip
        outgoing.append(Outgoing(BEACONS.name, _ENCODE(record), session_id.encode()))
    lost = found.without_session + len(found.unread)
    if lost:
        counts = wire.Counts(lost, invalid=len(found.unread), filtered=found.without_session)
        record = wire.CmcdRecord(
            arrival.property, arrival.received_at, counts, None, [], "event", target, agent,
            dict(found.unknown.get(None, ())),
        )  # fmt: skip
        outgoing.append(Outgoing(BEACONS.name, _ENCODE(record)))
    if found.unread:
        body = "\n".join(found.unread).encode()
        outgoing.append(of_letter(arrival, "no CMCD", "", body, len(found.unread)))
    return outgoing
