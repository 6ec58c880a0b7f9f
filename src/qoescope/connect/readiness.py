"""Derives from a process' health what is wrong with it; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from qoescope.connect.health import LoopHealth, PartHealth
from qoescope.settings import Settings

SILENT_S = 15.0
"""A process that has not written its health for so long is frozen or gone."""
FAILURES = 3
"""So many failures in a row are a problem."""
FAILING_S = 15.0
"""After a failure, a good batch is due so long after the last one."""
RETRY_GRACE_S = 5.0
"""How long the retry after a first failure may take before the failure counts."""
SET_ASIDE_SHOWN_S = 600.0
"""How long a record that was set aside is reported: nothing is stuck, but somebody should know."""
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
class ReadinessLimits:
    """Limits that differ by installation."""

    stuck_s: float = 120.0
    least_free_bytes: int = 256 * 1024 * 1024


def readiness_limits(settings: Settings) -> ReadinessLimits:
    """The settings' limits."""
    return ReadinessLimits(settings.stuck_s, settings.least_free_bytes)


@dataclass(frozen=True, slots=True)
class HealthProblem:
    """What is wrong, in a line, and the runbook's section about it."""

    part: str
    loop: str
    sentence: str
    anchor: str = ""
    blocks: bool = True
    """Whether it makes the part unready; otherwise the part works, and somebody should look."""

    def __str__(self) -> str:
        """A line for people."""
        where = f"{self.part}: {self.loop}" if self.loop else self.part
        return f"{where} {self.sentence}" + (f" ({self.anchor})" if self.anchor else "")


def find_problems(part: PartHealth, now: float, limits: ReadinessLimits = ReadinessLimits()) -> list[HealthProblem]:
    """What is wrong with the process and its loops; nothing after an orderly stop."""
    if part.state == "stopped":
        return []
    problems = [HealthProblem(part.part, "", *text) for text in _of_process(part, now, limits)]
    for loop in part.loops:
        problems += [HealthProblem(part.part, loop.name, *text) for text in _of_loop(loop, now, limits)]
        problems += [HealthProblem(part.part, loop.name, *text, blocks=False) for text in _beside_loop(loop, now)]
    return problems


def is_ready(part: PartHealth, now: float, limits: ReadinessLimits = ReadinessLimits()) -> bool:
    """Whether it runs without a blocking problem."""
    return part.state == "running" and not any(problem.blocks for problem in find_problems(part, now, limits))


def _of_process(part: PartHealth, now: float, limits: ReadinessLimits) -> Iterator[tuple[str, str]]:
    silent = now - part.written_at
    if silent > SILENT_S:
        yield f"is frozen or gone: no word for {silent:.0f} s", FROZEN
    ends = [end for end in part.ends if now - end < LOOPING_WITHIN_S]
    if len(ends) >= LOOPING_ENDS and now - part.since < STEADY_S:
        yield f"ended {len(ends)} times within {LOOPING_WITHIN_S / 60:.0f} minutes", LOOPING
    for place, free in part.free_bytes.items():
        if free < limits.least_free_bytes:
            yield f"has {free / 1e6:,.0f} MB of disk left under {place}", FULL


def _of_loop(loop: LoopHealth, now: float, limits: ReadinessLimits) -> Iterator[tuple[str, str]]:
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
    """Seconds since the last good batch of a failing loop, or since its first failure.

    0 while its first failure is so recent that a retry may still succeed.
    """
    if loop.failing_since is not None and now - loop.failing_since <= RETRY_GRACE_S:
        return 0.0
    since = loop.succeeded_at if loop.succeeded_at is not None else loop.failing_since
    return 0.0 if since is None else now - since


def _beside_loop(loop: LoopHealth, now: float) -> Iterator[tuple[str, str]]:
    """Problems of a loop that works."""
    if loop.set_aside_at is not None and now - loop.set_aside_at <= SET_ASIDE_SHOWN_S:
        records = "1 record that" if loop.set_aside == 1 else f"{loop.set_aside} records that"
        yield f"has set {records} broke a batch aside, the last one {loop.set_aside_why}", ASIDE
