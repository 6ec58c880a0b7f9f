"""Runs the whole stack in the foreground, and reports its status."""

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from qoescope.connect import health, readiness
from qoescope.connect.causes import explain
from qoescope.connect.health import PartHealth
from qoescope.settings import Settings
from qoescope.stack import assembly, secrets, signals, state
from qoescope.stack.children import Children

WAIT_S = 600.0
POLL_S = 0.5


def run(settings: Settings, names: Sequence[str] = ()) -> None:
    """Runs the parts of these names, all by default, until Ctrl-C or SIGTERM; blocks."""
    screen = Console()
    try:
        with signals.raise_on_stop() as stopped, assembly.run_parts(settings, names) as (here, children):
            wait_until_ready(screen, children)
            for text in welcome(here, children):
                screen.print(text, highlight=False, soft_wrap=True)
            stopped.wait()
    except KeyboardInterrupt:
        screen.print("stopped: every part is down")


def wait_until_ready(screen: Console, children: Children, within_s: float = WAIT_S) -> None:
    """Shows the parts as they start, until all are ready; raises `Mistake` that names one that is not."""
    names = [child.name for child in children]
    if not screen.is_terminal:
        children.wait(names, within_s)
        return
    with Live(parts_table(children), console=screen, refresh_per_second=4, transient=True) as live:
        for name in names:
            left = within_s
            while not children[name].is_set_up.wait(POLL_S) and left > 0:
                live.update(parts_table(children))
                left -= POLL_S
        live.update(parts_table(children))
    children.wait(names, 1)


def parts_table(children: Children) -> Table:
    """The parts and their states as a table."""
    table = Table(header_style="bold")
    for name in ("part", "state", "port", "restarts"):
        table.add_column(name)
    for child in children:
        colour = {"ready": "green", "restarting": "red", "failing": "red"}.get(child.state, "yellow")
        port = str(child.part.port or "")
        table.add_row(child.name, f"[{colour}]{child.state}[/] {child.reason}", port, str(child.restarts or ""))
    return table


def welcome(settings: Settings, children: Children) -> list[str]:
    """Lines that say where everything is, and how to sign in."""
    lines = []
    for child in children:
        if child.part.url.startswith("http"):
            lines.append(f"{child.name:<8} {child.part.url}")
    if any(child.name == "airflow" for child in children):
        lines.append(
            f"airflow's user is admin, the password lies in {secrets.folder(settings) / 'airflow_admin.password'}"
        )
    lines.append(
        "`qoescope people new NAME` makes an account for the console, `qoescope keys new PROPERTY` a write key"
    )
    return [*lines, "Ctrl-C stops everything"]


def status(settings: Settings) -> dict[str, Any]:
    """What runs, where, and how far behind; `healthy` when every part is ready."""
    from qoescope.stack import progress

    place, processes, now = state.read(settings), health.read(settings), time.time()
    processes = [part for part in processes if part.state != "stopped"]
    limits = readiness.readiness_limits(settings)
    report: dict[str, Any] = {"running": place is not None or bool(processes), "healthy": False}
    report |= {"parts": [], "loops": [], "streams": [], "freshness": [], "problems": {}}
    if not report["running"]:
        return report
    report["parts"] = [
        {"part": name, **{k: line[k] for k in ("state", "port", "url", "restarts", "pid")}}
        for name, line in (place["parts"] if place else {}).items()
    ]
    for name, line in (place["parts"] if place else {}).items():
        if line["reason"] and line["state"] not in ("ready", "failing"):  # those that fail say it below
            report["problems"][name] = f"{line['state']}, {line['reason']}"
    report["loops"] = [line for part in processes for line in loop_rows(part, now)]
    wrong = [str(problem) for part in processes for problem in readiness.find_problems(part, now, limits)]
    report["problems"] |= {f"health {number}": text for number, text in enumerate(wrong, 1)}
    ready = [part["state"] == "ready" for part in report["parts"]]
    ready += [readiness.is_ready(part, now, limits) for part in processes]
    report["healthy"] = all(ready)
    for name, ask in (("streams", progress.streams), ("freshness", lambda s: [progress.freshness(s)])):
        try:
            report[name] = ask(settings)
        except Exception as error:  # noqa: BLE001  status has to say what it can, whatever is down
            report["problems"][name] = str(explain(error))
    return report


def loop_rows(part: PartHealth, now: float) -> list[dict[str, Any]]:
    """A row a loop for people: ages in seconds, never negative."""
    return [
        {
            "part": part.part,
            "loop": loop.name,
            "succeeded_s_ago": _age(loop.succeeded_at, now),
            "waiting_s": _age(loop.waiting_since, now),
            "failures": loop.failures,
            "restarts": loop.restarts,
            "lag_records": loop.lag_records,
            "lag_s": None if loop.lag_s is None else round(loop.lag_s, 1),
            "oldest_open_s": _age(loop.oldest_open_at, now),
            "set_aside": loop.set_aside,
            "cause": loop.cause if loop.failures else "",
        }
        for loop in part.loops
    ]


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, now - at), 1)
