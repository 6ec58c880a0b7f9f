"""Outside: what the console shows or starts of parts that are not its own, handed in where it is started."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings

Replay = Callable[[Settings, str, str], object]
"""(settings, property, reason): what became of that property's dead letters of the reason, in words."""
Runs = Callable[[Settings], list[dict[str, Any]]]
"""Airflow's last runs, newest first; raises `Mistake` while it does not answer."""


def _no_replay(settings: Settings, tenant: str, reason: str) -> object:
    raise Mistake("this console was started without the collector: use `qoescope batch replay`")


def _no_runs(settings: Settings) -> list[dict[str, Any]]:
    raise Mistake("this console was started without Airflow")


@dataclass(frozen=True, slots=True)
class Outside:
    """Other parts' doings, as functions."""

    replay: Replay = _no_replay
    runs: Runs = _no_runs
