"""Assembles a stack: which parts it has, where each listens, and one context in which all of them run."""

import json
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qoescope.catalog.errors import UnknownName
from qoescope.settings import Settings
from qoescope.stack import airflow, kafka, postgres, private, processes, state
from qoescope.stack.children import Child, Children, Part
from qoescope.stack.part_readiness import PartReadiness

LOOPBACK_PORTS = (
    "postgres_port",
    "broker_port",
    "airflow_port",
    "door_port",
    "console_port",
    "stream_port",
    "monitor_port",
)
SHARED_SETTINGS = (
    *LOOPBACK_PORTS,
    "brokers",
    "var",
    "lake",
    "checkpoints",
    "session_gap_s",
    "stuck_s",
    "least_free_bytes",
)
"""Settings that are passed to the parts, and to commands beside them: the stack may have chosen them."""


@contextmanager
def reserve_ports(settings: Settings) -> Iterator[Settings]:
    """The settings with reserved ports for all parts, and an absolute `var`."""
    with processes.reserve_ports(*(getattr(settings, name) for name in LOOPBACK_PORTS)) as ports:
        taken: dict[str, Any] = dict(zip(LOOPBACK_PORTS, ports, strict=True))
        if "brokers" not in settings.model_fields_set:
            taken["brokers"] = f"127.0.0.1:{taken['broker_port']}"
        yield settings.model_copy(update={**taken, "var": settings.var.resolve()})


def part_environment(settings: Settings) -> dict[str, str]:
    """The environment from which a part reads these settings."""
    plain_types = (str, int, float, dict)
    names = {*SHARED_SETTINGS, *(n for n in settings.model_fields_set if isinstance(getattr(settings, n), plain_types))}
    values = {name: getattr(settings, name) for name in sorted(names)}
    variables = {f"QOESCOPE_{n.upper()}": json.dumps(v) if isinstance(v, dict) else str(v) for n, v in values.items()}
    return {**variables, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


def parts(settings: Settings, names: Sequence[str] = ()) -> list[Part]:
    """The parts of these names (`airflow` is four processes) and those they need; all of them by default.

    Raises `UnknownName` for an unknown name.
    """
    more = part_environment(settings)
    own_broker = settings.brokers == f"127.0.0.1:{settings.broker_port}"
    known = [
        postgres.part(settings),
        *([kafka.part(settings)] if own_broker else []),
        *airflow.parts(settings, more),
        *_own_parts(settings, more, ("kafka",) if own_broker else ()),
    ]
    if not names:
        return known
    groups = {part.name.split("-")[0] for part in known}
    for name in names:
        if name not in groups:
            raise UnknownName("part", name, groups)
    wanted = {part.name for part in known if part.name.split("-")[0] in names}
    wanted |= {need for part in known if part.name in wanted for need in part.needs}
    return [part for part in known if part.name in wanted]


def _own_parts(settings: Settings, more: dict[str, str], broker: tuple[str, ...]) -> list[Part]:
    """Our own parts: each is a command of `qoescope`."""
    stores = ("postgres", *broker)
    stream = _part_with_health("stream", settings, settings.stream_port, stores, more)
    monitor = _part_with_health("monitor", settings, settings.monitor_port, stores, more)
    return [
        _part_with_pages("collect", settings.door_port, "/readyz", stores, more, 20),
        replace(stream, stop_s=60),
        _part_with_pages("console", settings.console_port, "/alive", ("postgres",), more, 12),
        replace(monitor, stop_s=10, has_low_priority=True),
    ]


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "qoescope.cli.app", name]


def _part_with_pages(
    name: str, port: int, path: str, needs: tuple[str, ...], more: dict[str, str], stop_s: float
) -> Part:
    """A part that is ready when it answers on this path."""
    return Part(
        name,
        _command(name),
        lambda: _is_ok(port, path),
        needs,
        environment=more,
        stop_s=stop_s,
        port=port,
        url=f"http://127.0.0.1:{port}",
    )


def _part_with_health(name: str, settings: Settings, port: int, needs: tuple[str, ...], more: dict[str, str]) -> Part:
    """A part that is ready when its health says so."""
    readiness = PartReadiness(settings, name)
    return Part(
        name,
        _command(name),
        readiness.is_ready,
        needs,
        environment=more,
        prepare=readiness.forget,
        why=readiness.why,
        port=port,
        url=f"http://127.0.0.1:{port}/metrics",
    )


def _is_ok(port: int, path: str) -> bool:
    return processes.get_body(port, path) is not None


@contextmanager
def run_parts(
    settings: Settings, names: Sequence[str] = (), later: Sequence[str] = ()
) -> Iterator[tuple[Settings, Children]]:
    """Runs the stack's parts while the block runs; yields the settings with the chosen ports, and the parts.

    Parts of `later` start when `children.start()` is called again. All are stopped at the end, whatever ends it.
    """
    with ExitStack() as open_until_the_end:
        open_until_the_end.enter_context(private.restrict_umask())
        open_until_the_end.enter_context(state.lock_folder(settings))
        private.secure(settings.var.resolve())
        open_until_the_end.enter_context(_log_to(settings.var / "log" / "stack.log"))
        processes.end_orphans(str(settings.var.resolve()))  # before ports are chosen: it may still listen there
        here = open_until_the_end.enter_context(reserve_ports(settings))
        children = Children(here.var, parts(here, names))
        one_at_a_time = threading.Lock()

        def noted() -> None:
            with one_at_a_time:
                state.write(here, _stack_state(here, children))

        children.changed = noted
        try:
            children.start([child.name for child in children if child.name.split("-")[0] in later])
            yield here, children
        finally:
            children.stop()
            state.path(here).unlink(missing_ok=True)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Logs the parts' states to a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    ours = logging.getLogger("qoescope.stack")
    before = ours.propagate, ours.level
    ours.addHandler(handler)
    ours.propagate = False
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.propagate, ours.level = before
        ours.removeHandler(handler)
        handler.close()


def _stack_state(settings: Settings, children: Children) -> state.StackState:
    shared = {name: getattr(settings, name) for name in SHARED_SETTINGS if name != "var"}
    return {"supervisor": state.supervisor(), "settings": shared, "parts": {c.name: _part_state(c) for c in children}}


def _part_state(child: Child) -> dict[str, Any]:
    part, process = child.part, child.process
    return {
        "state": child.state,
        "reason": child.reason,
        "restarts": child.restarts,
        "port": part.port,
        "url": part.url,
        "pid": process.pid if process and process.poll() is None else None,
    }
