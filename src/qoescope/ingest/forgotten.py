"""Forgotten: nothing is kept of who asked for that, not even among what could not be understood."""

import base64
from collections.abc import Collection, Sequence

import msgspec

from qoescope.catalog.topics import DEAD_LETTERS
from qoescope.compile import pseudonyms, viewer_ids, wire
from qoescope.ingest.records import Outgoing

_LETTER = msgspec.json.Decoder(wire.DeadLetter).decode


class Forgotten:
    """Who asked to be forgotten, known by every pseudonym, whichever version of the key made it."""

    def __init__(self, keys: pseudonyms.Keys, names: Collection[tuple[str, str]]) -> None:
        self._keys, self._names = keys, names
        self._properties = {property_id for property_id, _ in names}

    def is_named(self, property_id: str, body: bytes) -> bool:
        """Whether the bytes, readable or not, name somebody who is forgotten: nothing of them may be kept."""
        if property_id not in self._properties:
            return False
        named = viewer_ids.named_in(body)
        return any(
            (property_id, name) in self._names for one in named for name in pseudonyms.of(self._keys, property_id, one)
        )

    def without_letters(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """The records but for the dead letters of those who are forgotten; the books hold these events all the same."""
        if not self._names:
            return list(outgoing)
        return [one for one in outgoing if one.topic != DEAD_LETTERS.name or not self._is_theirs(one.value)]

    def _is_theirs(self, record: bytes) -> bool:
        letter = _LETTER(record)
        return self.is_named(letter.property, base64.b64decode(letter.body_base64))
