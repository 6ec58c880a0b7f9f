"""Rejudged: dead letters judged again as the door judges what comes, once what stopped them has been repaired."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qoescope.ingest import judge, records, reports
from qoescope.ingest.bodies import Refused, plain
from qoescope.ingest.context import Arrival
from qoescope.ingest.keys import Keyring
from qoescope.ingest.limits import Limits
from qoescope.ingest.records import Outgoing

PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""By how they begin; the others do not say what they are."""
CMCD = "/v1/cmcd"


@dataclass(frozen=True, slots=True)
class Again:
    """What a letter is now: records to be written and their accepted events, or why it still is not understood."""

    outgoing: list[Outgoing] = field(default_factory=list)
    events: int = 0
    why: str = ""


@dataclass(slots=True)
class Replayed:
    """What a replay looked at and did."""

    letters: int = 0
    replayed: int = 0
    events: int = 0
    left: dict[str, int] = field(default_factory=dict)
    """Letters that still are not understood, by why; they stay as they were."""

    def count(self, letters: Iterable[Again]) -> None:
        """Adds what became of them."""
        for one in letters:
            self.letters += 1
            self.replayed += bool(one.outgoing)
            self.events += one.events
            if one.why:
                self.left[one.why] = self.left.get(one.why, 0) + 1

    def __str__(self) -> str:
        """A line for people."""
        left = "".join(f"; {count} left: {why}" for why, count in sorted(self.left.items()))
        return f"{self.letters} letters: {self.replayed} replayed with {self.events} events accepted{left}"


def letter(
    kept: Mapping[str, Any], keyring: Keyring, received_at: int, secret: tuple[int, bytes], limits: Limits
) -> Again:
    """The letter (a row of `dead_letters`) as if its bytes came now.

    A letter of which nothing is accepted gives no records: it stays the one that it is. One of which some is accepted
    gives a letter of the rest.
    """
    owner, body = keyring.property(kept["property"]), kept["body"]
    is_cmcd = "CMCD" in kept["reason"]
    if not owner.enabled or (is_cmcd and not owner.cmcd):
        return Again(why="filtered: switched_off")
    came = kept.get("received_at")
    arrival = Arrival(
        owner.property, received_at, secret[1], {}, secret[0], owner.honours_dnt,
        first_at=round(came.timestamp() * 1000) if came else None,
    )  # fmt: skip
    try:
        body = plain(body, next((name for head, name in PACKED.items() if body.startswith(head)), None), limits)
        return _reports(body, arrival) if is_cmcd else _beacon(body, arrival, keyring, limits)
    except Refused as refused:
        return Again(why=refused.error)


def _beacon(body: bytes, arrival: Arrival, keyring: Keyring, limits: Limits) -> Again:
    found = judge.judged(body, arrival, limits)
    if found.session is None or not found.events:
        return Again(why=min((verdict.reason for verdict in found.verdicts), default="it holds no event"))
    if (arrival.property, found.session.viewer_id) in keyring.forgotten:
        return Again(why="filtered: forgotten_viewer")
    if arrival.honours_dnt:
        found.session.viewer_id = None  # a letter does not say whether its sender asked not to be followed
    return Again(records.of_beacon(found, arrival), len(found.events))


def _reports(body: bytes, arrival: Arrival) -> Again:
    found = reports.in_body(body, None)
    if not found.counts.accepted:
        return Again(why="no CMCD record of it names its session")
    return Again(reports.records(found, arrival, CMCD), found.counts.accepted)
