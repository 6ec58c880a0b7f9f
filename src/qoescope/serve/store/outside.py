"""Outside: what the console shows or starts of parts that are not its own, handed in where it is started."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings


class Progress(Protocol):
    """How far a replay has come."""

    @property
    def letters(self) -> int:
        """Letters that were looked at."""

    @property
    def replayed(self) -> int:
        """Letters of which something was understood."""

    @property
    def events(self) -> int:
        """Their events."""


Replay = Callable[[Settings, str, str, Callable[[Progress], None]], object]
"""(settings, property, reason, who is told of its progress): what became of the dead letters of the reason."""
Runs = Callable[[Settings], list[dict[str, Any]]]
"""Airflow's last runs, newest first; raises `Mistake` while it does not answer."""


def _no_replay(settings: Settings, property_id: str, reason: str, tell: Callable[[Progress], None]) -> object:
    raise Mistake("this console was started without the collector: use `qoescope batch replay`")


def _no_runs(settings: Settings) -> list[dict[str, Any]]:
    raise Mistake("this console was started without Airflow")


@dataclass(frozen=True, slots=True)
class Outside:
    """Other parts' doings, as functions."""

    replay: Replay = _no_replay
    runs: Runs = _no_runs
