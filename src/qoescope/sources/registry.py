"""Registry: every source, by the name that commands and jobs know it by.

The collector alone does not come here: it reads CMCD a request at a time, and must start without the engines that map
whole tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Generic, TextIO, TypeVar

import pyarrow as pa

from qoescope.catalog.cmcd import Rules
from qoescope.catalog.errors import UnknownName
from qoescope.sources.cdn_logs import json_lines, w3c
from qoescope.sources.cdn_logs.requests import LogParser
from qoescope.sources.cmcd.mapping import Mapped, map_records
from qoescope.sources.csv.sessions import CsvSessions, csv_sessions

Parser = TypeVar("Parser")


@dataclass(frozen=True, slots=True)
class Source(Generic[Parser]):
    """One kind of text that others send or write, and what reads it."""

    name: str
    doc: str
    parse: Parser
    """A pure function."""
    sample: str
    """A file of it, beside its parser."""

    def sample_bytes(self) -> bytes:
        """The sample."""
        return files("qoescope.sources").joinpath(self.sample).read_bytes()


RecordsParser = Callable[[pa.Table, Mapping[str, Rules] | None], Mapped]
CsvParser = Callable[[TextIO, str, int], CsvSessions]

CMCD: Source[RecordsParser] = Source("cmcd", "reports of players that speak CMCD", map_records, "cmcd/sample.cmcd")
CSV: Source[CsvParser] = Source("csv", "the data set's CSV, a row a session", csv_sessions, "csv/sample.csv")
CDN_LOGS: tuple[Source[LogParser], ...] = (
    Source("json", "a JSON object a line: at, url, status, headers", json_lines.parse, "cdn_logs/json.sample"),
    Source("w3c", "W3C extended log, as CloudFront writes it", w3c.parse, "cdn_logs/w3c.sample"),
)
"""Formats of CDN logs, the default one first."""
SOURCES: tuple[Source[Any], ...] = (CMCD, CSV, *CDN_LOGS)


def cdn_log(name: str) -> Source[LogParser]:
    """The CDN-log format of this name; raises `UnknownName` if there is none."""
    by_name = {source.name: source for source in CDN_LOGS}
    if name not in by_name:
        raise UnknownName("log format", name, by_name)
    return by_name[name]
