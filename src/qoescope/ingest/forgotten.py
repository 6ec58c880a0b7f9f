"""Keeps nothing of viewers who asked to be forgotten, not even in dead letters."""

import base64
from collections.abc import Sequence

import msgspec

from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.compile import wire
from qoescope.compile.forgotten import ForgottenViewers, describe_withheld
from qoescope.ingest.records import Outgoing

_DECODE = msgspec.json.Decoder(wire.DeadLetter).decode
_ENCODE = msgspec.json.Encoder().encode


def without_forgotten(outgoing: Sequence[Outgoing], forgotten: ForgottenViewers) -> list[Outgoing]:
    """The records without dead letters of forgotten viewers, and without bytes that may be theirs.

    The books still count their events.
    """
    if not forgotten:
        return list(outgoing)
    kept = (_redact(one, forgotten) if one.topic == DEAD_LETTERS_TOPIC.name else one for one in outgoing)
    return [one for one in kept if one is not None]


def _redact(record: Outgoing, forgotten: ForgottenViewers) -> Outgoing | None:
    """What may be kept of a dead letter; None for nothing."""
    letter = _DECODE(record.value)
    body = base64.b64decode(letter.body_base64)
    fate = forgotten.judge(letter.property, body)
    if fate == "withhold":
        bare = msgspec.structs.replace(letter, detail=describe_withheld(len(body)), body_base64="")
        return msgspec.structs.replace(record, value=_ENCODE(bare))
    return record if fate == "keep" else None
