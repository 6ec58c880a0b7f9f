"""Parts: what the processes of a run made, kept in order and added up."""

from collections.abc import Callable, Iterable
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.emit import key as answers
from qoescope.emit.chunks import Part, Tally
from qoescope.emit.counterfactual import Effect
from qoescope.emit.scenario import Scenario
from qoescope.emit.summary import Summary


def collect_parts(run: Scenario, parts: Iterable[Part], keep: Callable[[int, Part], object]) -> Summary:
    """Keeps each part as it comes; returns their totals, to which paths are still to be added."""
    total: Tally | None = None
    effects: dict[str, Effect] = {}
    sample: list[dict[str, Any]] = []
    count = 0
    for number, part in enumerate(parts):
        keep(number, part)
        total = part.tally if total is None else total + part.tally
        count += part.events
        sample += part.sample
        for name, effect in part.effects.items():
            effects[name] = effects[name] + effect if name in effects else effect
    if total is None:
        raise Mistake("nothing to simulate")
    return Summary([], run, total, answers.answer_key(run, effects), sample, count)
