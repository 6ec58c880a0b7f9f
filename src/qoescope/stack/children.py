"""The parts of a stack as supervised processes, restarted when they end and stopped in order."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qoescope.catalog.errors import Mistake
from qoescope.connect.causes import explain
from qoescope.host.backoff import Backoff
from qoescope.settings import environment
from qoescope.stack import private, processes

log = logging.getLogger(__name__)

STEADY_S = 60.0
"""A part that ran this long is restarted without delay."""
POLL_S = 0.2
STOP_S = 85.0
"""Time for the whole stack to stop; processes that still run then are killed."""
LARGEST_LOG = 20 * 1024 * 1024
LOG_TAIL_BYTES = 8 * 1024
"""How much of a log is searched for why its process ended."""


def _do_nothing() -> None:
    """Stands for a step that a part does not need."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process: how it is started, when it is ready, what it needs, how it is stopped."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    needs: tuple[str, ...] = ()
    prepare: Callable[[], None] = _do_nothing
    """Runs before each start; an exception is logged and retried."""
    set_up: Callable[[], None] = _do_nothing
    """Runs once after it is first ready; parts that need it wait for that too."""
    environment: Mapping[str, str] = field(default_factory=dict)
    as_user: Sequence[str] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 15.0
    port: int | None = None
    url: str = ""
    why: Callable[[], str] = str
    """Why it is not ready, in a line."""
    check_s: float = 5.0
    """How often its readiness is checked."""
    has_low_priority: bool = False
    """Whether other processes get the processor first."""


class Child(threading.Thread):
    """Keeps one part running. Its thread starts the process, which is signalled when that thread dies."""

    def __init__(self, part: Part, needs: Sequence["Child"], all_: "Children") -> None:
        super().__init__(name=part.name, daemon=True)
        self.part, self._needs, self._all = part, needs, all_
        self.state, self.reason, self.restarts = "waiting", "", 0
        self.ready_at: float | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.is_set_up = threading.Event()
        self.stopping = threading.Event()
        self._log_start = 0
        """Length of its log when the process was started."""
        self._starting = threading.Lock()
        """Held while the process is started, so that it can always be found to be stopped."""

    def run(self) -> None:
        """Starts the process and restarts it when it ends, until told to stop."""
        for need in self._needs:
            while not need.is_set_up.wait(POLL_S):
                if self.stopping.is_set():
                    return self._set_state("stopped")
        backoff = Backoff()
        while not self.stopping.is_set():
            began = time.monotonic()
            self._run_once()
            if self.stopping.is_set():
                break
            if time.monotonic() - began > STEADY_S:
                backoff.reset()
            delay = backoff.next_s()
            self.restarts += 1
            self._set_state("restarting", self.reason)
            log.warning("%s ended (%s); again in %.0f s", self.name, self.reason, delay)
            self.stopping.wait(delay)
        return self._set_state("stopped")

    def _run_once(self) -> None:
        """Runs the process once."""
        self._set_state("preparing", self.reason)  # why it ended is said until it is ready
        try:
            self.part.prepare()
            with self._starting:
                if self.stopping.is_set():
                    return
                process = self.process = self._spawn()
        except Exception as error:  # noqa: BLE001  whatever it is, it is said and tried again
            self.reason = str(explain(error))
            return
        self._set_state("starting", self.reason)
        self._watch(process)
        if self.stopping.is_set():
            return
        processes.kill_group(process.pid)
        self.reason = describe_end(process.returncode, self._all.log_path(self.name), self._log_start)

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Starts the process in its own session, with its own log."""
        part, everyone = self.part, self._all
        with everyone.log_path(self.name).open("ab") as out:
            self._log_start = out.tell()
            process = subprocess.Popen(  # noqa: S603
                processes.bind_to_parent(part.command, part.as_user, part.stop_signal),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=everyone.folder,
                start_new_session=True,
                umask=private.UMASK,
                env=environment({**part.environment, processes.MARK: everyone.mark}),
            )
        if part.has_low_priority:
            processes.lower_priority(process.pid)
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Waits until the process ends; reports when it becomes ready."""
        began = time.monotonic()
        while process.poll() is None and not self.stopping.is_set() and not self._is_ready():
            self.stopping.wait(POLL_S)
        if process.poll() is not None or self.stopping.is_set():
            process.wait()
        elif self._is_set_up():
            self.ready_at = self.ready_at or time.monotonic()
            log.info("%s is ready after %.1f s", self.name, time.monotonic() - began)
            self.is_set_up.set()
            self._set_state("ready")
            self._keep_asking(process)
        else:
            process.send_signal(self.part.stop_signal)
            process.wait()

    def _keep_asking(self, process: subprocess.Popen[bytes]) -> None:
        """Checks readiness until the process ends."""
        while not processes.wait_for_end(process, self.part.check_s):
            ready = self.stopping.is_set() or self._is_ready()
            if not self.stopping.is_set() and ready != (self.state == "ready"):
                reason = "" if ready else self.part.why()
                if ready:
                    log.info("%s is ready again", self.name)
                else:
                    log.warning("%s is not ready%s", self.name, f": {reason}" if reason else "")
                self._set_state("ready" if ready else "failing", reason)

    def _is_ready(self) -> bool:
        try:
            return self.part.ready()
        except Exception as error:  # noqa: BLE001  a machine too busy to say it now may say it later
            log.warning("%s is not ready: %s: %s", self.name, type(error).__name__, error)
            return False

    def _is_set_up(self) -> bool:
        if self.is_set_up.is_set():
            return True
        try:
            self.part.set_up()
        except Exception as error:  # noqa: BLE001  as above
            log.warning("%s: %s: %s", self.name, type(error).__name__, error)
            return False
        return True

    def restart(self, more: Mapping[str, str]) -> None:
        """Ends the process, so that it is restarted with these additional variables."""
        with self._starting:
            self.part = replace(self.part, environment={**self.part.environment, **more})
            self.is_set_up.clear()
            process = self.process
        if process is not None and process.poll() is None:
            processes.end_process(process, self.part.stop_signal, self.part.stop_s)

    def stop(self, within_s: float) -> None:
        """Stops it for good, and waits for that."""
        with self._starting:
            self.stopping.set()
            process = self.process
        self._set_state("stopping")
        if process is not None and process.poll() is None:
            went = processes.end_process(process, self.part.stop_signal, min(within_s, self.part.stop_s))
            if not went:
                log.warning("%s did not stop within %.0f s and was killed", self.name, self.part.stop_s)
        self.join(within_s)
        self._set_state("stopped")

    def _set_state(self, state: str, reason: str = "") -> None:
        self.state, self.reason = state, reason
        try:
            self._all.changed()
        except OSError as error:  # of a full disk: the part is kept going, and who asks for its state is told late
            log.warning("the state of %s is not written: %s", self.name, error)


def describe_end(code: int, log_path: Path, since: int) -> str:
    """How and why a process ended: by its last log line that the runbook knows, else by its last one."""
    how = f"exit {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    try:
        with log_path.open("rb") as file:
            file.seek(max(since, log_path.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return how
    words = [line for line in lines if line.strip() and not line.lstrip().startswith("at ")]  # no frames of Java's
    known = (cause for cause in map(explain, reversed(words)) if cause.anchor)
    why = next(known, explain(words[-1]) if words and code > 0 else None)
    return f"{how}: {why}" if why else how


class Children:
    """All parts of one stack; `changed` is called at each change of a part's state."""

    def __init__(self, folder: Path, parts: Sequence[Part], changed: Callable[[], None] = _do_nothing) -> None:
        self.folder, self.changed, self.mark = folder, changed, str(folder)
        self._children: dict[str, Child] = {}
        for part in parts:
            self._children[part.name] = Child(part, [self._children[name] for name in part.needs], self)

    def __getitem__(self, name: str) -> Child:
        return self._children[name]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    def log_path(self, name: str) -> Path:
        """The part's own log."""
        return self.folder / "log" / f"{name}.log"

    def start(self, later: Collection[str] = ()) -> None:
        """Starts every part as soon as those that it needs are set up, except those of `later`; does not wait."""
        self.log_path("").parent.mkdir(parents=True, exist_ok=True)
        for child in self:
            if child.name in later or child.ident is not None:
                continue
            path = self.log_path(child.name)
            if path.exists() and path.stat().st_size > LARGEST_LOG:
                path.replace(path.with_suffix(".log.1"))
            child.start()

    def wait(self, names: Sequence[str], within_s: float) -> None:
        """Waits until these parts are set up; raises `Mistake` that names the first one that is not, and why."""
        deadline = time.monotonic() + within_s
        for name in names:
            child = self[name]
            if not child.is_set_up.wait(max(0.0, deadline - time.monotonic())):
                why = f"{child.state} {child.reason}".strip()
                raise Mistake(f"{name} is not ready after {within_s:.0f} s ({why}): see {self.log_path(name)}")

    def stop(self, within_s: float = STOP_S) -> None:
        """Stops all parts within `within_s`, those that others need last."""
        deadline = time.monotonic() + within_s
        for level in reversed(self._levels()):
            left = max(1.0, deadline - time.monotonic())
            stoppers = [threading.Thread(target=child.stop, args=(left,)) for child in level if child.is_alive()]
            for stopper in stoppers:
                stopper.start()
            for stopper in stoppers:
                stopper.join()
        processes.kill(processes.find_marked(self.mark))

    def _levels(self) -> list[list[Child]]:
        """Parts that need nothing, parts that only need these, and so on."""
        depth: dict[str, int] = {}
        for child in self:
            depth[child.name] = 1 + max((depth[name] for name in child.part.needs), default=-1)
        return [[c for c in self if depth[c.name] == level] for level in range(max(depth.values(), default=-1) + 1)]
