"""What becomes of bytes that may name a viewer who asked to be forgotten."""

from collections.abc import Collection
from typing import Literal

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.compile import pseudonyms
from qoescope.compile.contents import Budget
from qoescope.compile.viewer_ids import find_viewer_ids

Fate = Literal["keep", "withhold", "drop"]
"""Keep the bytes; keep only that they came; or keep nothing, since they name a forgotten viewer."""
MOST_NAMES = 50_000
"""Pseudonyms that are computed because of one body."""


class ForgottenViewers:
    """Viewers who asked to be forgotten, by (property, pseudonym) under any version of the key."""

    def __init__(self, keys: pseudonyms.ViewerKeys, names: Collection[tuple[str, str]]) -> None:
        self._keys, self._names = keys, names
        self._properties = frozenset(property_id for property_id, _ in names)

    def __bool__(self) -> bool:
        return bool(self._names)

    def judge(self, property_id: str, body: bytes, budget: Budget | None = None) -> Fate:
        """What may be kept of the bytes, readable or not; of an unknown property, they may name anybody's viewer.

        Bytes that cannot be read within the budget, by default one body's, are withheld where somebody of the property
        is forgotten, and so are named viewers without keys, since nobody can tell who they are.
        """
        concerned = self._properties if property_id == UNKNOWN else self._properties & {property_id}
        if not concerned or not body:
            return "keep"
        found = find_viewer_ids(body, budget)
        if len(found.ids) * len(concerned) * len(self._keys) > MOST_NAMES:
            return "withhold"
        if any(self._is_forgotten(one, viewer_id) for one in concerned for viewer_id in found.ids):
            return "drop"
        return "keep" if found.complete and (self._keys or not found.ids) else "withhold"

    def _is_forgotten(self, property_id: str, viewer_id: str) -> bool:
        names = pseudonyms.all_pseudonyms(self._keys, property_id, viewer_id)
        return any((property_id, name) in self._names for name in names)


def describe_withheld(size: int) -> str:
    """The detail of a dead letter whose bytes are not kept."""
    return f"{size} bytes not kept: they cannot be read, and a viewer of the property asked to be forgotten"
