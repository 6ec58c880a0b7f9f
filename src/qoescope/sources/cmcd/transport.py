"""How CMCD travels: in headers, in a query, in a body; written strictly, found leniently."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from qoescope.catalog.cmcd import (
    HEADERS,
    KEYS,
    LONGEST_BODY,
    LONGEST_RECORD,
    MOST_RECORDS,
    VERSION_1_HEADERS,
)
from qoescope.sources.cmcd import codec, structured_fields
from qoescope.sources.cmcd.salvage import decoded, salvage
from qoescope.sources.cmcd.structured_fields import Unsayable, Value


class SentRecord(NamedTuple):
    """One record as it came, percent-decoded: one dictionary; and what was noted on the way."""

    text: str
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """One key a value that had no form and is not in the text."""


class TooLarge(ValueError):
    """Beyond a limit: 413."""


def to_query(record: Mapping[str, Value], version: int) -> str:
    """`CMCD=…`, percent-encoded once, for the URL of a media request."""
    return "CMCD=" + quote(codec.encode_line(record, version), safe=codec.URI_SAFE)


def to_headers(record: Mapping[str, Value], version: int) -> dict[str, str]:
    """`CMCD-Object`, `CMCD-Request`, `CMCD-Status`, `CMCD-Session` of a media request; event keys do not travel so."""
    homes = sorted((home(name, version), name, text) for name, text in codec.members(record, version).items())
    return {
        f"CMCD-{header}": structured_fields.dictionary({name: text for _, name, text in group})
        for header, group in groupby(homes, key=lambda member: member[0])
        if header
    }


def to_body(records: Iterable[Mapping[str, Value]]) -> bytes:
    """Event reports of version 2, one a line, without a line feed at the end."""
    return "\n".join(codec.encode_line(record, 2) for record in records).encode()


def home(name: str, version: int) -> str:
    """The header that a key travels in; empty if in none."""
    key = KEYS.get(name)
    if key is None:
        return "Request"
    return VERSION_1_HEADERS.get(name, key.header) if version == 1 else key.header


def in_headers(headers: Iterable[tuple[str, str]]) -> SentRecord | None:
    """The union of the four headers, in any case; None if there is none of them. Raises `TooLarge`."""
    names = {f"cmcd-{header.lower()}": header for header in HEADERS}
    sent = [(names[name.lower()], value.strip()) for name, value in headers if name.lower() in names]
    if not sent:
        return None
    _short(",".join(value for _, value in sent))
    present = [(header, decoded(value)) for header, value in sent]
    texts, notes, dropped = [], set[str](), list[str]()
    for header, value in present:
        record, at = structured_fields.parsed(value)
        if at < len(value):  # one header's ruin must not swallow the next one's members
            text, record, lost = salvage(value)
            dropped += codec.counted_names(lost)
            notes.add("cmcd_repaired")
        else:
            text = value
        if any(header not in (home(name, 1), home(name, 2)) for name in record if name in KEYS):
            notes.add("cmcd_wrong_header")
        texts.append(text)
    return SentRecord(_short(",".join(text for text in texts if text)), tuple(sorted(notes)), tuple(dropped))


def in_query(query: str) -> SentRecord | None:
    """The record behind `CMCD=`, percent-decoded once, or twice if it was encoded twice; None if there is none."""
    for argument in query.lstrip("?").split("&"):
        name, _, value = argument.partition("=")
        if name == "CMCD":
            return _sent_record(unquote_plus(value))
    return None


def in_request(headers: Iterable[tuple[str, str]], query: str) -> SentRecord | None:
    """The record on a request: any CMCD header makes its query ignored."""
    sent = in_headers(headers)
    return in_query(query) if sent is None else sent


def in_body(body: bytes, media_type: str = "application/cmcd") -> list[SentRecord]:
    """The records of a body, one a line, or JSON objects. Raises `TooLarge`; what cannot be read gives no record."""
    if len(body) > LONGEST_BODY:
        raise TooLarge(f"a body holds at most {LONGEST_BODY} bytes")
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if media_type.partition(";")[0].strip().lower() == "application/json":
        return _in_json(text)
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) > MOST_RECORDS:
        raise TooLarge(f"a body holds at most {MOST_RECORDS} records")
    return [_sent_record(line) for line in lines]


def _in_json(text: str) -> list[SentRecord]:
    """Objects with CMCD keys, or an array of them, as records."""
    try:
        decoded_json = json.loads(text)
    except (ValueError, RecursionError):
        return []
    objects = decoded_json if isinstance(decoded_json, list) else [decoded_json]
    if len(objects) > MOST_RECORDS:
        raise TooLarge(f"a body holds at most {MOST_RECORDS} records")
    return [_object(members) for members in objects if isinstance(members, dict)]


def _object(given: Mapping[str, object]) -> SentRecord:
    """A JSON object as a dictionary; members without a form are left out and noted."""
    members: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    dropped: list[str] = []
    for name, value in given.items():
        if value is None:
            continue
        try:
            members[structured_fields.key(name)] = "" if value is True else structured_fields.value(value)
        except (Unsayable, RecursionError):
            notes = ("cmcd_repaired",)
            dropped += codec.counted_names([name])
    return SentRecord(_short(structured_fields.dictionary(members)), notes, tuple(dropped))


def _sent_record(text: str) -> SentRecord:
    """The text, percent-decoded once more where only that makes it a dictionary."""
    text = _short(text.strip())
    again = decoded(text) if "%" in text else text
    return SentRecord(text) if again == text else SentRecord(again, ("cmcd_encoded_twice",))


def _short(text: str) -> str:
    if len(text) > LONGEST_RECORD:
        raise TooLarge(f"a record holds at most {LONGEST_RECORD} bytes")
    return text
