"""The demo: every part at once, live traffic with injected faults, and a check that everything held."""

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
"""Silence after which a session closes, by the viewers' clock."""
READY_S, SETTLED_S, RUNS_S, INCIDENTS_S = 600.0, 600.0, 900.0, 300.0
POLL_S = 0.5
CONNECTIONS, PATIENCE_S = 64, 60.0
"""How the players send: over so many connections, and again for so long what is not answered."""
LEAST_HISTORY_MS = 45 * 60_000
"""The monitor needs so much of the viewers' time for a baseline, a fault and its end."""
HEADROOM = 4.0
"""How many times the demo's average rate its key may send."""


def run(settings: Settings, *, once: bool, rate: float, seconds: float, speed: float) -> int:
    """Runs the demo until Ctrl-C, or with `once` until everything is shown; returns 0 if everything held."""
    screen, outcome = showing.open_screen(), Outcome()
    here = settings.model_copy(
        update={
            "session_gap_s": max(5, ceil(SILENCE_S / speed)),
            "budget_events": HEADROOM * rate,
            "budget_bytes": HEADROOM * rate * 1000,
        }
    )
    try:
        with signals.raise_on_stop() as stopped:
            key = door_key(here)
            with assembly.run_parts(here, later=("airflow",)) as (placed, children):
                stage = Stage(screen, placed, children, outcome)
                perform(stage, key, rate, seconds, speed)
                if not once:
                    with stage.step("sessions may be silent for as long as in production"):
                        audience.restart_stream(children, SILENCE_S, READY_S)
                    with audience.keep_watching(placed, key, PROPERTY, rate / speed, stopped, screen.print):
                        for text in up.welcome(placed, children):
                            screen.print(text, highlight=False, soft_wrap=True)
                        stopped.wait()
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
    """What the demo's steps share."""

    screen: Console
    settings: Settings
    children: Children
    outcome: Outcome

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Prints what happens and how long it took."""
        began = time.monotonic()
        with self.screen.status(f"{what} …"):
            yield
        self.screen.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)

    def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Waits until `holds` is true; False when it is not within `within_s`."""
        deadline, pause = time.monotonic() + within_s, threading.Event()
        while not holds():
            if time.monotonic() > deadline:
                return False
            pause.wait(POLL_S)
        return True


def door_key(settings: Settings) -> str:
    """The demo's write key: the last run's if it is live, else a new one."""
    from qoescope.ingest.jobs import manage_keys

    path = secrets.folder(settings) / "demo.key"
    if path.exists():
        kept = path.read_text().strip()
        if any(kept.startswith(key.prefix) and key.revoked_at is None for key in manage_keys.list_keys(settings)):
            return kept
    made = manage_keys.create_key(settings, PROPERTY)
    secrets.write(path, made)
    return made


def perform(stage: Stage, key: str, rate: float, seconds: float, speed: float) -> None:
    """Runs all steps of the demo, in order."""
    began = datetime.now(UTC)
    with stage.step("collector, streams, Kafka and Postgres are up"):
        stage.children.wait(["postgres", "kafka", "collect"], READY_S)
        file = _write_file(stage)
        stage.children.wait(["stream"], READY_S)
        fresh = findings.is_fresh(stage.settings, PROPERTY, began - timedelta(seconds=seconds * speed))
    _create_account(stage.settings)
    showing.print_console(stage.screen, stage.settings)
    with stage.step(f"{rate:,.0f} events a second for {seconds:.0f} s through HTTP, with faults"):
        _send_traffic(stage, key, rate, seconds, speed)
    stage.children.start()  # Airflow's own start takes most of a small machine, and batch has time
    with stage.step("every part is up"):
        stage.children.wait([child.name for child in stage.children], READY_S)
    with airflow.AirflowApi(stage.settings) as client:
        runs = DagRuns(stage, client)
        runs.start(airflow.IMPORT, {"path": str(file), "property": ARCHIVE})  # it needs nothing of the traffic
        with stage.step("every session closed, lake and marts hold all of it"):
            _wait_until_settled(stage)
        with stage.step("Airflow restated the day and imported a file"):
            for day in _traffic_days(stage, began):
                runs.start(airflow.RESTATE, {"day": f"{day:%Y-%m-%d}"})
            runs.finish()
    with stage.step("the books agree from end to end"):
        _check_ledger(stage)
    with stage.step("the monitor looked at every minute"):
        _check_incidents(stage, judged=fresh)
    showing.print_results(stage.screen, stage.settings, PROPERTY, stage.outcome, began)


def _write_file(stage: Stage) -> Path:
    from qoescope.emit.jobs.csv import write_csv

    folder = stage.settings.var / "demo" / "file"
    return write_csv(folder, sessions=FROM_FILE, workers=1, progress=False).paths[0]


def _send_traffic(stage: Stage, key: str, rate: float, seconds: float, speed: float) -> None:
    from qoescope.emit.jobs.live import send_live

    folder, stop = stage.settings.var / "demo", threading.Event()
    with ThreadPoolExecutor(1) as hand:  # signals stay with the main thread
        sending = hand.submit(
            send_live,
            f"http://127.0.0.1:{stage.settings.door_port}",
            key,
            rate=rate,
            duration=seconds,
            speed=speed,
            out=folder,
            book=folder / "book.parquet",
            property=PROPERTY,
            progress=False,
            stop=stop,
            connections=CONNECTIONS,
            patience=PATIENCE_S,
            device_clocks=False,
        )
        try:
            live = sending.result()
        finally:
            stop.set()
    stage.outcome.live = live
    lost = live.sent.events - live.sent.acknowledged
    stage.outcome.check(lost == 0, f"the collector did not acknowledge {lost:,} of {live.sent.events:,} events")


def _create_account(settings: Settings) -> None:
    from qoescope.serve.jobs.accounts import new_user

    path = secrets.folder(settings) / "console_demo.password"
    new_user(settings, "demo", "admin", ["*"], secrets.secret(settings, path.name))


def _wait_until_settled(stage: Stage) -> None:
    from qoescope.connect import postgres
    from qoescope.stack import progress

    ends, received = progress.log_ends(stage.settings), datetime.now(UTC)
    with postgres.connect(stage.settings, "writer") as connection:
        connection.execute("set lock_timeout = 0")  # a batch that is being written is worth waiting for
        read = stage.until(lambda: not progress.lag(ends, progress.lake_offsets(connection)), SETTLED_S)
        stage.outcome.check(read, f"the lake did not read the log to its end within {SETTLED_S:.0f} s")
        closed = stage.until(lambda: progress.event_totals(connection, PROPERTY).is_complete, SETTLED_S)
        books = progress.event_totals(connection, PROPERTY)
        stage.outcome.check(
            closed, f"accepted events are missing from lake or sessions after {SETTLED_S:.0f} s: {books}"
        )
        live = stage.until(lambda: (progress.live_until(connection) or received) > received, SETTLED_S)
        stage.outcome.check(live, f"live numbers did not catch up within {SETTLED_S:.0f} s")


def _traffic_days(stage: Stage, began: datetime) -> list[date]:
    """The days on which the traffic's sessions started."""
    live = stage.outcome.live
    first = datetime.fromtimestamp(live.run.begin_ms / 1000, UTC) if live else began
    return sorted({first.date(), datetime.now(UTC).date()})


@dataclass
class DagRuns:
    """Runs of DAGs that the demo has started."""

    stage: Stage
    client: airflow.AirflowApi
    started: list[tuple[str, str]] = field(default_factory=list)

    def start(self, dag: str, conf: Mapping[str, str]) -> None:
        """Starts a run, once Airflow has parsed its file."""
        if self.stage.until(lambda: self.client.knows(dag), RUNS_S):
            self.started.append((dag, self.client.trigger(dag, conf)))
        else:
            why = self.client.import_errors() or "not parsed yet"
            self.stage.outcome.failed.append(f"Airflow does not know the DAG {dag}: {why}")

    def finish(self) -> None:
        """Waits for all runs; a failed one is a failure of the demo."""
        states: dict[str, str] = {}

        def ended() -> bool:
            states.update({run: self.client.state(dag, run) for dag, run in self.started})
            return all(state in airflow.FINAL_STATES for state in states.values())

        self.stage.until(ended, RUNS_S)
        for dag, run in self.started:
            self.stage.outcome.runs.append({"DAG": dag, "run": run, "state": states[run]})
            why = f"DAG {dag}, run {run}: {states[run]} {self.client.failed_tasks(dag, run)}"
            self.stage.outcome.check(states[run] == "success", why)


def _check_ledger(stage: Stage) -> None:
    from qoescope.mart.jobs.ledger import check_books

    book = stage.settings.var / "demo" / "book.parquet"
    result = check_books(stage.settings, None, book if book.exists() else None)
    stage.outcome.failed += [f"ledger: {difference}" for difference in result.differences]
    stage.outcome.check(not result.unnamed, f"ledger: and {result.unnamed} more differences")


def _check_incidents(stage: Stage, *, judged: bool) -> None:
    """Compares incidents with the answer key, unless earlier traffic is in the monitor's history."""
    live = stage.outcome.live
    if live is None or not judged:
        stage.screen.print("earlier traffic is part of the monitor's history: what it names is shown, not judged")
        return
    if live.run.length_ms < LEAST_HISTORY_MS:
        stage.screen.print("too short a time, by the viewers' clock, to tell what is usual: nothing is judged")
        return
    begin, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (live.run.begin_ms, live.run.end_ms))

    def problems() -> list[str]:
        return findings.problems(live.key, findings.incidents(stage.settings, PROPERTY, begin, end))

    stage.until(lambda: not problems(), INCIDENTS_S)
    stage.outcome.failed += problems()
