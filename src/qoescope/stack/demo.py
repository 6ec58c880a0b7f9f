"""Demo: every part at once, live traffic with injected faults, and whether all of it held."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path

from rich.console import Console

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings
from qoescope.stack import airflow, assembly, audience, findings, secrets, showing, signals, up
from qoescope.stack.children import Children
from qoescope.stack.outcome import Outcome

PROPERTY, ARCHIVE = "demo", "archive"
"""Live traffic and the imported file are two properties: each has its own numbers."""
FROM_FILE = 20_000
"""Sessions of the CSV that Airflow imports."""
SILENCE_S = 60.0
"""After so long without events a session closes, by the viewers' clock."""
READY_S, SETTLED_S, RUNS_S, NAMED_S = 600.0, 600.0, 900.0, 300.0
LOOK_S = 0.5
CONNECTIONS, PATIENCE_S = 64, 60.0
"""How the players send: over so many connections, and again for so long what is not answered."""
TELLING_MS = 45 * 60_000
"""The watch needs so much of the viewers' time to know what is usual, to see a fault, and to see it over."""
HEADROOM = 4.0
"""The demo's key may send so much more than the demo does on average."""


def run(settings: Settings, *, once: bool, rate: float, seconds: float, speed: float) -> int:
    """The demo until Ctrl-C, or with `once` until everything is shown; 0 if all of it held."""
    screen, outcome = showing.console(), Outcome()
    here = settings.model_copy(
        update={"session_gap_s": max(5, ceil(SILENCE_S / speed)), "budget_events": HEADROOM * rate,
                "budget_bytes": HEADROOM * rate * 1000}
    )  # fmt: skip
    try:
        with signals.stoppable() as told:
            key = door_key(here)
            with assembly.running(here, later=("airflow",)) as (placed, children):
                stage = Stage(screen, placed, children, outcome)
                performed(stage, key, rate, seconds, speed)
                if not once:
                    with stage.step("sessions may be silent for as long as in production"):
                        audience.awaited(children, SILENCE_S, READY_S)
                    with audience.watching(placed, key, PROPERTY, rate / speed, told, screen.print):
                        for text in up.welcome(placed, children):
                            screen.print(text, highlight=False, soft_wrap=True)
                        told.wait()
    except KeyboardInterrupt:
        screen.print("stopped: every part is down")
        outcome.check(not once, "stopped before its end")
    except Mistake as mistake:
        outcome.failed.append(str(mistake))
    for problem in outcome.failed:
        screen.print(f"[bold red]failed:[/] {problem}", highlight=False, soft_wrap=True)
    return 1 if outcome.failed else 0


@dataclass
class Stage:
    """Where the demo plays."""

    screen: Console
    settings: Settings
    children: Children
    outcome: Outcome

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says what happens and how long it took."""
        began = time.monotonic()
        with self.screen.status(f"{what} …"):
            yield
        self.screen.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)

    def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Whether it holds within this time."""
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while not holds():
            if time.monotonic() > deadline:
                return False
            pause.wait(LOOK_S)
        return True


def door_key(settings: Settings) -> str:
    """The demo's write key: the one of the last run while it is live, else a new one."""
    from qoescope.ingest.jobs import manage_keys

    path = secrets.folder(settings) / "demo.key"
    if path.exists():
        kept = path.read_text().strip()
        if any(kept.startswith(key.prefix) and key.revoked_at is None for key in manage_keys.list_keys(settings)):
            return kept
    made = manage_keys.create_key(settings, PROPERTY)
    secrets.write(path, made)
    return made


def performed(stage: Stage, key: str, rate: float, seconds: float, speed: float) -> None:
    """All acts of the demo, in order."""
    began = datetime.now(UTC)
    with stage.step("collector, streams, Kafka and Postgres are up"):
        stage.children.wait(["postgres", "kafka", "collect"], READY_S)
        file = _file(stage)
        stage.children.wait(["stream"], READY_S)
        fresh = findings.fresh(stage.settings, PROPERTY, began - timedelta(seconds=seconds * speed))
    _person(stage.settings)
    showing.console_said(stage.screen, stage.settings)
    with stage.step(f"{rate:,.0f} events a second for {seconds:.0f} s through HTTP, with faults"):
        _sent(stage, key, rate, seconds, speed)
    stage.children.start()  # Airflow's own start takes most of a small machine, and batch has time
    with stage.step("every part is up"):
        stage.children.wait([child.name for child in stage.children], READY_S)
    with airflow.Client(stage.settings) as client:
        runs = Runs(stage, client)
        runs.start(airflow.IMPORT, {"path": str(file), "property": ARCHIVE})  # it needs nothing of the traffic
        with stage.step("every session closed, lake and marts hold all of it"):
            _settled(stage)
        with stage.step("Airflow restated the day and imported a file"):
            for day in _days(stage, began):
                runs.start(airflow.RESTATE, {"day": f"{day:%Y-%m-%d}"})
            runs.finish()
    with stage.step("the books agree from end to end"):
        _ledger(stage)
    with stage.step("the monitor looked at every minute"):
        _named(stage, judged=fresh)
    showing.shown(stage.screen, stage.settings, PROPERTY, stage.outcome, began)


def _file(stage: Stage) -> Path:
    from qoescope.emit.jobs.csv import write_csv

    folder = stage.settings.var / "demo" / "file"
    return write_csv(folder, sessions=FROM_FILE, workers=1, progress=False).paths[0]


def _sent(stage: Stage, key: str, rate: float, seconds: float, speed: float) -> None:
    from qoescope.emit.jobs.live import send_live

    folder, stop = stage.settings.var / "demo", threading.Event()
    with ThreadPoolExecutor(1) as hand:  # signals stay with the main thread
        sending = hand.submit(
            send_live, f"http://127.0.0.1:{stage.settings.door_port}", key, rate=rate, duration=seconds, speed=speed,
            out=folder, book=folder / "book.parquet", property=PROPERTY, progress=False, stop=stop,
            connections=CONNECTIONS, patience=PATIENCE_S, device_clocks=False,
        )  # fmt: skip
        try:
            live = sending.result()
        finally:
            stop.set()
    stage.outcome.live = live
    lost = live.sent.events - live.sent.acknowledged
    stage.outcome.check(lost == 0, f"the collector did not acknowledge {lost:,} of {live.sent.events:,} events")


def _person(settings: Settings) -> None:
    from qoescope.serve.jobs.accounts import new_user

    path = secrets.folder(settings) / "console_demo.password"
    new_user(settings, "demo", "admin", ["*"], secrets.secret(settings, path.name))


def _settled(stage: Stage) -> None:
    from qoescope.connect import postgres
    from qoescope.stack import progress

    ends, received = progress.log_ends(stage.settings), datetime.now(UTC)
    with postgres.connect(stage.settings, "writer") as connection:
        connection.execute("set lock_timeout = 0")  # a batch that is being written is worth waiting for
        read = stage.until(lambda: not progress.lag(ends, progress.read_until(connection)), SETTLED_S)
        stage.outcome.check(read, f"the lake did not read the log to its end within {SETTLED_S:.0f} s")
        closed = stage.until(lambda: progress.books(connection, PROPERTY).settled, SETTLED_S)
        books = progress.books(connection, PROPERTY)
        stage.outcome.check(
            closed, f"accepted events are missing from lake or sessions after {SETTLED_S:.0f} s: {books}"
        )
        live = stage.until(lambda: (progress.live_until(connection) or received) > received, SETTLED_S)
        stage.outcome.check(live, f"live numbers did not catch up within {SETTLED_S:.0f} s")


def _days(stage: Stage, began: datetime) -> list[date]:
    """The days in which the traffic's sessions started."""
    live = stage.outcome.live
    first = datetime.fromtimestamp(live.run.begin_ms / 1000, UTC) if live else began
    return sorted({first.date(), datetime.now(UTC).date()})


@dataclass
class Runs:
    """Runs of DAGs under way."""

    stage: Stage
    client: airflow.Client
    started: list[tuple[str, str]] = field(default_factory=list)

    def start(self, dag: str, conf: Mapping[str, str]) -> None:
        """Starts one, once Airflow has parsed its file."""
        if self.stage.until(lambda: self.client.knows(dag), RUNS_S):
            self.started.append((dag, self.client.trigger(dag, conf)))
        else:
            why = self.client.import_errors() or "not parsed yet"
            self.stage.outcome.failed.append(f"Airflow does not know the DAG {dag}: {why}")

    def finish(self) -> None:
        """Waits for all of them; one that failed is something that did not hold."""
        states: dict[str, str] = {}

        def ended() -> bool:
            states.update({run: self.client.state(dag, run) for dag, run in self.started})
            return all(state in airflow.ENDED for state in states.values())

        self.stage.until(ended, RUNS_S)
        for dag, run in self.started:
            self.stage.outcome.runs.append({"DAG": dag, "run": run, "state": states[run]})
            why = f"DAG {dag}, run {run}: {states[run]} {self.client.failed_tasks(dag, run)}"
            self.stage.outcome.check(states[run] == "success", why)


def _ledger(stage: Stage) -> None:
    from qoescope.mart.jobs.ledger import check_books

    book = stage.settings.var / "demo" / "book.parquet"
    found = check_books(stage.settings, None, book if book.exists() else None)
    stage.outcome.failed += [f"ledger: {difference}" for difference in found.differences]
    stage.outcome.check(not found.unnamed, f"ledger: and {found.unnamed} more differences")


def _named(stage: Stage, *, judged: bool) -> None:
    """Holds what the monitor named against what was injected. Not `judged`: earlier traffic lies in its history."""
    live = stage.outcome.live
    if live is None or not judged:
        stage.screen.print("earlier traffic is part of the monitor's history: what it names is shown, not judged")
        return
    if live.run.length_ms < TELLING_MS:
        stage.screen.print("too short a time, by the viewers' clock, to tell what is usual: nothing is judged")
        return
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (live.run.begin_ms, live.run.end_ms))

    def problems() -> list[str]:
        return findings.problems(live.key, findings.incidents(stage.settings, PROPERTY, begin, end))

    stage.until(lambda: not problems(), NAMED_S)
    stage.outcome.failed += problems()
