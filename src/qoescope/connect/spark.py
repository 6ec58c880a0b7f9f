"""Spark: the one session, and streams that are kept running until they are told to stop."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Event, Thread, current_thread, main_thread
from time import monotonic
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.errors import Mistake
from qoescope.connect import checkpoints, spark_options
from qoescope.connect.causes import Explained, explain
from qoescope.connect.health import HealthBoard
from qoescope.connect.locks import Owned
from qoescope.connect.writing import Stopped
from qoescope.host.backoff import Backoff
from qoescope.settings import Settings

log = logging.getLogger("qoescope.spark")
WARM_S = 30.0
"""A stream without a batch for so long counts as ready: the log may be silent."""
GONE = (PySparkException, Py4JError, OSError)
"""What calls raise when the JVM is gone."""


def open_session(settings: Settings, name: str = "qoescope") -> SparkSession:
    """The session; a second call returns the same one. Nothing is downloaded: the jars are in `jars/spark`.

    Raises `Mistake` when the jars are missing.
    """
    folder = settings.jars.resolve() / "spark"
    jars = sorted(str(jar) for jar in folder.glob("*.jar"))
    if not jars:
        raise Mistake(
            f"no jars in {folder}: `make setup` in a checkout puts them there; QOESCOPE_JARS names its folder"
        )
    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers are started by the JVM with what this names
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(
        (f"--driver-memory {settings.spark_memory}", "--driver-class-path", ":".join(jars), "pyspark-shell")
    )
    options = SparkConf(loadDefaults=False).setAll([("spark.app.name", name), ("spark.master", settings.spark_master)])
    options.setAll(list((spark_options.options(settings, jars) | settings.spark_options).items()))
    if SparkContext._active_spark_context is None:  # noqa: SLF001  there is no public way to ask
        known = SparkContext._gateway  # noqa: SLF001  an earlier session's JVM, which is used again
        gateway = known or launch_gateway(options, _StopIgnoringOptions())  # type: ignore[no-untyped-call]
        interrupted = signal.getsignal(signal.SIGINT)
        SparkContext(conf=options, gateway=gateway)
        if current_thread() is main_thread():  # Spark puts its own in its place, which raises wherever we are
            signal.signal(signal.SIGINT, interrupted)
    spark = SparkSession.builder.config(conf=options).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


class _StopIgnoringOptions(dict[str, Any]):
    """Popen options that make the JVM ignore the signals that stop a process group.

    Python stops it after the last batch, and it ends by itself when Python is gone. PySpark would only ignore Ctrl-C.
    """

    def __setitem__(self, name: str, value: object) -> None:
        super().__setitem__(name, _ignore_stops if name == "preexec_fn" else value)


def _ignore_stops() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def stop(session: SparkSession) -> None:
    """Stops the session, also when the JVM is already gone."""
    with suppress(*GONE):
        session.stop()


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's name and how it is (re)started."""

    name: str
    start: Callable[[], StreamingQuery]
    warms_up: bool = False
    """Whether it is unready until its first batch, which is slow and comes soon since the log ticks."""


@dataclass(slots=True)
class _Running:
    """A stream that is kept running: its query, its lock, and when it may be restarted."""

    stream: Stream
    query: StreamingQuery | None = None
    progress: object = None
    """Its last progress."""
    has_run: bool = False
    again_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    lock: ExitStack = field(default_factory=ExitStack)


PROGRESS_EVERY = 4
"""Progress is read every so many checks of whether a stream runs: reading it costs more."""


def keep_running(
    streams: Sequence[Stream], stopping: Event, board: HealthBoard, settings: Settings, clean_stop_s: float = 15.0
) -> None:
    """Starts the streams, restarts what fails (after 1 s, doubling to 30 s), and returns when told to stop.

    A `Mistake` is raised instead. On stopping it waits `clean_stop_s` for batches under way, then aborts them: they are
    repeated later. Blocks.
    """
    running = [_Running(stream) for stream in streams]
    warm_by, rounds = None, 0
    try:
        while not stopping.is_set():
            for one in running:
                if not stopping.is_set():
                    _supervise(one, board, settings, look=rounds % PROGRESS_EVERY == 0)
            rounds += 1
            if board.state == "starting" and all(one.query for one in running):
                warm_by = warm_by or monotonic() + WARM_S
                cold = any(one.progress is None for one in running if one.stream.warms_up)
                if not cold or monotonic() > warm_by:
                    board.set_state("running")
            stopping.wait(0.5)
    except (Py4JError, ConnectionError) as error:
        if not stopping.is_set():
            raise Mistake(f"Spark's JVM is gone, its own log lines say why: {explain(error)}") from error
    finally:
        stopping.set()
        board.set_state("stopping")
        _stop_all(running, monotonic() + clean_stop_s)


def _stop_all(running: Sequence[_Running], deadline: float) -> None:
    """Stops all streams at once, each between two batches if one ends before the deadline."""

    def stop(one: _Running) -> None:
        if one.query is None:
            return
        between = Event()
        while _is_busy(one.query) and monotonic() < deadline:
            between.wait(0.05)
        _stop(one.stream.name, one.query)

    threads = [Thread(target=stop, args=(one,), daemon=True) for one in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, deadline + 10 - monotonic()))
    for one in running:
        one.lock.close()


def _supervise(one: _Running, board: HealthBoard, settings: Settings, look: bool) -> None:
    if one.query is None:
        if monotonic() >= one.again_at:
            _start(one, board, settings)
    elif one.query.isActive:
        if look:
            _note_progress(one, one.query, board)
            checkpoints.use_up_permit(settings, one.stream.name)
    else:
        _schedule_restart(one, board, one.query.exception() or "it stopped without a reason", "stopped")


def _start(one: _Running, board: HealthBoard, settings: Settings) -> None:
    name = one.stream.name
    try:
        one.lock.enter_context(checkpoints.own(settings, name))
    except Owned as owned:
        if not one.has_run:  # two drivers; otherwise it is being repaired
            raise
        _schedule_restart(one, board, owned, "did not start")
        return
    except OSError as error:
        _schedule_restart(one, board, error, "did not start")
        return
    try:
        checkpoints.check(settings, name)
        one.query = one.stream.start()
    except Stopped:
        return
    except (*GONE, Explained) as error:
        _schedule_restart(one, board, error, "did not start")
        return
    if one.has_run:
        board[name].restarted()
    one.has_run = True
    log.info("stream %s runs", name)


def _schedule_restart(one: _Running, board: HealthBoard, error: BaseException | str, what: str) -> None:
    """Reports why it failed, and schedules the retry."""
    one.query, one.progress, one.has_run = None, None, True
    one.lock.close()
    cause = board[one.stream.name].failed(error)
    wait_s = one.backoff.next_s()
    log.warning("stream %s %s: %s; again in %.0f s", one.stream.name, what, cause, wait_s)
    if not cause.anchor:  # nobody knows it yet: all of it is worth reading
        log.info("stream %s: %s", one.stream.name, error)
    one.again_at = monotonic() + wait_s


def _note_progress(one: _Running, query: StreamingQuery, board: HealthBoard) -> None:
    """Counts a new batch as a success, and a trigger without one as waiting work."""
    try:
        last = query.lastProgress
        busy = bool(query.status["isTriggerActive"])
    except GONE:
        return
    progress = None if last is None else (last["batchId"], last["timestamp"])
    has_progressed, one.progress = progress != one.progress, progress
    if has_progressed:
        one.backoff.reset()
    if has_progressed or (progress is not None and not busy):  # one that has just been started has done nothing yet
        board[one.stream.name].succeeded()
    elif busy:
        board[one.stream.name].working()
    else:
        board[one.stream.name].resting()


def _is_busy(query: StreamingQuery) -> bool:
    try:
        return query.isActive and bool(query.status["isTriggerActive"])
    except GONE:
        return False


def _stop(name: str, query: StreamingQuery) -> None:
    try:
        query.stop()
    except GONE as error:
        log.warning("stream %s did not stop cleanly: %s", name, explain(error))
