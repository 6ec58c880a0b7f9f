"""Sessions: one viewer's session as stretches of states, steps of bitrate, and measures with their formulas; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import prod
from typing import Any

from qoescope.catalog.dimensions import DIMENSIONS
from qoescope.catalog.events import EVENT_TYPES
from qoescope.catalog.sessions import DERIVED, OF_RENDITIONS, PICKS, SCORE_PARTS, SUMS

Event = Mapping[str, Any]
_WORD = re.compile(r"\s+")

NOTABLE = (
    "playback_stall",
    "playback_fail",
    "error",
    "cdn_change",
    "seek_start",
    "ad_break_start",
    "playback_pause",
    "rendition_update",
)

OUTCOMES = {
    "played": "played",
    "failed_technical": "failed to start",
    "failed_business": "refused",
    "exited": "left before start",
    "exited_hidden": "left unseen",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time in one state, by the player's own clock from the first event on."""

    state: str
    start_ms: int
    length_ms: int
    bitrate_kbps: int | None
    cdn: str
    hidden: bool


def stretches(events: Sequence[Event]) -> list[Stretch]:
    """What the player did, in order and without gaps: states that follow each other alike become one."""
    found: list[Stretch] = []
    at = 0
    for event in sorted(events, key=lambda e: e["seq"]):
        length = int(event["state_ms"] or 0)
        state = "ad" if event.get("ad") and event["state"] == "playing" else str(event["state"])
        now = Stretch(
            state, at, length, event.get("bitrate_kbps"), str(event.get("event_cdn") or ""), bool(event.get("hidden"))
        )
        at += length
        if not length:
            continue
        last = found[-1] if found else None
        same = last and (last.state, last.bitrate_kbps, last.cdn, last.hidden) == (
            now.state,
            now.bitrate_kbps,
            now.cdn,
            now.hidden,
        )
        if last and same:
            found[-1] = Stretch(
                last.state, last.start_ms, last.length_ms + length, last.bitrate_kbps, last.cdn, last.hidden
            )
        else:
            found.append(now)
    return found


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when, what, and how to say it."""

    at_ms: int
    type: str
    text: str


def moments(events: Sequence[Event]) -> list[Moment]:
    """What is worth a mark on the state bar."""
    found, at = [], 0
    for event in sorted(events, key=lambda e: e["seq"]):
        at += int(event["state_ms"] or 0)
        if event["type"] in NOTABLE:
            found.append(Moment(at, event["type"], _event_text(event)))
    return found


def _event_text(event: Event) -> str:
    match event["type"]:
        case "error" | "playback_fail":
            return f"{EVENT_TYPES[event['type']]}: {event.get('error_code') or 'no code'}"
        case "cdn_change":
            return f"CDN {event.get('event_cdn') or '?'} → {event.get('next_cdn') or '?'}"
        case "rendition_update":
            return f"{event.get('bitrate_kbps') or '?'} → {event.get('next_bitrate_kbps') or '?'} kbps"
        case kind:
            return EVENT_TYPES.get(kind, str(kind))


def gaps(events: Sequence[Event]) -> list[tuple[int, int]]:
    """Missing events: each as (first, last) sequence number."""
    missing, expected = [], 1
    for seq in sorted({int(e["seq"]) for e in events}):
        if seq > expected:
            missing.append((expected, seq - 1))
        expected = seq + 1
    return missing


def losses(row: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Parts of a play's experience score: (name, the part, points that the score would gain were the part 100).

    Those that would raise it most come first; parts that are not known are left out. Nothing for a start that was not.
    """
    if row["start_outcome"] != "played":
        return []
    known = {name: float(row[name]) for name in SCORE_PARTS if row[name] is not None}
    score = 100 * prod(part / 100 for part in known.values())
    gains = {name: 100 * prod(p / 100 for n, p in known.items() if n != name) - score for name in known}
    return sorted(((name, part, gains[name]) for name, part in known.items()), key=lambda found: -found[2])


def outcome(row: Mapping[str, Any]) -> str:
    """How the session began and ended, in words."""
    if row["start_outcome"] != "played":
        return OUTCOMES.get(row["start_outcome"] or "", "no attempt")
    return f"{row['close_reason'].replace('_', ' ')}" + (
        f" ({row['error_code']})" if row["close_reason"] == "failed" and row["error_code"] else ""
    )


def formulas() -> dict[str, str]:
    """How each measure of a session is made, by name."""
    sums = {s.name: f"sum of {s.of}" + (f" where {s.where}" if s.where else "") for s in (*SUMS, *OF_RENDITIONS)}
    derived = {d.name: _WORD.sub(" ", d.sql) for d in DERIVED}
    return sums | derived


def meanings() -> dict[str, str]:
    """What each column of a session is, by name."""
    return (
        {s.name: s.doc for s in (*SUMS, *OF_RENDITIONS)}
        | {d.name: d.doc for d in DERIVED}
        | {f.name: f.doc for f in PICKS}
        | {d.name: d.doc for d in DIMENSIONS}
    )


def wall_clock(started_at: datetime, at_ms: int) -> datetime:
    """The moment by the calendar, from the press of play on."""
    return started_at + timedelta(milliseconds=at_ms)
