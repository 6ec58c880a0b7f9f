"""CloudFront: what its fields tell, however they are written down.

Standard logs as JSON and in W3C's form, and real-time logs, have the same fields; real-time logs spell a header
`cs-user-agent` where the others have `cs(User-Agent)`, and have fields for CMCD.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from qoescope.catalog.cmcd import KEYS
from qoescope.sources.cdn_logs.requests import NOTHING, LoggedRequest, first, logged_request, time_of, url_of

HEADER = "cs("
"""Before the name of a request's header, which ends in a parenthesis."""
CMCD_FIELDS = {
    "cmcd-encoded-bitrate": "br",
    "cmcd-buffer-length": "bl",
    "cmcd-buffer-starvation": "bs",
    "cmcd-content-id": "cid",
    "cmcd-object-duration": "d",
    "cmcd-deadline": "dl",
    "cmcd-measured-throughput": "mtp",
    "cmcd-next-object-request": "nor",
    "cmcd-next-range-request": "nrr",
    "cmcd-object-type": "ot",
    "cmcd-playback-rate": "pr",
    "cmcd-requested-maximum-throughput": "rtp",
    "cmcd-streaming-format": "sf",
    "cmcd-session-id": "sid",
    "cmcd-stream-type": "st",
    "cmcd-startup": "su",
    "cmcd-top-bitrate": "tb",
    "cmcd-version": "v",
}
"""Fields of real-time logs and their keys."""
TRUE = ("true", "1", "?1")


def request_of(fields: Mapping[str, object]) -> LoggedRequest:
    """The request of a line's fields, names in lower case; raises `ValueError` where they tell no time."""
    at = first(fields, "timestamp(ms)", "timestamp", "time")
    if fields.get("date") not in NOTHING:
        at = f"{fields['date']} {fields.get('time', '')}"
    known = {name: value for name, value in fields.items() if value not in NOTHING}
    headers = [[name[len(HEADER) : -1], value] for name, value in known.items() if name.startswith(HEADER)]
    headers += [["cookie", known["cs-cookie"]]] if "cs-cookie" in known else []
    url = first(fields, "cs-uri")
    host = first(fields, "x-host-header", "cs(host)", "cs-host")  # the one that viewers use, before the CDN's own name
    parts = url_of(host, fields.get("cs-uri-stem"), fields.get("cs-uri-query"))
    edge = first(fields, "x-edge-location")
    return logged_request(
        time_of(at),
        url if isinstance(url, str) else parts,
        first(fields, "sc-status"),
        first(fields, "cs(user-agent)", "cs-user-agent"),
        [*headers, *_sent_headers(first(fields, "cs-headers"))],
        record=_record(fields),
        context={
            "cdn": "cloudfront" if edge else None,
            "cdn_pop": edge,
            "country_code": first(fields, "c-country"),
            "asn": first(fields, "asn"),
        },
    )


def _sent_headers(text: object) -> Iterator[list[str]]:
    """All headers of a request, `Name:value` with an escaped line feed between them."""
    for line in unquote(text).splitlines() if isinstance(text, str) else ():
        name, _, value = line.partition(":")
        yield [name.strip(), value.strip()]


def _record(fields: Mapping[str, object]) -> str:
    """The fields of CMCD as one record."""
    members = []
    for field, name in CMCD_FIELDS.items():
        value = first(fields, field)
        if value is None:
            continue
        text, kind = unquote(str(value)).strip('"'), KEYS[name].kind
        if kind == "bool":
            members += [name] if text.lower() in (*TRUE, name) else []
        else:
            members.append(f'{name}="{text}"' if kind in ("string", "strings") else f"{name}={text}")
    return ",".join(members)
