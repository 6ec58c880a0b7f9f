"""The wire format as a page for developers of players, generated from the catalog and the wire's types."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.doors import FILTER_REASONS, LONGEST_ID, LONGEST_TEXT
from qoescope.catalog.errors import OUTCOMES
from qoescope.catalog.events import EVENT_FIELDS, EVENT_TYPES, LONGEST_INTERVAL_MS, STATES, TRANSITIONS, WATCHED_STATES
from qoescope.catalog.schema import Field
from qoescope.compile import wire
from qoescope.compile.glossary import code, section, table

EXAMPLE = {
    "session": {
        "session_id": "6f1c2f0e-5a52-4c62-9d0f-3f4f8c1b7a10",
        "viewer_id": "user_343299",
        "started_at": 1762000000000,
        "device_type": "smart_tv",
        "app_version": "v16.2.1",
        "content_id": "content_42",
        "content_duration_ms": 5400000,
    },
    "events": [
        {"seq": 1, "at": 1762000000000, "type": "playback_request", "state": "idle", "state_ms": 0},
        {"seq": 2, "at": 1762000001200, "type": "playback_start", "state": "starting", "state_ms": 1200},
        {
            "seq": 3,
            "at": 1762000009410,
            "type": "playback_stall",
            "state": "playing",
            "state_ms": 8210,
            "bitrate_kbps": 4500,
            "playhead_ms": 8210,
        },
    ],
    "sent_at": 1762000009500,
}
"""A beacon that the door accepts."""

HEAD = f"""# Events

What a player says, and how. This page is generated from `src/qoescope/catalog/`: `make golden` writes it, a test
compares it. The collector describes itself in OpenAPI at `/v1/openapi.json`; it serves a client for browsers at
`/v1/qoescope.js` and a page that uses it at `/demo`. Servers have a [client in Python](sending.md).

## A beacon

`POST /v1/beacons` takes one request's worth of events of one session, as JSON, plain or packed by
gzip, deflate, zstd or br. Several beacons, as a JSON array or one a line, go in one body too. The write key travels
as `Authorization: Bearer qw_…`, or as `?key=qw_…` where no header can be set (`sendBeacon`); it decides the property.

```json
{json.dumps(EXAMPLE, indent=1)}
```

- An event says **which player state just ended and how long it lasted**, by the player's own monotonic clock. So stall
  time is a sum over events, whatever their order, however wrong the device's wall clock.
- `(property, session_id, seq)` is an event's identity. Send again whatever was not answered: repeats are counted and
  dropped. A gap in `seq` is a lost event: it is counted, never guessed.
- `at` and `started_at` are milliseconds since the epoch. `at` places live numbers in their window; nothing is ordered
  by it.
- `sent_at` is when the beacon leaves, by the same clock. Where it is more than a minute from its arrival, the clock is
  wrong: all times are moved by the difference and marked `clock_adjusted`; `sent_at` is kept as it was sent. Without
  it, a time in the future, or more than 7 days ago, is taken for a wrong clock's and becomes the arrival. An event
  that was kept back is late by its `at`, as long as its beacon says when it was sent.
- **One bad field is not a bad event.** An optional value of a wrong kind or beyond its limits is unknown, and counted
  in `unknown_fields`; only `seq`, `type`, `state`, `state_ms` and `session_id` can make an event invalid. A number
  without a fraction may be written with one (`10000.0`). A length beyond 24 days is what players say of
  live, and means that.
- Texts are mended: half an emoji, bytes that are no UTF-8, control characters and line separators are replaced.
- Send a heartbeat every 10 s while playing. A watched interval above {LONGEST_INTERVAL_MS // 60_000} minutes is a
  sleeping device: it is kept as `discarded_ms` and adds to nothing else.
- `viewer_id` becomes a pseudonym at the door; what was sent is stored nowhere.
- What is absent takes its default or is unknown. Fields that the collector does not know are ignored.
- Texts are cut at {LONGEST_TEXT} characters; a `session_id` has at most {LONGEST_ID}."""


def events() -> str:
    """The page, in Markdown."""
    _, schemas = wire.json_schemas()
    sections = (HEAD, _states(), _types(), _fields(schemas), _answers())
    return "\n\n".join(sections) + "\n"


def _states() -> str:
    rows = [(code(name), "yes" if name in WATCHED_STATES else "no", doc) for name, doc in STATES.items()]
    moves = [(code(before), code(kind), code(after)) for (before, kind), after in TRANSITIONS.items()]
    return section(
        "## States",
        "The player is in exactly one of them at any moment. Watched time is the sum of the watched ones.",
        table(("state", "watched", "the player"), rows),
        "### From state to state",
        "Any other event leaves the state as it is; `playback_finish` and `playback_fail` close the session. A "
        "`playback_request` out of a pause during startup goes back to `starting`.",
        table(("in state", "event", "goes to"), moves),
    )


def _types() -> str:
    return "## Event types\n\n" + table(("type", "says"), [(code(name), doc) for name, doc in EVENT_TYPES.items()])


def _fields(schemas: dict[str, Any]) -> str:
    head = ("field", "type and limits", "when absent", "what it says")
    return section(
        "## An event's fields",
        table(head, _rows(EVENT_FIELDS, schemas["Event"])),
        "## The session's fields",
        "Once a beacon. Of several beacons, the one with the session's first event counts.",
        table(head, _rows(CONTEXT_FIELDS, schemas["Session"])),
    )


def _rows(fields: Iterable[Field], schema: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(code(f.name), type_said(schema["properties"][f.name]), _absent(f), f.doc) for f in fields]


def _absent(f: Field) -> str:
    if not f.nullable:
        return "**required**"
    return "unknown" if f.default is None else code(json.dumps(f.default))


def type_said(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type and limits in words; named types as links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(said for part in schema["anyOf"] if (said := type_said(part)) != "null")
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"] if value is not None)
    if schema.get("type") == "array":
        most = f"at most {schema['maxItems']}" if "maxItems" in schema else "a list"
        return f"{most} of: {type_said(schema['items'])}"
    if "minimum" in schema or "maximum" in schema:
        return f"{schema['type']}, {_bound(schema['minimum'])} to {_bound(schema['maximum'])}"
    return str(schema.get("type", "any")) + (
        f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    )


def _bound(value: int) -> str:
    exponent = abs(value).bit_length() - 1
    if abs(value) >= 1 << 32 and abs(value) == 1 << exponent:
        return f"{'-' if value < 0 else ''}2^{exponent}"
    return f"{value:,}"


def _answers() -> str:
    head = ("status", "means", "what to do")
    statuses = (
        ("200", "Kafka has all that was accepted; each other event has its verdict", "forget the beacon"),
        ("400, 413, 415", "the body as a whole cannot be taken", "do not send it again: it is kept as a dead letter"),
        ("401, 403", "no key, an unknown or revoked one, or a page that may not write", "stop until the key is right"),
        ("408", "the body took too long", "send it again"),
        ("410", "CMCD only: the key was revoked, or the property takes no CMCD", "stop sending"),
        ("429", "over the key's budget", "send it again after `Retry-After`"),
        ("503", "Kafka does not acknowledge, or too much is in flight", "send it again after `Retry-After`"),
    )
    return section(
        "## Answers",
        table(head, statuses),
        "Every event has one outcome; the verdict on each that was not accepted "
        "says its `index` in its beacon, and of a body of several the `beacon`'s place in it:",
        table(("outcome", "means"), [(code(name), doc) for name, doc in OUTCOMES.items()]),
        "Why an event is filtered:",
        table(("reason", "means"), [(code(name), doc) for name, doc in FILTER_REASONS.items()]),
        "## CMCD",
        "Players that speak CMCD (CTA-5004 is version 1, CTA-5004-A and B are version 2) may report without "
        "our client: event reports by `POST /v1/cmcd`, one a line, or one a request by `GET /v1/cmcd?CMCD=…`. They are "
        "turned into the same intervals by their order; from there on there is one path.",
        "A session is turned once no report came for as long as a session may be silent, so its events and live "
        "windows come after its end. The books count it twice, as what was sent and as what was made of it: each "
        "report and each event is one received, accepted and in the lake; an event of a session that is turned again "
        "is a duplicate. What its records cannot tell is null; what they tell of delivery is in `cmcd_sessions` and "
        "`cmcd_requests`, also for sessions that tell no states.",
        "One `sid` may hold several presses of play; the second is the session `sid~2`. A press begins with `s` or `d` "
        "once content was shown, with the wait before frames that follow an end, and where the content's `cid` "
        "changes; `cid` inside ads is the ad's and names no session. A fatal error within 60 s of which frames move "
        "again is an error that was survived, and the time between a stall; otherwise it is the failure that ended the "
        "press. A state that only a report in an interval (`e=t`) tells of is put where `msd` and the playhead `pt` "
        "say that it began.",
        "Version 1 travels on media requests: `qoescope cmcd import FILE` takes a CDN's log, plain or gzip, in the "
        "format that `--format` names: `w3c` is a W3C extended log, as CloudFront writes it; `json`, the default, an "
        "object a line: `at` (ISO 8601, the common log's form, or s, ms, µs or ns since the epoch), `url`, "
        "and where known `status`, `user_agent`, `headers`. CMCD is taken from the headers, else from the query, else "
        "from the path; other members are ignored.",
        "A value that its key cannot mean is left out, and the rest of its report stays. It is counted in "
        "`unknown_fields` by property, minute and key, as `cmcd:br`; a status that a log cannot mean as `status`. A "
        "CSV import counts no fields: a row with a value beyond its limits is kept aside whole, with its reason.",
    )
