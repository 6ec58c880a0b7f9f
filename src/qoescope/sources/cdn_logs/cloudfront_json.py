"""CloudFront's standard logs (version 2) as JSON: an object a line, fields by the names of its W3C logs."""

from qoescope.sources.cdn_logs import cloudfront
from qoescope.sources.cdn_logs.requests import LoggedRequest, by_line, object_of


def parse_line(line: bytes) -> LoggedRequest:
    """The line's request; raises `ValueError` for what is none."""
    return cloudfront.request_of({name.lower(): value for name, value in object_of(line).items()})


parse = by_line(parse_line)
