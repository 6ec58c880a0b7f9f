"""State: what of a stack runs where, in `var/run/stack.json`, so that other commands find it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings

Place = dict[str, Any]
PORTS = ("door_port", "console_port", "airflow_port", "postgres_port")


def path(settings: Settings) -> Path:
    """The state file."""
    return settings.var / "run" / "stack.json"


def written(settings: Settings, place: Place) -> None:
    """Replaces the state file so that a reader sees the old or the new, whole."""
    target = path(settings)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(json.dumps(place, indent=1))
    beside.replace(target)


def read(settings: Settings) -> Place | None:
    """What runs; None when no stack does."""
    try:
        place: Place = json.loads(path(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    supervisor = place["supervisor"]
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(supervisor["pid"]).create_time() == supervisor["started"]:
            return place
    return None


def supervisor() -> dict[str, Any]:
    """This process, told apart from a later one with its id."""
    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def here(settings: Settings) -> Settings:
    """The settings, with the addresses at which the running stack's parts really are; what was set by hand stays."""
    place = read(settings)
    if place is None:
        return settings
    found = {k: v for k, v in place["settings"].items() if k not in settings.model_fields_set}
    return settings.model_copy(update=found)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Holds the folder against a second stack; raises `Mistake` when one runs here."""
    folder = path(settings).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            place = read(settings)
            who = f" (process {place['supervisor']['pid']})" if place else ""
            hint = "stop it with Ctrl-C there, or choose another folder by QOESCOPE_VAR"
            raise Mistake(f"a stack already runs in {settings.var}{who}: {hint}") from None
        yield
