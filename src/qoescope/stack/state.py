"""The state of a running stack, in `var/run/stack.json`, so that other commands find it."""

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

StackState = dict[str, Any]
PORTS = ("door_port", "console_port", "airflow_port", "postgres_port")


def path(settings: Settings) -> Path:
    """The state file."""
    return settings.var / "run" / "stack.json"


def write(settings: Settings, place: StackState) -> None:
    """Replaces the state file atomically."""
    target = path(settings)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_text(json.dumps(place, indent=1))
    beside.replace(target)


def read(settings: Settings) -> StackState | None:
    """The running stack's state; None when none runs."""
    try:
        place: StackState = json.loads(path(settings).read_text())
    except NotADirectoryError:
        raise Mistake(f"{settings.var} is not a folder: QOESCOPE_VAR names the folder of all state") from None
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    supervisor = place["supervisor"]
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(supervisor["pid"]).create_time() == supervisor["started"]:
            return place
    return None


def supervisor() -> dict[str, Any]:
    """Identifies this process, also from a later one with the same id."""
    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def locate(settings: Settings) -> Settings:
    """The settings, with the addresses of the running stack; settings that were set explicitly stay."""
    place = read(settings)
    if place is None:
        return settings
    values = {k: v for k, v in place["settings"].items() if k not in settings.model_fields_set}
    return settings.model_copy(update=values)


@contextmanager
def lock_folder(settings: Settings) -> Iterator[None]:
    """Locks the folder against a second stack; raises `Mistake` when one runs there."""
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
