"""Assembly: which parts a stack has, where each listens, and one context in which all of them run."""

import json
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from qoescope.catalog.errors import UnknownName
from qoescope.settings import Settings
from qoescope.stack import airflow, kafka, postgres, private, processes, state
from qoescope.stack.children import Child, Children, Part
from qoescope.stack.told import Told

LOOPBACK_PORTS = (
    "postgres_port",
    "broker_port",
    "airflow_port",
    "door_port",
    "console_port",
    "stream_port",
    "monitor_port",
)
PASSED_ON = (*LOOPBACK_PORTS, "brokers", "var", "lake", "checkpoints", "session_gap_s", "stuck_s", "least_free_bytes")
"""Settings that the parts are told, and commands beside them: they may differ from what these would read themselves."""


@contextmanager
def placed(settings: Settings) -> Iterator[Settings]:
    """The settings with ports that are held for their parts and a folder that does not depend on where a part runs."""
    with processes.held(*(getattr(settings, name) for name in LOOPBACK_PORTS)) as ports:
        taken: dict[str, Any] = dict(zip(LOOPBACK_PORTS, ports, strict=True))
        if "brokers" not in settings.model_fields_set:
            taken["brokers"] = f"127.0.0.1:{taken['broker_port']}"
        yield settings.model_copy(update={**taken, "var": settings.var.resolve()})


def passed_on(settings: Settings) -> dict[str, str]:
    """The environment by which a part reads these settings."""
    told = (str, int, float, dict)
    names = {*PASSED_ON, *(n for n in settings.model_fields_set if isinstance(getattr(settings, n), told))}
    values = {name: getattr(settings, name) for name in sorted(names)}
    variables = {f"QOESCOPE_{n.upper()}": json.dumps(v) if isinstance(v, dict) else str(v) for n, v in values.items()}
    return {**variables, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


def parts(settings: Settings, names: Sequence[str] = ()) -> list[Part]:
    """The parts of these names (`airflow` is four processes) and those that they need, all of them by default.

    Raises `UnknownName` for one that is none.
    """
    more = passed_on(settings)
    own_broker = settings.brokers == f"127.0.0.1:{settings.broker_port}"
    known = [
        postgres.part(settings),
        *([kafka.part(settings)] if own_broker else []),
        *airflow.parts(settings, more),
        *_own(settings, more, ("kafka",) if own_broker else ()),
    ]
    if not names:
        return known
    groups = {part.name.split("-")[0] for part in known}
    for name in names:
        if name not in groups:
            raise UnknownName("part", name, groups)
    asked = {part.name for part in known if part.name.split("-")[0] in names}
    asked |= {need for part in known if part.name in asked for need in part.needs}
    return [part for part in known if part.name in asked]


def _own(settings: Settings, more: dict[str, str], broker: tuple[str, ...]) -> list[Part]:
    """Our own parts: each is one command of `qoescope`."""
    stores, streaming, watching = ("postgres", *broker), Told(settings, "stream"), Told(settings, "monitor")
    door, console = settings.door_port, settings.console_port

    def command(name: str) -> list[str]:
        return [sys.executable, "-m", "qoescope.cli.app", name]

    return [
        Part("collect", command("collect"), lambda: _is_ok(door, "/readyz"), stores, environment=more, stop_s=20,
             port=door, url=f"http://127.0.0.1:{door}"),
        Part("stream", command("stream"), streaming.is_ready, stores, environment=more, stop_s=60,
             prepare=streaming.forget, why=streaming.why, port=settings.stream_port,
             url=f"http://127.0.0.1:{settings.stream_port}/metrics"),
        Part("console", command("console"), lambda: _is_ok(console, "/alive"), ("postgres",), environment=more,
             stop_s=12, port=console, url=f"http://127.0.0.1:{console}"),
        Part("monitor", command("monitor"), watching.is_ready, stores, environment=more, stop_s=10, gives_way=True,
             prepare=watching.forget, why=watching.why, port=settings.monitor_port,
             url=f"http://127.0.0.1:{settings.monitor_port}/metrics"),
    ]  # fmt: skip


def _is_ok(port: int, path: str) -> bool:
    return processes.said(port, path) is not None


@contextmanager
def running(
    settings: Settings, names: Sequence[str] = (), later: Sequence[str] = ()
) -> Iterator[tuple[Settings, Children]]:
    """The stack's parts, started and on their way to ready; all stopped at the end, whatever ends it.

    Those of `later` start when `children.start()` is called once more.
    """
    with ExitStack() as open_until_the_end:
        open_until_the_end.enter_context(private.masked())
        open_until_the_end.enter_context(state.alone(settings))
        private.secure(settings.var.resolve())
        open_until_the_end.enter_context(_logging(settings.var / "log" / "stack.log"))
        processes.sweep(str(settings.var.resolve()))  # before ports are chosen: it may still listen there
        here = open_until_the_end.enter_context(placed(settings))
        children = Children(here.var, parts(here, names))
        one_at_a_time = threading.Lock()

        def noted() -> None:
            with one_at_a_time:
                state.written(here, _place(here, children))

        children.changed = noted
        try:
            children.start([child.name for child in children if child.name.split("-")[0] in later])
            yield here, children
        finally:
            children.stop()
            state.path(here).unlink(missing_ok=True)


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """What becomes of the parts goes into a log of its own."""
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


def _place(settings: Settings, children: Children) -> state.Place:
    found = {name: getattr(settings, name) for name in PASSED_ON if name != "var"}
    return {"supervisor": state.supervisor(), "settings": found, "parts": {c.name: _line(c) for c in children}}


def _line(child: Child) -> dict[str, Any]:
    part, process = child.part, child.process
    return {
        "state": child.state, "reason": child.reason, "restarts": child.restarts, "port": part.port, "url": part.url,
        "pid": process.pid if process and process.poll() is None else None,
    }  # fmt: skip
