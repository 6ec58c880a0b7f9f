"""Recognises beacons that this process has acknowledged a short while ago and receives again."""

from collections.abc import Hashable


class RecentBeacons:
    """The newest `most` beacons by identity; the lake still recognises what this forgets."""

    __slots__ = ("_known", "most")

    def __init__(self, most: int = 65_536) -> None:
        self.most = most
        self._known: dict[Hashable, None] = {}

    def __contains__(self, identity: Hashable) -> bool:
        return identity in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, identity: Hashable) -> None:
        """Remembers a beacon that Kafka has acknowledged; drops the oldest beyond the bound."""
        self._known[identity] = None
        if len(self._known) > self.most:
            del self._known[next(iter(self._known))]
