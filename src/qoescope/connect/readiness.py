"""Readiness: from the health of a process to what is wrong with it. Pure: the same answer wherever it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from qoescope.connect.health import LoopHealth, PartHealth
from qoescope.settings import Settings

SILENT_S = 15.0
"""A process that has not told its health for so long is frozen or gone."""
FAILURES = 3
"""So many failures in a row are no accident."""
FAILING_S = 15.0
"""After a failure, a good batch is due so long after the last one: however slow tries are, and however far apart."""
AGAIN_S = 5.0
"""One try more may take so long, where the last good batch is longer ago: it may pass by itself."""
TOLD_ASIDE_S = 600.0
"""For so long it is told that a record was set aside: nothing is stuck, and somebody should know."""
LOOPING_ENDS, LOOPING_WITHIN_S, STEADY_S = 3, 300.0, 30.0
"""A process that ended so often so recently, and runs for less than that, is taken to end again."""


FROZEN, LOOPING, STUCK, FULL, ASIDE = (
    "a-part-is-frozen-or-gone",
    "a-part-ends-again-and-again",
    "a-stream-is-stuck",
    "disk-full",
    "a-record-is-set-aside",
)
ANCHORS = (FROZEN, LOOPING, STUCK, FULL, ASIDE)
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
    blocks: bool = True
    """Whether the part is not ready because of it; otherwise it works, and somebody should look."""

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
        found += [Problem(part.part, loop.name, *text, blocks=False) for text in _beside_loop(loop, now)]
    return found


def is_ready(part: PartHealth, now: float, limits: Limits = Limits()) -> bool:
    """Whether it runs and nothing keeps it from its work."""
    return part.state == "running" and not any(problem.blocks for problem in find_problems(part, now, limits))


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
    elif loop.failures and (bare_s := _without_success_s(loop, now)) > FAILING_S:
        times = "once" if loop.failures == 1 else f"{loop.failures} times"
        yield f"failed {times}, and has had no good batch for {bare_s:.0f} s: {loop.cause}", loop.anchor
    elif loop.waiting_since is not None and now - loop.waiting_since > limits.stuck_s:
        why = f": {loop.cause}" if loop.failures else ""
        yield (
            f"has had work for {now - loop.waiting_since:.0f} s and no good batch{why}",
            loop.anchor or STUCK,
        )


def _without_success_s(loop: LoopHealth, now: float) -> float:
    """Since the last good batch of a loop that fails, or since its first failure where there was none yet.

    Nothing while the first failure is so new that one try more may not be over.
    """
    if loop.failing_since is not None and now - loop.failing_since <= AGAIN_S:
        return 0.0
    since = loop.succeeded_at if loop.succeeded_at is not None else loop.failing_since
    return 0.0 if since is None else now - since


def _beside_loop(loop: LoopHealth, now: float) -> Iterator[tuple[str, str]]:
    """What somebody should know of a loop that works."""
    if loop.set_aside_at is not None and now - loop.set_aside_at <= TOLD_ASIDE_S:
        records = "1 record that" if loop.set_aside == 1 else f"{loop.set_aside} records that"
        yield f"has set {records} broke a batch aside, the last one {loop.set_aside_why}", ASIDE
