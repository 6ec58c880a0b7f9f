"""CMCD readings: what a record means, tolerant of how players write it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from qoescope.catalog.cmcd import CUSTOM_LIMIT, KEYS, SESSION_ID_LIMIT, Key
from qoescope.sources.cmcd import structured_fields
from qoescope.sources.cmcd.codec import VERSIONS, counted_name, counted_names, rounded, tag
from qoescope.sources.cmcd.salvage import salvage
from qoescope.sources.cmcd.structured_fields import Value

Mode = Literal["event", "request"]
"""Event: a report of its own. Request: said on a media request."""

SERIOUS = ("v", "av", "", "a")
"""Types of object in the order in which a list's values are taken; "" is untagged."""


@dataclass(slots=True)
class RecordReading:
    """What one record says, by type of value; unknown keys and what could not be mended are not in it."""

    version: int = 1
    numbers: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    flags: dict[str, bool] = field(default_factory=dict)
    lists: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Values with the type of object that they are about."""
    names: dict[str, list[str]] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)
    rate: float | None = None
    notes: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)
    """One name a value that was left out, as `counted_name` gives it."""

    def drop(self, name: str) -> None:
        """Leaves out a value of the key."""
        self.notes.add("cmcd_dropped")
        self.dropped.append(counted_name(name))

    def one(self, key: str) -> int | None:
        """Of a list the value of video, else of both, else untagged, else of audio."""
        values = self.lists.get(key)
        if not values:
            return None
        if len(values) == 1:
            return values[0][0]
        for wanted in SERIOUS:
            for value, about in values:
                if about == wanted:
                    return value
        return values[0][0]

    @property
    def empty(self) -> bool:
        """Nothing could be read at all."""
        return not (self.numbers or self.texts or self.flags or self.lists or self.names or self.custom)

    @property
    def ignored(self) -> bool:
        """Of a version that is not known."""
        return "cmcd_version" in self.notes


def read(text: str, mode: Mode) -> RecordReading:
    """The record's meaning: strictly if it can be parsed, else of the members that can; never raises."""
    record, at = structured_fields.parsed(text)
    reading = RecordReading()
    if at < len(text):
        reading.notes.add("cmcd_repaired")
        _, record, lost = salvage(text)
        reading.dropped += counted_names(lost)
    reading.version = _version(record, mode, reading)
    if reading.version not in VERSIONS:
        reading.notes.add("cmcd_version")
        reading.dropped = ["v"]
        return reading
    for name, value in record.items():
        key = KEYS.get(name)
        if key is None:
            if "-" in name:
                _take_custom(reading, name, value)
        elif reading.version not in key.versions:
            continue
        elif key.kind == "int" and key.step == 1 and type(value) is int and key.bounds[0] <= value <= key.bounds[1]:
            reading.numbers[name] = value  # nearly all integers, without a call
        elif key.kind == "token" and value in key.tokens:
            reading.texts[name] = value
        else:
            _TAKE[key.kind](reading, key, value)
    if mode == "event":
        _assume(reading)
    return reading


def _version(record: Mapping[str, Value], mode: Mode, reading: RecordReading) -> int:
    """The version that the record speaks; an event report is of version 2 even if it fails to say so."""
    version = record.get("v")
    if isinstance(version, list):
        version = version[0] if version else None
    if isinstance(version, int | float) and not isinstance(version, bool):
        return max(int(version), 1)
    if mode == "event" and ("e" in record or "sta" in record or "ts" in record):
        reading.notes.add("cmcd_version_assumed")
        return 2
    return 1


def _assume(reading: RecordReading) -> None:
    if reading.version > 1:
        if "e" not in reading.texts:
            reading.texts["e"] = "t"
            reading.notes.add("cmcd_event_assumed")
        if "ts" not in reading.numbers:
            reading.notes.add("cmcd_time_assumed")


def _bare(reading: RecordReading, value: Value) -> Value:
    """The value without parameters; of a list, the first."""
    if isinstance(value, list):
        reading.notes.add("cmcd_mended")
        value = value[0] if value else ""
    return _bare(reading, value["value"]) if isinstance(value, dict) else value


def _integer(reading: RecordReading, key: Key, value: Value) -> int | None:
    """A whole number that the key can mean; None, and noted, if it is none."""
    least, greatest = key.bounds
    if type(value) is int and least <= value <= greatest:
        number = value
    elif type(value) is float and least <= value <= greatest:
        number = rounded(value)
        reading.notes.add("cmcd_mended")
    else:
        reading.drop(key.name)
        return None
    if key.step > 1 and number % key.step:
        reading.notes.add("cmcd_unrounded")
    return number


def _take_int(reading: RecordReading, key: Key, value: Value) -> None:
    number = _integer(reading, key, value if type(value) is int else _bare(reading, value))
    if number is not None:
        reading.numbers[key.name] = number


def _take_decimal(reading: RecordReading, key: Key, value: Value) -> None:
    bare = _bare(reading, value)
    least, greatest = key.bounds
    if isinstance(bare, bool) or not isinstance(bare, int | float) or not least <= bare <= greatest:
        reading.drop(key.name)
    else:
        reading.rate = float(bare)


def _take_bool(reading: RecordReading, key: Key, value: Value) -> None:
    bare = value if type(value) is bool else _bare(reading, value)
    if isinstance(bare, bool):
        reading.flags[key.name] = bare
    else:
        reading.drop(key.name)


def _take_token(reading: RecordReading, key: Key, value: Value) -> None:
    bare = value if type(value) is str else _bare(reading, value)
    if not isinstance(bare, str):
        reading.drop(key.name)
    elif bare in key.tokens:
        reading.texts[key.name] = bare
    else:
        reading.dropped.append(key.name)  # of a newer edition, perhaps: counted, and nothing to note


def _word(reading: RecordReading, name: str, value: Value) -> str | None:
    """Text; a number's own if it is one."""
    if type(value) is str:
        return value
    bare = _bare(reading, value)
    if isinstance(bare, str):
        return bare
    if isinstance(bare, bool) or not isinstance(bare, int | float):
        reading.drop(name)
        return None
    reading.notes.add("cmcd_mended")
    return str(bare)


def _take_string(reading: RecordReading, key: Key, value: Value) -> None:
    word = _word(reading, key.name, value)
    if word is None:
        return
    limit = SESSION_ID_LIMIT if key.name == "sid" else key.limit_v1 if reading.version == 1 else key.limit
    if limit and len(word) > limit:
        word = word[:limit]
        reading.notes.add("cmcd_cut")
    reading.texts[key.name] = word


def _take_ints(reading: RecordReading, key: Key, value: Value) -> None:
    items = value["value"] if isinstance(value, dict) and isinstance(value.get("value"), list) else value
    if not isinstance(items, list):
        if reading.version > 1:
            reading.notes.add("cmcd_mended")
        items = [items]
    elif reading.version == 1:
        reading.notes.add("cmcd_mended")
    taken = []
    for item in items:
        if isinstance(item, dict):
            number = _integer(reading, key, item.get("value", ""))
            about = tag(item)
        else:
            number, about = _integer(reading, key, item), ""
        if number is not None:
            taken.append((number, about))
    if taken:
        reading.lists[key.name] = taken


def _take_strings(reading: RecordReading, key: Key, value: Value) -> None:
    items = value["value"] if isinstance(value, dict) and isinstance(value.get("value"), list) else value
    if not isinstance(items, list):
        if reading.version > 1:
            reading.notes.add("cmcd_mended")
        items = [items]
    words = [word for item in items if (word := _word(reading, key.name, item)) is not None]
    if words:
        reading.names[key.name] = words


def _take_custom(reading: RecordReading, name: str, value: Value) -> None:
    word = _word(reading, name, value)
    if word is not None:
        if len(word) > CUSTOM_LIMIT:
            reading.notes.add("cmcd_cut")
        reading.custom[name] = word[:CUSTOM_LIMIT]


_TAKE = {
    "int": _take_int,
    "decimal": _take_decimal,
    "bool": _take_bool,
    "string": _take_string,
    "token": _take_token,
    "ints": _take_ints,
    "strings": _take_strings,
}
