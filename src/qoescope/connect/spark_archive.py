"""Writes a class-data archive of Spark's classes: a session and its first query start in half the time.

Class data sharing of Java 13 and later (JEP 350). A JVM whose version or class path differs from the archive's
ignores it silently.
"""

import logging
import tempfile
from pathlib import Path

import pyarrow as pa
from pyspark import SparkContext
from pyspark.sql import DataFrame

from qoescope.catalog.errors import Mistake
from qoescope.connect import spark, spark_options
from qoescope.settings import Settings

log = logging.getLogger("qoescope.spark")
BATCHES = 3
EXIT_S = 600.0
"""The JVM writes the file as it ends: 10 s, and minutes on a busy machine."""


def write_archive(settings: Settings) -> Path:
    """Runs a small stream, so that its classes are loaded, and writes the archive, replacing an older one.

    Raises `Mistake` when the JVM wrote none. It ends the process' JVM: call it in a process of its own.
    """
    place = spark_options.archive(settings)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        made = Path(folder, place.name)
        options = {
            "spark.driver.extraJavaOptions": f"{spark_options.JVM} -XX:ArchiveClassesAtExit={made} -Xlog:cds=off"
        }
        _load_classes(settings.model_copy(update={"spark_options": options}), folder)
        if not made.exists():
            raise Mistake(f"Java wrote no {place.name}: streams work without it, and start more slowly")
        made.replace(place)
    return place


def _load_classes(settings: Settings, folder: str) -> None:
    session = spark.open_session(settings)
    reader = session.readStream.format("kafka").option("kafka.bootstrap.servers", "127.0.0.1:9")
    reader.option("subscribe", "none").load()
    ticks = session.readStream.format("rate").option("rowsPerSecond", 100).load()

    def count(batch: DataFrame, _: int) -> None:
        spread = batch.select("value").repartitionById(2, (batch["value"] % 2).cast("int"))
        spread.mapInArrow(lambda parts: parts, "value bigint").collect()
        session.createDataFrame(pa.table({"value": [1, 2, 3]})).count()

    stream = ticks.writeStream.foreachBatch(count).option("checkpointLocation", str(Path(folder, "checkpoint")))
    query = stream.trigger(processingTime="1 second").start()
    while len(query.recentProgress) < BATCHES and not query.awaitTermination(1):
        pass
    query.stop()
    gateway = SparkContext._gateway  # noqa: SLF001  there is no public way to it
    spark.stop(session)
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()  # its JVM ends once nobody holds this
        gateway.proc.wait(EXIT_S)


if __name__ == "__main__":
    write_archive(Settings())
