"""Events: what a player says, and the states that its events end. Sources: CTA-2066, and our own additions."""

from qoescope.catalog.bounds import (
    DATES,
    LATEST_MS,
    LONGEST_SESSION_MS,
    LONGEST_STATE_MS,
    MOST_DROPPED,
    MOST_EVENTS,
    MOST_KBPS,
    MOST_PIXELS,
)
from qoescope.catalog.schema import Field

STATES = {
    "idle": "has not been asked to play (preloading)",
    "starting": "was asked to play and has shown no frame yet",
    "playing": "shows moving frames, at any rate",
    "stalled": "was playing and ran out of data, unasked",
    "seeking": "waits for the first frame at a place the viewer chose",
    "resuming": "waits to go on after a pause, or at an edge of an ad",
    "paused": "was told to stop",
}
"""Player states. An event says which of them just ended and for how long it lasted."""

WATCHED_STATES = ("starting", "playing", "stalled", "seeking", "resuming")
"""States in which a viewer watches or waits; `idle` and `paused` are not watched (CTA-2066 watchedTime)."""

LONGEST_INTERVAL_MS = 300_000
"""A longer watched interval is a sleeping device: it adds to `discarded_ms` and to nothing else."""

EVENT_TYPES = {
    "playback_request": "play was pressed, or asked for again after a pause",
    "playback_start": "frames move",
    "playback_stall": "the player ran out of data",
    "playback_pause": "the viewer paused",
    "playback_finish": "playback ended: the content's end, or the viewer left",
    "playback_fail": "playback ended by an error",
    "rendition_update": "another rendition comes now",
    "player_resize": "the player's size on screen changed",
    "ad_break_start": "an ad break begins",
    "ad_break_end": "an ad break ends",
    "seek_start": "the viewer seeks",
    "seek_end": "frames move again after a seek",
    "heartbeat": "a sign of life, at most 30 s apart",
    "error": "an error that playback survived",
    "cdn_change": "another CDN serves from now on",
    "visibility_change": "the page or app became visible or hidden",
}
"""Event types: CTA-2066's vocabulary and what it lacks."""

TRANSITIONS: dict[tuple[str, str], str] = {
    ("idle", "playback_request"): "starting",
    ("starting", "playback_start"): "playing",
    ("starting", "playback_pause"): "paused",
    ("playing", "playback_stall"): "stalled",
    ("playing", "seek_start"): "seeking",
    ("stalled", "seek_start"): "seeking",
    ("resuming", "seek_start"): "seeking",
    ("seeking", "seek_end"): "playing",
    ("seeking", "playback_start"): "playing",
    ("stalled", "playback_start"): "playing",
    ("playing", "playback_pause"): "paused",
    ("stalled", "playback_pause"): "paused",
    ("seeking", "playback_pause"): "paused",
    ("resuming", "playback_pause"): "paused",
    ("paused", "playback_request"): "resuming",
    ("resuming", "playback_start"): "playing",
    ("paused", "playback_start"): "playing",
    ("playing", "ad_break_start"): "resuming",
    ("playing", "ad_break_end"): "resuming",
}
"""(state, event) → next state. Not listed: the state stays. `playback_finish` and `playback_fail` close.
A `playback_request` out of a pause during startup goes back to `starting`; only the player knows that."""

ERROR_CLASSES = ("technical", "business")
FINISH_REASONS = ("finished", "exited")

EVENT_FIELDS = (
    Field("seq", "int", "1, 2, 3 … in a session; a gap is a lost event", nullable=False, bounds=(1, MOST_EVENTS)),
    Field(
        "at", "instant", "when it happened, by the device's wall clock; orders nothing", nullable=False, bounds=DATES
    ),
    Field("type", "text", "what happened", nullable=False),
    Field("state", "text", "the player state that just ended", nullable=False),
    Field(
        "state_ms",
        "int",
        "how long that state lasted, by the player's monotonic clock",
        nullable=False,
        bounds=(0, LONGEST_STATE_MS),
    ),
    Field("ad", "bool", "the interval lay inside an ad break", default=False),
    Field("hidden", "bool", "page or app was not visible during the interval", default=False),
    Field("rate", "float", "playback rate of the interval, at most 2 decimals", default=1.0, bounds=(-100, 100)),
    Field("bitrate_kbps", "int", "bitrate of the video rendition during the interval", bounds=(0, MOST_KBPS)),
    Field("width", "int", "width of the video rendition in pixels", bounds=(0, MOST_PIXELS)),
    Field("height", "int", "height of the video rendition in pixels", bounds=(0, MOST_PIXELS)),
    Field("player_width", "int", "width on screen in device pixels", bounds=(0, MOST_PIXELS)),
    Field("player_height", "int", "height on screen in device pixels", bounds=(0, MOST_PIXELS)),
    Field("cdn", "text", "CDN that served the interval"),
    Field("dropped_frames", "int", "frames dropped in the interval", default=0, bounds=(0, MOST_DROPPED)),
    Field(
        "playhead_ms",
        "int",
        "content position at the event; of live it may be a wall clock",
        bounds=(-LONGEST_SESSION_MS, LATEST_MS),
    ),
    Field(
        "startup_ms",
        "int",
        "the player's own total of `starting`, on the event that leaves it",
        bounds=(0, LONGEST_STATE_MS),
    ),
    Field("next_bitrate_kbps", "int", "bitrate that comes now, on rendition_update", bounds=(0, MOST_KBPS)),
    Field("next_cdn", "text", "CDN that comes now, on cdn_change"),
    Field("error_code", "text", "code of an error as sent"),
    Field("error_class", "text", "technical (also when absent) or business, on error and playback_fail"),
    Field("reason", "text", "finished (default) or exited, on playback_finish"),
)
"""What an event holds on the wire."""

IN_TABLES = {f.name: "event_cdn" if f.name == "cdn" else f.name for f in EVENT_FIELDS}
"""The column of each field: the event's own `cdn` is `event_cdn`, beside the session's `cdn`."""
