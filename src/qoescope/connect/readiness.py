"""Readiness: from the health of a process to what is wrong with it. Pure: the same answer wherever it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from qoescope.connect.health import LoopHealth, PartHealth
from qoescope.settings import Settings

SILENT_S = 15.0
"""A process that has not told its health for so long is frozen or gone."""
FAILURES = 3
"""So many failures in a row are no accident."""
LOOPING_ENDS, LOOPING_WITHIN_S, STEADY_S = 3, 300.0, 30.0
"""A process that ended so often so recently, and runs for less than that, is taken to end again."""


FROZEN, LOOPING, STUCK, FULL = (
    "a-part-is-frozen-or-gone",
    "a-part-ends-again-and-again",
    "a-stream-is-stuck",
    "disk-full",
)
ANCHORS = (FROZEN, LOOPING, STUCK, FULL)
"""Sections of the runbook."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What differs by installation."""

    stuck_s: float = 120.0
    least_free_bytes: int = 256 * 1024 * 1024


def limits(settings: Settings) -> Limits:
    """The limits that the settings name."""
    return Limits(settings.stuck_s, settings.least_free_bytes)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, in a line, and where the runbook speaks of it."""

    part: str
    loop: str
    sentence: str
    anchor: str = ""

    def __str__(self) -> str:
        """A line for people."""
        where = f"{self.part}: {self.loop}" if self.loop else self.part
        return f"{where} {self.sentence}" + (f" ({self.anchor})" if self.anchor else "")


def find_problems(part: PartHealth, now: float, limits: Limits = Limits()) -> list[Problem]:
    """What is wrong with the process and its loops; nothing when it was stopped in order."""
    if part.state == "stopped":
        return []
    found = [Problem(part.part, "", *text) for text in _of_process(part, now, limits)]
    for loop in part.loops:
        found += [Problem(part.part, loop.name, *text) for text in _of_loop(loop, now, limits)]
    return found


def is_ready(part: PartHealth, now: float, limits: Limits = Limits()) -> bool:
    """Whether it runs and nothing is wrong."""
    return part.state == "running" and not find_problems(part, now, limits)


def _of_process(part: PartHealth, now: float, limits: Limits) -> Iterator[tuple[str, str]]:
    silent = now - part.written_at
    if silent > SILENT_S:
        yield f"is frozen or gone: no word for {silent:.0f} s", FROZEN
    ends = [end for end in part.ends if now - end < LOOPING_WITHIN_S]
    if len(ends) >= LOOPING_ENDS and now - part.since < STEADY_S:
        yield f"ended {len(ends)} times within {LOOPING_WITHIN_S / 60:.0f} minutes", LOOPING
    for place, free in part.free_bytes.items():
        if free < limits.least_free_bytes:
            yield f"has {free / 1e6:,.0f} MB of disk left under {place}", FULL


def _of_loop(loop: LoopHealth, now: float, limits: Limits) -> Iterator[tuple[str, str]]:
    if loop.failures >= FAILURES:
        yield f"failed {loop.failures} times in a row: {loop.cause}", loop.anchor
    elif loop.waiting_since is not None and now - loop.waiting_since > limits.stuck_s:
        why = f": {loop.cause}" if loop.failures else ""
        yield (
            f"has had work for {now - loop.waiting_since:.0f} s and no good batch{why}",
            loop.anchor or STUCK,
        )
