"""The wire's types say what the catalog declares, and no more."""

import msgspec
import pytest

from qoescope.catalog.dimensions import CONTEXT_FIELDS
from qoescope.catalog.doors import EVENT_BOUNDS, LONGEST_ID, LONGEST_TEXT
from qoescope.catalog.events import EVENT_FIELDS, EVENT_TYPES, STATES
from qoescope.compile import wire

LEAST = {"seq": 1, "at": EVENT_BOUNDS["at"][0], "type": "heartbeat", "state": "playing", "state_ms": 0}


def event(**more: object) -> wire.Event:
    return msgspec.json.decode(msgspec.json.encode({**LEAST, **more}), type=wire.Event)


def test_an_event_has_the_catalogs_fields_in_its_order() -> None:
    assert wire.Event.__struct_fields__ == tuple(f.name for f in EVENT_FIELDS)
    assert wire.Session.__struct_fields__ == tuple(f.name for f in CONTEXT_FIELDS)


def test_what_is_absent_takes_the_catalogs_default() -> None:
    said = msgspec.structs.asdict(event())
    assert {f.name: said[f.name] for f in EVENT_FIELDS if f.nullable} == {
        f.name: f.default for f in EVENT_FIELDS if f.nullable
    }


def test_defaults_are_not_written_so_that_records_stay_small() -> None:
    assert msgspec.json.decode(msgspec.json.encode(event(ad=False, dropped_frames=0, cdn=None))) == LEAST


@pytest.mark.parametrize(("name", "bounds"), EVENT_BOUNDS.items())
def test_numbers_are_held_to_the_catalogs_bounds(name: str, bounds: tuple[int, int]) -> None:
    for inside in bounds:
        assert getattr(event(**{name: inside}), name) == inside
    for outside in (bounds[0] - 1, bounds[1] + 1):
        with pytest.raises(msgspec.ValidationError, match=rf"\$\.{name}"):
            event(**{name: outside})


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_event_type_is_taken(kind: str) -> None:
    assert event(type=kind).type == kind


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_taken(state: str) -> None:
    assert event(state=state).state == state


@pytest.mark.parametrize(
    "wrong",
    [{"type": "play"}, {"state": "buffering"}, {"error_class": "fatal"}, {"reason": "crashed"}, {"colour": "red"}],
)
def test_unknown_words_and_fields_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        event(**wrong)


def test_texts_have_a_longest_length() -> None:
    assert event(error_code="x" * LONGEST_TEXT).error_code == "x" * LONGEST_TEXT
    with pytest.raises(msgspec.ValidationError):
        event(error_code="x" * (LONGEST_TEXT + 1))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"session_id": "x" * (LONGEST_ID + 1)}, wire.Session)


@pytest.mark.parametrize(("sent", "kept"), [(4766, 4766), ("AS4766", "AS4766")])
def test_an_asn_is_a_number_or_a_text(sent: object, kept: object) -> None:
    assert msgspec.convert({"session_id": "s", "asn": sent}, wire.Session).asn == kept


def test_an_adjusted_event_says_so_and_a_plain_one_does_not() -> None:
    adjusted = wire.AdjustedEvent(**LEAST, clock_adjusted=True)
    assert msgspec.json.decode(msgspec.json.encode(adjusted)) == {**LEAST, "clock_adjusted": True}


def test_the_json_schema_lists_each_field_with_its_bounds() -> None:
    _, schemas = wire.json_schemas()
    assert set(schemas["Event"]["properties"]) == {f.name for f in EVENT_FIELDS}
    assert schemas["Event"]["properties"]["state_ms"]["maximum"] == EVENT_BOUNDS["state_ms"][1]
    assert schemas["Session"]["required"] == ["session_id"]
