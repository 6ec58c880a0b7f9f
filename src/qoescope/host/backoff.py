"""Pauses between attempts that double up to a limit.

Not a retry library: half of the callers retry no call that raises (a process that ended, a query found dead by
polling, a timer for each request), and the others stop at once on an event and change something between attempts.
"""

from dataclasses import dataclass, field


def doubled_s(failures: int, first_s: float, longest_s: float) -> float:
    """The pause in seconds after so many failures in a row, at least 1."""
    return min(first_s * 2.0 ** min(failures - 1, 32), longest_s)


@dataclass(slots=True)
class Backoff:
    """Counts failures in a row, and gives the pause after each."""

    first_s: float = 1.0
    longest_s: float = 30.0
    failures: int = field(default=0, init=False)

    def next_s(self) -> float:
        """Counts one more failure; returns the pause after it, in seconds."""
        self.failures += 1
        return doubled_s(self.failures, self.first_s, self.longest_s)

    def reset(self) -> None:
        """Starts again with the shortest pause."""
        self.failures = 0
