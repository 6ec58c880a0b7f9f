"""Bodies and headers of the collector's answers."""

import uuid
from collections.abc import Sequence

import msgspec

from qoescope.compile import wire
from qoescope.ingest.bodies import Refused
from qoescope.ingest.judge import JudgedBeacon

Header = tuple[str, str]
JSON = ("content-type", "application/json")
NO_STORE = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
PREFLIGHT = (
    ("access-control-allow-methods", "GET, POST, OPTIONS"),
    (
        "access-control-allow-headers",
        "Authorization, Content-Type, Content-Encoding, CMCD-Request, CMCD-Object, CMCD-Status, CMCD-Session",
    ),
    ("access-control-max-age", "86400"),
)
RETRY_S = 5
UNAUTHORIZED = 401
_ENCODE = msgspec.json.Encoder().encode
_PLAIN = [JSON, *NO_STORE]


def beacon_answer(judged: JudgedBeacon) -> bytes:
    """The JSON answer to one beacon: counts, and a verdict on each event that was not accepted."""
    c = judged.counts
    if not judged.verdicts:
        text = b'{"received":%d,"accepted":%d,"duplicate":0,"invalid":0,"filtered":0,"results":[]}'
        return text % (c.received, c.accepted)
    return _ENCODE(wire.Answer(c.received, c.accepted, c.duplicate, c.invalid, c.filtered, judged.verdicts))


def batch_answer(judged: Sequence[JudgedBeacon]) -> bytes:
    """The JSON answer to several beacons in one body: their counts added up, and all verdicts."""
    results = []
    for place, one in enumerate(judged):
        for verdict in one.verdicts:
            verdict.beacon = place
            results.append(verdict)
    total = {name: sum(getattr(one.counts, name) for one in judged) for name in wire.Counts.__struct_fields__}
    return _ENCODE(wire.Answer(**total, results=results))


def refusal_body(refused: Refused) -> bytes:
    """The JSON answer to a refused request: the reason, and an id to quote when asking about it."""
    return _ENCODE(wire.Refusal(refused.error, uuid.uuid4().hex))


def headers(origin: str | None) -> list[Header]:
    """The headers of every answer of a write endpoint; `origin` is the page's origin that may read it."""
    if origin is None:
        return _PLAIN
    return [*_PLAIN, ("access-control-allow-origin", origin), ("vary", "Origin")]


def refusal_headers(refused: Refused, origin: str | None) -> list[Header]:
    """The headers of a refusal: also Retry-After, WWW-Authenticate and Allow where they apply."""
    more = []
    if refused.retry_after_s is not None:
        more.append(("retry-after", str(refused.retry_after_s)))
    if refused.status == UNAUTHORIZED:
        more.append(("www-authenticate", "Bearer"))
    if refused.allow is not None:
        more.append(("allow", refused.allow))
    return [*headers(origin), *more]


def unavailable(why: str) -> Refused:
    """A 503 with Retry-After: the sender keeps what it has and sends it again."""
    return Refused(503, f"{why}: send it again", retry_after_s=RETRY_S)
