"""Repeats: beacons that this process has had acknowledged a short while ago, and hears again."""

from collections.abc import Hashable


class Repeats:
    """The newest `most` beacons by what identifies them; what it forgets, the lake still knows."""

    __slots__ = ("_known", "most")

    def __init__(self, most: int = 65_536) -> None:
        self.most = most
        self._known: dict[Hashable, None] = {}

    def __contains__(self, identity: Hashable) -> bool:
        return identity in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, identity: Hashable) -> None:
        """Remembers one that Kafka has acknowledged; forgets the oldest beyond the bound."""
        self._known[identity] = None
        if len(self._known) > self.most:
            del self._known[next(iter(self._known))]
