"""Registry: every source, by the name that commands and jobs know it by.

The collector alone does not come here: it reads CMCD a request at a time, and must start without the engines that map
whole tables.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Generic, TypeVar

import pyarrow as pa

from qoescope.catalog.cmcd import Rules
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.sources.cdn_logs import (
    akamai,
    cloudfront_json,
    cloudfront_realtime,
    fastly,
    json_lines,
    nginx,
    varnish,
    w3c,
)
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
    with_layout: Callable[[str], Parser] | None = None
    """What makes the parser of another layout, where users choose the fields."""

    def sample_bytes(self) -> bytes:
        """The sample."""
        return files("qoescope.sources").joinpath(self.sample).read_bytes()


RecordsParser = Callable[[pa.Table, Mapping[str, Rules] | None], Mapped]
CsvParser = Callable[[Iterable[str], str, int], CsvSessions]

CMCD: Source[RecordsParser] = Source("cmcd", "reports of players that speak CMCD", map_records, "cmcd/sample.cmcd")
CSV: Source[CsvParser] = Source("csv", "the data set's CSV, a row a session", csv_sessions, "csv/sample.csv")
CDN_LOGS: tuple[Source[LogParser], ...] = (
    Source("json", "a JSON object a line: at, url, status, headers", json_lines.parse, "cdn_logs/json.sample"),
    Source("w3c", "W3C extended log, as CloudFront writes it", w3c.parse, "cdn_logs/w3c.sample"),
    Source(
        "cloudfront-json",
        "CloudFront's standard logs (version 2) as JSON",
        cloudfront_json.parse,
        "cdn_logs/cloudfront_json.sample",
    ),
    Source(
        "cloudfront-realtime",
        "CloudFront's real-time logs; --layout names their fields",
        cloudfront_realtime.parse,
        "cdn_logs/cloudfront_realtime.sample",
        cloudfront_realtime.with_layout,
    ),
    Source("akamai", "Akamai DataStream 2 as JSON", akamai.parse, "cdn_logs/akamai.sample"),
    Source(
        "akamai-structured",
        "Akamai DataStream 2, structured; --layout names its fields",
        akamai.parse_structured,
        "cdn_logs/akamai_structured.sample",
        akamai.with_layout,
    ),
    Source("fastly", "Fastly's JSON", fastly.parse, "cdn_logs/fastly.sample"),
    Source(
        "nginx",
        "access log of nginx; --layout is its log_format",
        nginx.parse,
        "cdn_logs/nginx.sample",
        nginx.with_layout,
    ),
    Source(
        "varnish",
        "access log of Varnish or Apache; --layout is its format",
        varnish.parse,
        "cdn_logs/varnish.sample",
        varnish.with_layout,
    ),
)
"""Formats of CDN logs, the default one first."""
SOURCES: tuple[Source[Any], ...] = (CMCD, CSV, *CDN_LOGS)


def cdn_log(name: str, layout: str = "") -> Source[LogParser]:
    """The CDN-log format of this name, in a layout of the user's if there is one.

    Raises `UnknownName` for another name, and `Mistake` for a layout that cannot be read.
    """
    by_name = {source.name: source for source in CDN_LOGS}
    if name not in by_name:
        raise UnknownName("log format", name, by_name)
    source = by_name[name]
    if not layout:
        return source
    if source.with_layout is None:
        others = ", ".join(other.name for other in CDN_LOGS if other.with_layout)
        raise Mistake(f"the format {name} has no layout to choose; these have: {others}")
    return replace(source, parse=source.with_layout(layout))
