"""What becomes of bytes that may name a viewer who asked to be forgotten."""

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.compile import pseudonyms
from qoescope.compile.contents import MOST_VALUES, MOST_WORK, Budget
from qoescope.compile.viewer_ids import find_viewer_ids

Fate = Literal["keep", "withhold", "drop"]
"""Keep the bytes; keep only that they came; or keep nothing, since they name a forgotten viewer."""
MOST_NAMES = 50_000
"""Pseudonyms that are computed because of one body."""
BATCH_BODIES = 20
"""Budgets of a body that a batch of letters has: up to 15 s of one core for the costliest known ones."""


class ForgottenViewers:
    """Viewers who asked to be forgotten, by (property, pseudonym) under any version of the key."""

    def __init__(self, keys: pseudonyms.ViewerKeys, names: Collection[tuple[str, str]]) -> None:
        self._keys, self.names = keys, frozenset(names)
        self._properties = frozenset(property_id for property_id, _ in names)

    def __bool__(self) -> bool:
        return bool(self.names)

    def judge(self, property_id: str, body: bytes, budget: Budget | None = None) -> Fate:
        """What may be kept of the bytes, readable or not; of an unknown property, they may name anybody's viewer.

        Bytes that cannot be read within the budget, by default one body's, are withheld where somebody of the property
        is forgotten, and so are named viewers without keys, since nobody can tell who they are.
        """
        concerned = self._concerned(property_id)
        if not concerned or not body:
            return "keep"
        found = find_viewer_ids(body, budget)
        if len(found.ids) * len(concerned) * len(self._keys) > MOST_NAMES:
            return "withhold"
        if any(self._is_forgotten(one, viewer_id) for one in concerned for viewer_id in found.ids):
            return "drop"
        return "keep" if found.complete and (self._keys or not found.ids) else "withhold"

    def judge_all(self, letters: Iterable[tuple[str, bytes]]) -> Iterator[Fate]:
        """The fate of each (property, body), within a batch's budget; bytes that are beyond it are withheld."""
        left = Budget(BATCH_BODIES * MOST_WORK, BATCH_BODIES * MOST_VALUES)
        for property_id, body in letters:
            if left.is_spent:
                yield "withhold" if body and self._concerned(property_id) else "keep"
                continue
            most_work, most_values = min(MOST_WORK, left.work), min(MOST_VALUES, left.values)
            one = Budget(most_work, most_values)
            yield self.judge(property_id, body, one)
            left.take_work(most_work - one.work)
            left.take_values(most_values - one.values)

    def _concerned(self, property_id: str) -> frozenset[str]:
        """The properties with forgotten viewers whom a letter of this one may name."""
        return self._properties if property_id == UNKNOWN else self._properties & {property_id}

    def _is_forgotten(self, property_id: str, viewer_id: str) -> bool:
        names = pseudonyms.all_pseudonyms(self._keys, property_id, viewer_id)
        return any((property_id, name) in self.names for name in names)


def describe_withheld(size: int) -> str:
    """The detail of a dead letter whose bytes are not kept."""
    return f"{size} bytes not kept: they cannot be read, and a viewer of the property asked to be forgotten"
