"""Fastly's JSON: an object a line, with the fields of its recipe for logs and any headers of CMCD beside them."""

import re
from collections.abc import Mapping

from qoescope.sources.cdn_logs.requests import (
    LoggedRequest,
    by_line,
    first,
    logged_request,
    object_of,
    time_of,
    url_of,
)

CMCD_HEADER = re.compile(r"cmcd[-_](object|request|status|session)$", re.I)
"""At the end of a field's name: a header's name as people write it there."""
POP = re.compile(r"-([A-Z]{3})$")
"""At the end of a cache's name."""


def request_of(fields: Mapping[str, object]) -> LoggedRequest:
    """The request of a line's fields; raises `ValueError` where they tell no time."""
    headers = [[f"cmcd-{match[1]}", v] for name, v in fields.items() if (match := CMCD_HEADER.search(name))]
    headers += [["cookie", first(fields, "cookie", "request_cookie")]]
    url = first(fields, "url", "request_url", "request")
    if not isinstance(url, str) or url.startswith("/"):
        path, _, query = str(url or "/").partition("?")
        url = url_of(first(fields, "host", "request_host"), path, query)
    server = first(fields, "fastly_server", "server_identity")
    pop = POP.search(server) if isinstance(server, str) else None
    return logged_request(
        time_of(first(fields, "timestamp", "time_start", "time")),
        url,
        first(fields, "response_status", "status"),
        first(fields, "request_user_agent", "user_agent"),
        headers,
        record=first(fields, "cmcd"),
        context={
            "cdn": "fastly",
            "cdn_pop": first(fields, "pop", "datacenter", "server_datacenter") or (pop[1] if pop else None),
            "country_code": first(fields, "geo_country_code", "country_code"),
            "asn": first(fields, "asn", "client_as_number", "geo_asn"),
        },
    )


def parse_line(line: bytes) -> LoggedRequest:
    """The line's request; raises `ValueError` for what is none."""
    return request_of(object_of(line))


parse = by_line(parse_line)
