"""Changes: rows appended to a table in an object store, as a Spark stream.

Spark's own reader of Delta goes through Hadoop, which needs a cloud's whole SDK among the jars: this one goes through
pyarrow and deltalake, as all else that touches the lake.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import ReadLimit
from pyspark.sql.types import StructType

from qoescope.catalog.schema import Table
from qoescope.compile import spark as frames
from qoescope.connect import lake
from qoescope.connect.lake import File
from qoescope.settings import Settings

Place = dict[str, int]
"""How far a stream is: `files` of what `version` added are read; version `begun` added all that was there then."""
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def changes(spark: SparkSession, settings: Settings, table: Table) -> DataFrame:
    """The stream, which begins with the rows that are there; `batch_bytes` of files in one batch, about."""
    name = f"lake_{table.name}"

    class Source(DataSource):
        """Holds the settings, which may know a key: options of Spark would show it."""

        @classmethod
        def name(cls) -> str:
            return name

        def schema(self) -> StructType:
            return frames.schema(table)

        def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: N802 - Spark's
            return Reader(settings, table)

    spark.dataSource.register(Source)
    return spark.readStream.format(name).load()


@dataclass(frozen=True, slots=True)
class Part(InputPartition):
    """Files that one task reads."""

    value: tuple[File, ...]


class Reader(DataSourceStreamReader):
    """Where the stream begins, how far it may go, and the rows in between."""

    def __init__(self, settings: Settings, table: Table) -> None:
        self.settings, self.table = settings, table
        self.most_bytes = int(settings.batch_bytes[:-1]) * UNITS[settings.batch_bytes[-1].lower()]

    def initialOffset(self) -> Place:  # noqa: N802 - Spark's name
        """Before the first file that is there now."""
        version = lake.opened(self.settings, self.table).version()
        return {"begun": version, "version": version, "files": 0}

    def latestOffset(self, start: Place, limit: ReadLimit) -> Place:  # noqa: N802 - Spark's name
        """After as many files as one batch may hold, or after the last one."""
        newest, version, done, size = (
            lake.opened(self.settings, self.table).version(),
            start["version"],
            start["files"],
            0,
        )
        while True:
            for f in self._added(start["begun"], version)[done:]:
                if size >= self.most_bytes:
                    return start | {"version": version, "files": done}
                size, done = size + f.size, done + 1
            if version >= newest:
                return start | {"version": version, "files": done}
            version, done = version + 1, 0

    def partitions(self, start: Place, end: Place) -> Sequence[Part]:
        """Files between the two places, spread over tasks."""
        found: list[File] = []
        for version in range(start["version"], end["version"] + 1):
            first = start["files"] if version == start["version"] else 0
            last = end["files"] if version == end["version"] else None
            found += self._added(end["begun"], version)[first:last]
        tasks = min(self.settings.spark_partitions, len(found))
        return [Part(tuple(found[task::tasks])) for task in range(tasks)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """A task's rows."""
        yield from lake.rows(self.settings, self.table, partition.value).to_batches()

    def _added(self, begun: int, version: int) -> list[File]:
        """Files whose rows are new in this version; none where it changed rows that were there."""
        if version == begun:
            options = self.settings.lake_options or None
            there = DeltaTable(lake.uri(self.settings, self.table), version=version, storage_options=options)
            return sorted(lake.files(there), key=lambda f: f.path)
        store, folder = lake.filesystem(self.settings, self.table)
        with store.open_input_stream(f"{folder}/_delta_log/{version:020d}.json") as log:
            actions = [json.loads(line) for line in log.read().splitlines()]
        if any(action["remove"]["dataChange"] for action in actions if "remove" in action):
            return []
        return [_file(action["add"]) for action in actions if "add" in action and action["add"]["dataChange"]]


def _file(add: dict[str, Any]) -> File:
    parts = add["partitionValues"]
    return File(add["path"], add["size"], 0, parts["session_day"], int(parts["bucket"]))
