"""The outcome of a run of the demo, and what did not hold."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qoescope.emit.jobs.live import Live


@dataclass
class Outcome:
    """Results of the demo, and failed checks."""

    failed: list[str] = field(default_factory=list)
    live: "Live | None" = None
    runs: list[dict[str, Any]] = field(default_factory=list)

    def check(self, holds: bool, otherwise: str) -> None:
        """Adds `otherwise` to the failures unless it holds."""
        if not holds:
            self.failed.append(otherwise)
