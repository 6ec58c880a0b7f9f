"""Keeps nothing of viewers who asked to be forgotten, not even in dead letters."""

import base64
from collections.abc import Collection, Sequence

import msgspec

from qoescope.catalog.topics import DEAD_LETTERS_TOPIC
from qoescope.compile import pseudonyms, viewer_ids, wire
from qoescope.ingest.records import Outgoing

_LETTER = msgspec.json.Decoder(wire.DeadLetter).decode


class Forgotten:
    """Viewers who asked to be forgotten, by each of their pseudonyms under any version of the key."""

    def __init__(self, keys: pseudonyms.ViewerKeys, names: Collection[tuple[str, str]]) -> None:
        self._keys, self._names = keys, names
        self._properties = {property_id for property_id, _ in names}

    def is_named(self, property_id: str, body: bytes) -> bool:
        """Whether the bytes, readable or not, name a forgotten viewer: then nothing of them may be kept."""
        if property_id not in self._properties:
            return False
        named = viewer_ids.find_viewer_ids(body)
        return any(
            (property_id, name) in self._names
            for one in named
            for name in pseudonyms.all_pseudonyms(self._keys, property_id, one)
        )

    def without_letters(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """The records without dead letters of forgotten viewers; the books still count their events."""
        if not self._names:
            return list(outgoing)
        return [one for one in outgoing if one.topic != DEAD_LETTERS_TOPIC.name or not self._is_theirs(one.value)]

    def _is_theirs(self, record: bytes) -> bool:
        letter = _LETTER(record)
        return self.is_named(letter.property, base64.b64decode(letter.body_base64))
