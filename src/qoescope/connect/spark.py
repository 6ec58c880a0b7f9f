"""Spark: the one session, and streams that are kept running until they are told to stop."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings

log = logging.getLogger("qoescope.spark")
WARM_S = 30.0
"""A stream without a batch for so long counts as ready all the same: the log may be silent."""
ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
JVM = (
    "-Duser.timezone=UTC -Dderby.system.home=/nonexistent -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "
    "-XX:ReservedCodeCacheSize=240m"
)
"""Tasks compute in Python; the JVM plans and moves bytes: a quick start is worth more to it than deep compiling.

A JVM that compiles so keeps 48 MB for code, which streams fill in a minute; then nothing is compiled any more."""


def session(settings: Settings, name: str = "qoescope") -> SparkSession:
    """The session; a second call gives the same one. Nothing is downloaded: the jars lie in `jars/spark`."""
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
    builder = SparkSession.builder.appName(name).master(settings.spark_master)
    for key, value in (_options(settings, jars) | settings.spark_options).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _options(settings: Settings, jars: Sequence[str]) -> dict[str, str]:
    local = settings.spark_master.startswith("local")
    return {
        "spark.jars": "" if local else ",".join(jars),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.scheduler.mode": "FAIR",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": JVM,
        "spark.sql.shuffle.partitions": str(settings.spark_partitions),
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        "spark.sql.execution.arrow.maxBytesPerBatch": "8m",
        "spark.sql.streaming.stateStore.providerClass": ROCKSDB,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.sql.streaming.metricsEnabled": "false",
        "spark.sql.streaming.numRecentProgressUpdates": "20",
        "spark.sql.streaming.stopTimeout": "8s",
        "spark.sql.streaming.minBatchesToRetain": "20",
        "spark.python.worker.reuse": "true",
        "spark.cleaner.periodicGC.interval": "10min",
        "spark.hadoop.fs.permissions.umask-mode": "077",  # it sets modes of its own, whatever the process' umask is
    }


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's name and how it is started (again)."""

    name: str
    start: Callable[[], StreamingQuery]
    warms_up: bool = False
    """Its first batch is slow and comes soon, since the log ticks: it is not ready before that is written."""


def keep_running(
    streams: Sequence[Stream], stopping: Event, started: Event | None = None, clean_stop_s: float = 15.0
) -> None:
    """Starts the streams, starts again what fails (after 1 s, doubling to 30 s), and returns when told to stop.

    A `Mistake` is not tried again: it is raised. A stop waits a while for the batches under way, then breaks them off:
    they come again.
    """
    running: dict[str, StreamingQuery] = {}
    waits = {stream.name: (0.0, 1.0) for stream in streams}
    warm_by = None
    try:
        while not stopping.is_set():
            for stream in streams:
                if not stopping.is_set():
                    _keep(stream, running, waits)
            if started is not None and not started.is_set() and len(running) == len(streams):
                warm_by = warm_by or monotonic() + WARM_S
                cold = any(running[stream.name].lastProgress is None for stream in streams if stream.warms_up)
                if not cold or monotonic() > warm_by:
                    started.set()
            stopping.wait(0.5)
    finally:
        stopping.set()
        _stop_all(running, monotonic() + clean_stop_s)


def _stop_all(running: dict[str, StreamingQuery], deadline: float) -> None:
    """Stops each stream between two batches if one ends in time, all at once."""

    def stop(name: str, query: StreamingQuery) -> None:
        between = Event()
        while _busy(query) and monotonic() < deadline:
            between.wait(0.05)
        _stopped(name, query)

    threads = [Thread(target=stop, args=one, daemon=True) for one in running.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, deadline + 10 - monotonic()))


def _keep(stream: Stream, running: dict[str, StreamingQuery], waits: dict[str, tuple[float, float]]) -> None:
    query = running.get(stream.name)
    if query is not None and query.isActive:
        return
    if query is not None:
        log.warning("stream %s stopped: %s", stream.name, _why(query.exception()))
        running.pop(stream.name)
    since, wait_s = waits[stream.name]
    if query is not None:
        waits[stream.name] = (monotonic() + wait_s, min(30.0, wait_s * 2))
        return
    if monotonic() < since:
        return
    try:
        running[stream.name] = stream.start()
        log.info("stream %s runs", stream.name)
    except (PySparkException, Py4JError, OSError) as error:
        log.warning("stream %s did not start: %s", stream.name, str(error).split("\n", 1)[0])
        waits[stream.name] = (monotonic() + wait_s, min(30.0, wait_s * 2))


def _why(problem: Exception | None) -> str:
    """What stopped a stream, in a line; of records that left the log unread, where they were and how to go on."""
    text = str(problem or "") or "no reason"
    if lost := _LOST.search(text):
        first, end, topic, partition = lost.groups()
        return (
            f"{topic} partition {partition} has lost records among offsets {first} to {int(end) - 1} before they were "
            "read: QOESCOPE_SKIP_LOST_RECORDS=true goes on without them and books them as lost"
        )
    lines = text.splitlines()
    return next((line for line in reversed(lines) if line.startswith("Caused by: ")), lines[0])


_LOST = re.compile(r"records in offset \[(\d+), (\d+)\) for topic partition (\S+)-(\d+)")
"""How Spark says it: the offsets of the batch that found some gone, from the first one that is."""


def _busy(query: StreamingQuery) -> bool:
    try:
        return query.isActive and bool(query.status["isTriggerActive"])
    except (Py4JError, OSError):  # the JVM went first
        return False


def _stopped(name: str, query: StreamingQuery) -> None:
    try:
        query.stop()
    except (PySparkException, Py4JError, OSError) as error:
        log.warning("stream %s did not stop cleanly: %s", name, str(error).split("\n", 1)[0])
