"""Reference: the fold in plain Python, a session at a time, to be read beside the definitions. For tests only."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from laws.opinions import pictures

Event = dict[str, Any]
WATCHED = ("starting", "playing", "stalled", "seeking", "resuming")
AD_EDGES = ("ad_break_start", "ad_break_end")
NEUTRAL = ("heartbeat", "rendition_update", "player_resize", "cdn_change", "visibility_change", "error")


def session(received: list[Event]) -> dict[str, Any]:
    """The session's row from its events in the order of receipt; repeats and order must not matter."""
    events = once(received)
    row: dict[str, Any] = sums(events)
    row |= outcome(events, row)
    row |= startup(events, row)
    row |= endings(events, row)
    row |= scores(row, events[0].get("device_type", "unknown"))
    row["is_good"] = good(events[0], row)
    return row


def once(received: list[Event]) -> list[Event]:
    """Each seq once, the first received; in the order of seq."""
    first: dict[int, Event] = {}
    for event in received:
        first.setdefault(event["seq"], event)
    return [believed(first[seq]) for seq in sorted(first)]


def believed(event: Event) -> Event:
    asleep = event["state"] in WATCHED and event["state_ms"] > 300_000
    return event | {"t": 0 if asleep else event["state_ms"], "lost": event["state_ms"] if asleep else 0}


def time_in(events: list[Event], state: str, ad: bool | None = None) -> int:
    return sum(e["t"] for e in events if e["state"] == state and (ad is None or bool(e.get("ad")) == ad))


def half_up(x: float | Decimal, digits: str = "1") -> Decimal:
    return Decimal(x).quantize(Decimal(digits), rounding=ROUND_HALF_UP)


def sums(events: list[Event]) -> dict[str, Any]:
    row: dict[str, Any] = {
        f"{name}_ms": time_in(events, state)
        for name, state in (("starting", "starting"), ("stall", "stalled"), ("seek", "seeking"), ("resume", "resuming"),
                            ("paused", "paused"))
    }  # fmt: skip
    row["play_ms"], row["ad_play_ms"] = time_in(events, "playing", ad=False), time_in(events, "playing", ad=True)
    row["ad_stall_ms"] = time_in(events, "stalled", ad=True)
    row["watched_ms"] = sum(e["t"] for e in events if e["state"] in WATCHED)
    row["session_ms"] = row["watched_ms"] + row["paused_ms"]
    row["hidden_ms"] = sum(e["t"] for e in events if e["state"] in WATCHED and e.get("hidden"))
    row["discarded_ms"] = sum(e["lost"] for e in events)
    content = [e for e in events if e["state"] == "playing" and not e.get("ad")]
    row["media_ms"] = int(half_up(sum((Decimal(str(e.get("rate", 1))) * e["t"] for e in content), Decimal(0))))
    known = [e for e in content if e.get("bitrate_kbps") is not None]
    row["bitrate_kbps_ms"] = sum(e["bitrate_kbps"] * e["t"] for e in known)
    row["bitrate_known_ms"] = sum(e["t"] for e in known)
    average = row["bitrate_known_ms"] and Decimal(row["bitrate_kbps_ms"]) / row["bitrate_known_ms"]
    row["bitrate_avg_kbps"] = int(half_up(average)) if row["bitrate_known_ms"] else None
    row["dropped_frames"] = sum(e.get("dropped_frames") or 0 for e in events)
    heads = [e["playhead_ms"] for e in events if e.get("playhead_ms") is not None and not e.get("ad")]
    row["playhead_max_ms"] = max(heads, default=None)
    row["event_count"], row["lost_events"] = len(events), events[-1]["seq"] - len(events)
    row["stall_count"] = count(events, "playback_stall", ("playing",))
    row["seek_count"] = count(events, "seek_start", ("playing", "stalled", "resuming"))
    row["error_count"] = count(events, "error")
    row["cdn_switch_count"] = count(events, "cdn_change")
    row["pause_count"] = sum(e["type"] == "playback_pause" and e["state"] != "paused" for e in events)
    row["ad_break_count"] = sum(e["type"] == "ad_break_start" and not e.get("ad") for e in events)
    return row | sizes(content) | pictures(content)


def sizes(content: list[Event]) -> dict[str, Any]:
    up = down = known = 0
    greatest = None
    for e in content:
        if all(e.get(n) is not None for n in ("player_width", "player_height")) and e.get("width") and e.get("height"):
            if e["t"] == 0:
                continue
            scale = min(e["player_width"] / e["width"], e["player_height"] / e["height"])
            known += e["t"]
            up += math.floor(max(scale - 1, 0) * e["t"] + 0.5)
            down += math.floor(max(1 - scale, 0) * e["t"] + 0.5)
            greatest = max(greatest or 0.0, scale - 1)
    return {"size_known_ms": known, "upscale_ms": up, "downscale_ms": down,
            "upscale_max": None if greatest is None else float(half_up(greatest, "0.0001"))}  # fmt: skip


def count(events: Iterable[Event], kind: str, states: tuple[str, ...] | None = None) -> int:
    return sum(e["type"] == kind and (states is None or e["state"] in states) for e in events)


def outcome(events: list[Event], row: dict[str, Any]) -> dict[str, Any]:
    fails = [e for e in events if e["type"] == "playback_fail"]
    ends = [e for e in events if e["type"] == "playback_finish"]
    attempt = any(e["type"] == "playback_request" or e["state"] != "idle" for e in events)
    play = any(
        e["type"] == "playback_start" or e["state"] in ("playing", "stalled", "seeking", "resuming") for e in events
    )
    hidden = any(e["state"] == "starting" and e.get("hidden") and e["t"] > 0 for e in events)
    error_class = (fails[0].get("error_class") or "technical") if fails else None
    if fails:
        reason = "failed"
    elif any((e.get("reason") or "finished") == "finished" and not e.get("ad") for e in ends):
        reason = "finished"
    else:
        reason = "exited" if any(e.get("reason") == "exited" for e in ends) else "timed_out"
    if not attempt:
        start = None
    elif play:
        start = "played"
    elif fails:
        start = f"failed_{error_class}"
    else:
        start = "exited_hidden" if hidden else "exited"
    return {"is_attempt": attempt, "is_play": play, "startup_hidden": hidden, "error_class": error_class,
            "close_reason": reason, "start_outcome": start}  # fmt: skip


def startup(events: list[Event], row: dict[str, Any]) -> dict[str, Any]:
    begun = next((e for e in events if e["type"] == "playback_start" and e["state"] in ("starting", "idle")), None)
    shown = next((e for e in events if e["type"] == "playback_start" and not e.get("ad")), None)
    doubtful = row["startup_hidden"] or any(e["state"] == "starting" and e["lost"] for e in events)
    waits = [e["startup_ms"] for e in events if e["state"] == "starting" and e.get("startup_ms") is not None]
    left = row["start_outcome"] in ("exited", "exited_hidden")
    return {
        "startup_ms": None
        if doubtful or begun is None
        else credible(waited(events, begun, begun.get("startup_ms"), ad=True)),
        "content_startup_ms": None if doubtful or shown is None else credible(waited(events, shown, None, ad=False)),
        "exit_wait_ms": (max(waits) if waits else row["starting_ms"]) if left else None,
    }


def credible(ms: int | None) -> int | None:
    return ms if ms is not None and ms <= 300_000 else None


def waited(events: list[Event], until: Event, carried: int | None, ad: bool) -> int | None:
    """The player's own total, else the waiting up to the event, if nothing is missing up to there."""
    if carried is not None:
        return carried
    before = [e for e in events if e["seq"] <= until["seq"]]
    if len(before) != until["seq"]:
        return None
    if not ad and any(e["state"] == "resuming" and e["lost"] and not e.get("ad") for e in before):
        return None
    if ad:
        return sum(e["t"] for e in before if e["state"] == "starting")
    return sum(e["t"] for e in before if e["state"] in ("starting", "resuming") and not e.get("ad"))


def endings(events: list[Event], row: dict[str, Any]) -> dict[str, Any]:
    last, length = events[-1], events[0].get("content_duration_ms")
    least: float = 0.95 * (length or 0)
    gave_up = any(
        e["type"] == "playback_finish" and e.get("reason") == "exited" and e["state"] == "stalled" for e in events
    )
    silent = (
        (last["type"] == "playback_stall" and last["state"] in ("playing", "stalled"))
        or (last["type"] in (*NEUTRAL, *AD_EDGES) and last["state"] == "stalled")
        or (
            last["type"] == "playback_finish"
            and (last.get("reason") or "finished") == "finished"
            and bool(last.get("ad"))
            and last["state"] == "stalled"
        )
    )
    known = row["is_play"] and length is not None
    head = row["playhead_max_ms"]
    seen = row["close_reason"] == "finished" or (head is not None and head >= least) if known else None
    asked = next((e for e in events if e["type"] == "playback_request" and e["state"] != "paused"), None)
    start_ms = asked["at"] if asked else events[0]["at"] - events[0]["state_ms"]
    began = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=start_ms)
    return {
        "is_early_exit": row["start_outcome"] == "exited" and row["exit_wait_ms"] < 1000,
        "ended_in_stall": row["is_play"] and (
            (row["close_reason"] == "exited" and gave_up) or (row["close_reason"] == "timed_out" and silent)
        ),
        "is_complete": seen,
        "content_seen_ms": min(row["media_ms"], length) if known else None,
        "started_at": began, "day": began.date(), "hour": began.hour, "day_of_week": began.weekday(),
    }  # fmt: skip


PARTS = ("success", "picture", "stalling", "start", "startup", "smoothness", "quality", "experience", "v1")


def scores(row: dict[str, Any], device: str) -> dict[str, Any]:
    found: dict[str, float | None] = dict.fromkeys(PARTS)
    if row["start_outcome"] == "played":
        found["success"] = 0.0 if row["error_class"] == "technical" else 100.0
        if row["startup_ms"] is not None:
            found["startup"] = 100 * 8 / (8 + row["startup_ms"] / 1000)
        if row["watched_ms"]:
            share = row["stall_ms"] / row["watched_ms"]
            found["smoothness"] = (100 / math.sqrt(1 + (row["stall_count"] / 2) ** 2) + 100 * math.exp(-10 * share)) / 2
        if row["size_known_ms"]:
            blur = 0.15 * row["upscale_max"] + 0.85 * row["upscale_ms"] / row["size_known_ms"]
            found["quality"] = 100 * math.exp(-0.33 * blur)
        found["v1"] = version_1(found)
        found["picture"] = picture(row, device)
        found["stalling"] = stalling(row)
        if row["startup_ms"] is not None:
            shown = max(row["play_ms"] + row["ad_play_ms"], 60_000)
            found["start"] = 100 * math.exp(-row["startup_ms"] / 3 / shown / 0.91890815)
        found["experience"] = 100 * math.prod(
            part / 100 for name in ("success", "picture", "stalling", "start") if (part := found[name]) is not None
        )
    elif row["start_outcome"] == "failed_technical":
        found["success"] = found["experience"] = found["v1"] = 0.0
    elif row["start_outcome"] == "exited" and not row["is_early_exit"]:
        found["success"] = 50.0
        found["experience"] = found["v1"] = 50 * 8 / (8 + row["exit_wait_ms"] / 1000)
    shown = {name: None if score is None else float(half_up(score, "0.01")) for name, score in found.items()}
    return {"experience_score_v1" if name == "v1" else f"{name}_score": score for name, score in shown.items()}


def picture(row: dict[str, Any], device: str) -> float | None:
    """The mean opinion, in which bad parts count for more; in the hand it looks better."""
    if not row["picture_known_ms"]:
        return None
    mean, best = 6 - (row["picture_gap_ms"] / row["picture_known_ms"]) ** (1 / 3), 4.66
    if device == "mobile":
        mean, best = (-0.60293 + 2.12382 * m - 0.36936 * m**2 + 0.03409 * m**3 for m in (mean, best))
    return 100 * (mean - 1) / (best - 1)


def stalling(row: dict[str, Any]) -> float | None:
    shown = row["play_ms"] + row["ad_play_ms"]
    if not shown:
        return 0.0 if row["stall_ms"] else None
    number = row["stall_count"] * min(1, 300_000 / shown)
    return 100 * math.exp(-number / 9.35158684) * math.exp(-row["stall_ms"] / shown / 0.91890815)


def version_1(parts: dict[str, float | None]) -> float:
    weights = {"smoothness": 0.45, "startup": 0.30, "quality": 0.25}
    known = {name: (parts[name], w) for name, w in weights.items() if parts[name] is not None}
    total = sum(w for _, w in known.values())
    score = parts["success"] or 0.0
    for part, weight in known.values():
        score *= ((part or 0.0) / 100) ** (weight / total)
    return score


def good(context: Event, row: dict[str, Any]) -> bool | None:
    if row["start_outcome"] in (None, "exited_hidden", "failed_business") or row["is_early_exit"]:
        return None
    least = {"smart_tv": 3000, "console": 3000, "set_top_box": 3000, "web": 1500, "tablet": 1500}
    enough = least.get(context.get("device_type", "unknown"), 800)
    return (
        row["start_outcome"] == "played" and row["error_class"] != "technical" and not row["ended_in_stall"]
        and (row["startup_ms"] is None or row["startup_ms"] <= 5000)
        and row["stall_ms"] <= 0.01 * (row["play_ms"] + row["ad_play_ms"] + row["stall_ms"])
        and (
            row["bitrate_avg_kbps"] is None or row["bitrate_avg_kbps"] >= enough
            if row["picture_score"] is None else row["picture_score"] >= 70
        )
    )  # fmt: skip
