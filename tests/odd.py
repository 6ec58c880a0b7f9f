"""Odd values: what players, databases, languages and mistakes write where something else was meant."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

NUMBERS = (
    -1,
    0,
    1,
    7,
    1.5,
    -0.0,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**31),
    -(2**53),
    -(2**63),
    10**30,
    1e308,
    -1e308,
    5e-324,
    1_000_000,
    86_400_000,
    2_592_000_000,
    253_402_300_800_000,
)
TEXTS = (
    "",
    "0",
    "-1",
    "NaN",
    "null",
    "undefined",
    "a" * 5_000,
    "\u2028",
    "line\nbreak",
    "\0",
    "\ud83d",
    "\U0001f600",
    "<script>",
    "'; drop table sessions; --",
    "=cmd()",
    "../../etc/passwd",
    "é" * 300,
    "\x7f\x85",
    "2025-11-01T00:00:00Z",
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in the value something could be replaced."""
    yield here
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*here, name))


def replaced(value: Any, place: tuple[Any, ...], by: object) -> Any:
    """A copy with something else in that place."""
    if not place:
        return by
    made = copy.deepcopy(value)
    inner = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = by
    return made


@st.composite
def spoiled(draw: st.DrawFn, good: Any) -> Any:
    """The value with something odd in up to three places."""
    made = good
    for _ in range(draw(st.integers(0, 3))):
        made = replaced(made, draw(st.sampled_from(list(places(made)))), draw(JSON))
    return made


@dataclass(frozen=True, slots=True)
class Poison:
    """Something odd on its way in: a body for a path of the door, or a record for the log where there is none."""

    path: str
    body: bytes


def odd(random: Random, depth: int = 0) -> Any:
    """Any JSON, of sentinels for the most part."""
    kind = random.randrange(10 if depth < 3 else 7)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 6:
        return random.choice(TEXTS)
    if kind == 6:
        return random.choice([None, True, False])
    if kind == 7:
        return [odd(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice([*TEXTS, "seq", "at"])[:9]: odd(random, depth + 1) for _ in range(random.randrange(4))}


def poisons(random: Random, count: int, property_id: str, now: int) -> Iterator[Poison]:
    """So many poisons of all kinds, through every entrance."""
    for number in range(count):
        event = {
            "seq": 1,
            "at": now,
            "type": "heartbeat",
            "state": "playing",
            "state_ms": 900,
            "bitrate_kbps": 4500,
            "width": 1280,
            "height": 720,
            "player_width": 640,
            "player_height": 360,
            "dropped_frames": 3,
        }
        session = {"session_id": f"poison-{number}", "started_at": now, "content_duration_ms": 600_000}
        beacon: dict[str, Any] = {"session": session, "events": [event, event | {"seq": 2}], "sent_at": now}
        counts = {"received": 2, "accepted": 2, "duplicate": 0, "invalid": 0, "filtered": 0}
        record = {"property": property_id, "received_at": now, "counts": counts, **beacon}
        report = {"e": "ps", "sta": "p", "ts": now, "v": 2, "sn": number, "br": 3000, "d": 4000, "ot": "v"}
        match number % 5:
            case 0 | 1:
                body = json.dumps(_spoiled(random, beacon)).encode()
                yield Poison("/v1/beacons", random.choice([body, body[: random.randrange(len(body))], body + body]))
            case 2:
                yield Poison("", json.dumps(_spoiled(random, record)).encode())
            case 3:
                yield Poison("", random.choice([random.randbytes(99), json.dumps(odd(random)).encode()]))
            case _:
                numbers = {key: random.choice(NUMBERS) for key in random.choices(CMCD_NUMBERS, k=3)}
                said = ",".join(f"{key}={value}" for key, value in (report | numbers).items())
                yield Poison("/v1/cmcd", f'{said},sid="poison-{number}"'.encode())


CMCD_NUMBERS = ("br", "d", "msd", "ts", "sn", "bsa", "bsd", "bsda", "dfa", "pt", "ltc", "ttfb", "rc", "mtp", "bl", "pr")


def _spoiled(random: Random, good: Any) -> Any:
    made = good
    for _ in range(random.randrange(1, 4)):
        made = replaced(made, random.choice(list(places(made))), odd(random))
    return made
