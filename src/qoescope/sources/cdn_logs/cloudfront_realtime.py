"""CloudFront's real-time logs: fields between tabs, without names; which ones is configured, their order is not."""

from qoescope.sources.cdn_logs import cloudfront
from qoescope.sources.cdn_logs.layouts import field_names, fields_of
from qoescope.sources.cdn_logs.requests import LoggedRequest, LogParser, by_line

ALL_FIELDS = " ".join((
    "timestamp c-ip time-to-first-byte sc-status sc-bytes cs-method cs-protocol cs-host cs-uri-stem cs-bytes",
    "x-edge-location x-edge-request-id x-host-header time-taken cs-protocol-version c-ip-version cs-user-agent",
    "cs-referer cs-cookie cs-uri-query x-edge-response-result-type x-forwarded-for ssl-protocol ssl-cipher",
    "x-edge-result-type fle-encrypted-fields fle-status sc-content-type sc-content-len sc-range-start sc-range-end",
    "c-port x-edge-detailed-result-type c-country cs-accept-encoding cs-accept cache-behavior-path-pattern cs-headers",
    "cs-header-names cs-headers-count primary-distribution-id primary-distribution-dns-name origin-fbl origin-lbl asn",
    *cloudfront.CMCD_FIELDS,
    "r-host sr-reason x-edge-mqcs",
))  # fmt: skip
"""All fields, in the order in which CloudFront writes those that are chosen."""


def with_layout(layout: str) -> LogParser:
    """The parser of logs with these fields, named in their order; raises `Mistake` where they tell no time or URL."""
    names = field_names(layout, needed=(("timestamp",), ("cs-uri-stem",)))

    def parse_line(line: bytes) -> LoggedRequest:
        return cloudfront.request_of(fields_of(names, line, "\t"))

    return by_line(parse_line)


parse = with_layout(ALL_FIELDS)
