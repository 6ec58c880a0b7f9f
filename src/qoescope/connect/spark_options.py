"""Options of our Spark sessions, and why."""

from collections.abc import Sequence
from pathlib import Path

from qoescope.settings import Settings

ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
JVM = (
    "-Duser.timezone=UTC -Dderby.system.home=/nonexistent -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "
    "-XX:ReservedCodeCacheSize=240m"
)
"""Tasks compute in Python; the JVM plans and moves bytes: a quick start is worth more to it than deep compiling.

A JVM that compiles so keeps 48 MB for code, which streams fill in a minute; then nothing is compiled any more."""


IN_PROCESS = {
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
}
"""Files of checkpoints without a process for the mode of each, which Hadoop starts: more of a core than all the rest
of a small batch. Its executors on other machines have no such class when they begin."""


def archive(settings: Settings) -> Path:
    """The archive of Spark's classes (`spark_archive`); sessions work without it."""
    return settings.jars.resolve() / "spark.jsa"


def _jvm(settings: Settings) -> str:
    classes = archive(settings)
    return f"{JVM} -XX:SharedArchiveFile={classes} -Xshare:auto -Xlog:cds=off" if classes.exists() else JVM


def options(settings: Settings, jars: Sequence[str]) -> dict[str, str]:
    """A session's options, by Spark's own names, from the settings and these jars."""
    local = settings.spark_master.startswith("local")
    return {
        "spark.jars": "" if local else ",".join(jars),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.scheduler.mode": "FAIR",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": _jvm(settings),
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
        "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",  # the file system keeps one of its own
        "spark.python.worker.reuse": "true",
        "spark.cleaner.periodicGC.interval": "10min",
        "spark.hadoop.fs.permissions.umask-mode": "077",  # it sets modes of its own, whatever the process' umask is
        **(IN_PROCESS if local and "://" not in settings.checkpoints else {}),
    }
