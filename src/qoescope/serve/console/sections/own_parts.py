"""Own parts: whether the streams, the collector and the monitor work."""

import time

from dash import html
from dash.development.base_component import Component

from qoescope.connect.health import LoopHealth, PartHealth
from qoescope.connect.readiness import HealthProblem
from qoescope.serve.console import parts
from qoescope.serve.console.requests import PageRequest
from qoescope.serve.display import words

RUNBOOK = "The operators' manual has a section for each cause."


def warnings(request: PageRequest) -> list[str]:
    """What is wrong with our own parts now, in words; operators read why."""
    problems = request.caller.store.problems()
    if request.may("operator"):
        return [str(problem) for problem in problems]
    return [f"{part} does not work" for part in sorted({problem.part for problem in problems if problem.blocks})]


def card(request: PageRequest) -> Component:
    """Each loop of each part: whether it works, its last good batch, how far behind, and why not."""
    health, now = request.caller.store.part_health(), time.time()
    if not health:
        return parts.card(
            "System health",
            parts.empty("No health reported yet", "Start them with ", html.Code("qoescope up"), "."),
        )
    wrong = {(one.part, one.loop): one for one in sorted(request.caller.store.problems(), key=lambda one: one.blocks)}
    says = request.may("operator")
    lines = [_line(part, loop, wrong, now, says) for part in health for loop in part.loops]
    return parts.card(
        "System health",
        parts.table(
            ["Part", "", "Last good batch", "Behind", "Why"], lines, (2, 3), "Health of each stream and worker"
        ),
        note=RUNBOOK,
    )


def _line(
    part: PartHealth, loop: LoopHealth, wrong: dict[tuple[str, str], HealthProblem], now: float, says: bool
) -> list[str | Component]:
    problem = wrong.get((part.part, loop.name)) or wrong.get((part.part, ""))
    if part.state == "stopped":
        state = parts.badge("stopped")
    else:
        state = parts.badge("failing", "bad") if problem and problem.blocks else parts.badge("works", "good")
    last = words.NOTHING if loop.succeeded_at is None else f"{max(0.0, now - loop.succeeded_at):,.0f} s ago"
    behind = words.NOTHING if loop.lag_records is None else f"{loop.lag_records:,} records"
    return [f"{part.part}: {loop.name}", state, last, behind, problem.sentence if problem and says else ""]
