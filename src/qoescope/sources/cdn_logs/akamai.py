"""Akamai DataStream 2: JSON, an object a line; or structured, fields between spaces in an order that is configured."""

import re
from collections.abc import Mapping

from qoescope.sources.cdn_logs.layouts import field_names, fields_of
from qoescope.sources.cdn_logs.requests import (
    LoggedRequest,
    LogParser,
    by_line,
    first,
    logged_request,
    object_of,
    time_of,
    url_of,
)

STRUCTURED = (
    "version streamId cp reqId reqTimeSec bytes cliIP statusCode proto reqHost reqMethod reqPath reqPort rspContentLen "
    "rspContentType UA queryStr cookie country asn cmcd"
)
"""The fields of structured logs unless a layout names others."""
PREFIX = re.compile(r"^//[\d.]+@\w+/")
"""Before the record in the field of CMCD."""


def request_of(fields: Mapping[str, object]) -> LoggedRequest:
    """The request of a line's fields; raises `ValueError` where they tell no time."""
    named = {name.lower(): value for name, value in fields.items()}
    record, cookie = first(named, "cmcd"), first(named, "cookie")
    return logged_request(
        time_of(first(named, "reqtimesec")),
        url_of(first(named, "reqhost"), first(named, "reqpath"), first(named, "querystr")),
        first(named, "statuscode"),
        first(named, "ua"),
        {"cookie": cookie} if cookie else None,
        record=PREFIX.sub("", record) if isinstance(record, str) else None,
        context={"cdn": "akamai", "country_code": first(named, "country"), "asn": first(named, "asn")},
    )


def parse_line(line: bytes) -> LoggedRequest:
    """The request of a line of JSON; raises `ValueError` for what is none."""
    return request_of(object_of(line))


def with_layout(layout: str) -> LogParser:
    """The parser of structured logs with these fields, named in their order; raises `Mistake` for a lack of some."""
    names = field_names(layout, needed=(("reqtimesec",), ("reqpath",)))

    def parse_structured(line: bytes) -> LoggedRequest:
        return request_of(fields_of(names, line, " "))

    return by_line(parse_structured)


parse = by_line(parse_line)
parse_structured = with_layout(STRUCTURED)
