"""Judges dead letters again as the collector judges new requests, once what stopped them is fixed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qoescope.ingest import judge, records, reports
from qoescope.ingest.bodies import Refused, decode_body
from qoescope.ingest.context import Arrival
from qoescope.ingest.keys import Keyring
from qoescope.ingest.limits import Limits
from qoescope.ingest.records import Outgoing

ENCODING_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of encodings that can be recognised by them."""
CMCD = "/v1/cmcd"


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A letter's new outcome: records to send and their accepted events, or why it is still not understood."""

    outgoing: list[Outgoing] = field(default_factory=list)
    events: int = 0
    why: str = ""


@dataclass(slots=True)
class Replayed:
    """Totals of a replay."""

    letters: int = 0
    replayed: int = 0
    events: int = 0
    left: dict[str, int] = field(default_factory=dict)
    """Letters that are still not understood, by reason; they stay as they were."""

    def count(self, letters: Iterable[Rejudged]) -> None:
        """Adds the outcomes of some letters."""
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


def rejudge_letter(
    row: Mapping[str, Any], keyring: Keyring, received_at: int, secret: tuple[int, bytes], limits: Limits
) -> Rejudged:
    """Judges the letter, a row of `dead_letters`, as if its bytes arrived now.

    A letter of which nothing is accepted gives no records and stays. One that is accepted in part gives a new letter of
    the rest. `received_at` is in epoch ms; `secret` is the version and the key of the pseudonyms.
    """
    owner, body = keyring.property(row["property"]), row["body"]
    is_cmcd = "CMCD" in row["reason"]
    if not owner.enabled or (is_cmcd and not owner.cmcd):
        return Rejudged(why="filtered: switched_off")
    came = row.get("received_at")
    arrival = Arrival(
        owner.property,
        received_at,
        secret[1],
        {},
        secret[0],
        owner.honours_dnt,
        first_at=round(came.timestamp() * 1000) if came else None,
    )
    try:
        body = decode_body(
            body, next((name for head, name in ENCODING_MAGIC.items() if body.startswith(head)), None), limits
        )
        return _reports(body, arrival) if is_cmcd else _beacon(body, arrival, keyring, limits)
    except Refused as refused:
        return Rejudged(why=refused.error)


def _beacon(body: bytes, arrival: Arrival, keyring: Keyring, limits: Limits) -> Rejudged:
    judged = judge.judge_beacon(body, arrival, limits)
    if judged.session is None or not judged.events:
        return Rejudged(why=min((verdict.reason for verdict in judged.verdicts), default="it holds no event"))
    if (arrival.property, judged.session.viewer_id) in keyring.forgotten:
        return Rejudged(why="filtered: forgotten_viewer")
    if arrival.honours_dnt:
        judged.session.viewer_id = None  # a letter does not say whether its sender asked not to be followed
    return Rejudged(records.beacon_records(judged, arrival), len(judged.events))


def _reports(body: bytes, arrival: Arrival) -> Rejudged:
    judged = reports.parse_body(body, None)
    if not judged.counts.accepted:
        return Rejudged(why="no CMCD record of it names its session")
    return Rejudged(reports.report_records(judged, arrival, CMCD), judged.counts.accepted)
