"""Outcome: what a run of the demo gave, and which of the things that must hold did not."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qoescope.emit.jobs.live import Live


@dataclass
class Outcome:
    """What was seen, and which of the things that must hold did not."""

    failed: list[str] = field(default_factory=list)
    live: "Live | None" = None
    runs: list[dict[str, Any]] = field(default_factory=list)

    def check(self, holds: bool, otherwise: str) -> None:
        """Notes what did not hold."""
        if not holds:
            self.failed.append(otherwise)
