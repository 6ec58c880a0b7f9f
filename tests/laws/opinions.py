"""Reference: what people would say of a picture, in plain Python, to be read beside ITU-T P.1203.1. For tests only."""

import math
from typing import Any

Event = dict[str, Any]
RENDITION = ("bitrate_kbps", "width", "height", "player_width", "player_height", "video_codec")


def pictures(content: list[Event]) -> dict[str, Any]:
    known = [
        e
        for e in content
        if (e.get("bitrate_kbps") or 0) > 0 and (e.get("width") or 0) > 0 and (e.get("height") or 0) > 0
    ]
    renditions: dict[tuple[Any, ...], list[Event]] = {}
    for e in known:
        renditions.setdefault(tuple(map(e.get, RENDITION)), []).append(e)
    shown = [(opinion(same[0]), sum(e["t"] for e in same)) for same in renditions.values()]
    return {
        "picture_known_ms": sum(ms for _, ms in shown),
        "picture_gap_ms": sum(math.floor((6 - seen) ** 3 * ms + 0.5) for seen, ms in shown),
    }


def opinion(e: Event) -> float:
    """ITU-T P.1203.1, mode 0: what the rendition looks like on its screen, from 1.05 to 4.66."""
    kbps = e["bitrate_kbps"] * {"vp9": 1.45, "hevc": 1.55, "av1": 2.07}.get(e.get("video_codec", "unknown"), 1)
    pixels = e["width"] * e["height"]
    bits_a_pixel = kbps * 1000 / (pixels * 24)
    loss = 11.9983519 - 2.99991847 * math.log(41.2475074 + math.log(kbps) + math.log(kbps * bits_a_pixel + 0.13183165))
    coded = max(4.66 - 0.07 * math.exp(4.06 * loss), 1.05)
    if e.get("player_width") is None or e.get("player_height") is None:
        return coded
    times = max(min(e["player_width"] * e["player_height"], 1920 * 1080) / pixels, 1)
    enlarged = 72.61 * math.log10(0.32 * (times - 1) + 1)
    return max(of_rating(max(rating(coded) - enlarged, 0)), 1.05) if enlarged > 0 else coded


def of_rating(r: float) -> float:
    return 1.05 + 0.0385 * r + r * (r - 60) * (100 - r) * 7e-6


def rating(wanted: float) -> float:
    """The rating that has this opinion, found by halving; from 1.6 on the cubic rises."""
    low, high = 1.6, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if of_rating(middle) < wanted else (low, middle)
    return (low + high) / 2
