"""Measures: what is added up over sessions. Sums of slices are the sum of their whole; ratios come later.

The SQL sees a session's row. `startup_histogram` and `viewers` add too: bucket by bucket, register by register.
"""

from dataclasses import dataclass

from qoescope.catalog.schema import Type

_R20 = (100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900)

HISTOGRAM_EDGES_MS = (*(base * scale for scale in (1, 10, 100) for base in _R20), 100_000)
"""61 edges, preferred numbers R20. Bucket i holds edge(i-1) ≤ v < edge(i); 0 is below the first, 61 the rest."""

BUCKETS = len(HISTOGRAM_EDGES_MS) + 1


@dataclass(frozen=True, slots=True)
class Measure:
    """A sum over rows, of `of` where `where` holds; a histogram counts `of` by bucket, a sketch collects registers."""

    name: str
    of: str = "1"
    where: str = ""
    doc: str = ""
    type: Type = "int"


def _score(name: str) -> tuple[Measure, Measure]:
    return (
        Measure(f"{name}_sum", name, doc=f"sum of {name}", type="score_sum"),
        Measure(f"{name}_count", where=f"{name} is not null", doc=f"sessions that have {name}"),
    )


_PLAY_FAILED = "is_play and close_reason = 'failed' and error_class"

MEASURES = (
    Measure("attempts", where="is_attempt", doc="presses of play"),
    Measure("plays", where="is_play", doc="sessions that showed a frame"),
    Measure("start_failures_technical", where="start_outcome = 'failed_technical'", doc="starts that failed"),
    Measure("start_failures_business", where="start_outcome = 'failed_business'", doc="starts that a rule refused"),
    Measure("exits_before_start", where="start_outcome = 'exited'", doc="viewers who left before the first frame"),
    Measure("early_exits", where="is_early_exit", doc="of them, within a second"),
    Measure("hidden_exits", where="start_outcome = 'exited_hidden'", doc="left before start, out of sight"),
    Measure("play_failures_technical", where=f"{_PLAY_FAILED} = 'technical'", doc="plays that failed"),
    Measure("play_failures_business", where=f"{_PLAY_FAILED} = 'business'", doc="plays that a rule stopped"),
    Measure("plays_finished", where="is_play and close_reason = 'finished'", doc="plays that reached the end"),
    Measure("plays_exited", where="is_play and close_reason = 'exited'", doc="plays that the viewer left"),
    Measure("plays_timed_out", where="is_play and close_reason = 'timed_out'", doc="plays that fell silent"),
    Measure("stalled_plays", where="is_play and stall_count > 0", doc="plays with a stall"),
    Measure("stall_exits", where="ended_in_stall", doc="plays given up in a stall"),
    Measure("starting_ms", "starting_ms", doc="time before the first frame"),
    Measure("play_ms", "play_ms", doc="content shown"),
    Measure("ad_play_ms", "ad_play_ms", doc="ads shown"),
    Measure("stall_ms", "stall_ms", doc="time stalled"),
    Measure("ad_stall_ms", "ad_stall_ms", doc="of it, inside ads"),
    Measure("seek_ms", "seek_ms", doc="time waiting after seeks"),
    Measure("resume_ms", "resume_ms", doc="time waiting to go on"),
    Measure("paused_ms", "paused_ms", doc="time paused"),
    Measure("watched_ms", "watched_ms", doc="time watched or waited"),
    Measure("media_ms", "media_ms", doc="content time shown"),
    Measure("hidden_ms", "hidden_ms", doc="watched time out of sight"),
    Measure("discarded_ms", "discarded_ms", doc="time not believed"),
    Measure("stalls", "stall_count", doc="stalls"),
    Measure("seeks", "seek_count", doc="seeks"),
    Measure("switches_up", "switch_up_count", doc="switches to a higher bitrate"),
    Measure("switches_down", "switch_down_count", doc="switches to a lower bitrate"),
    Measure("dropped_frames", "dropped_frames", doc="frames dropped"),
    Measure("errors", "error_count", doc="errors survived"),
    Measure("bitrate_kbps_ms", "bitrate_kbps_ms", doc="bitrate × time"),
    Measure("bitrate_known_ms", "bitrate_known_ms", doc="time with known bitrate"),
    Measure("upscale_ms", "upscale_ms", doc="upscaling × time"),
    Measure("downscale_ms", "downscale_ms", doc="downscaling × time"),
    Measure("size_known_ms", "size_known_ms", doc="time with known sizes"),
    Measure("events", "event_count", doc="events received"),
    Measure("lost_events", "lost_events", doc="events that never came"),
    Measure("startups", where="startup_ms is not null", doc="plays with known startup"),
    Measure("startup_ms", "startup_ms", doc="sum of startup times"),
    Measure("startups_unknown", where="is_play and startup_ms is null", doc="plays without known startup"),
    Measure("startup_histogram", "startup_ms", doc="plays by startup time, 62 buckets", type="ints"),
    Measure(
        "exit_wait_histogram",
        "exit_wait_ms",
        where="start_outcome = 'exited'",
        doc="exits before start by waiting time, 62 buckets",
        type="ints",
    ),
    Measure("content_startups", where="content_startup_ms is not null", doc="plays with known content startup"),
    Measure("content_startup_ms", "content_startup_ms", doc="sum of content startup times"),
    Measure("measured_plays", where="is_play and content_duration_ms is not null", doc="plays of known length"),
    Measure("completions", where="is_complete", doc="plays that saw the end"),
    Measure("content_ms", "content_duration_ms", where="is_play", doc="length of what was played"),
    Measure("content_seen_ms", "content_seen_ms", doc="of it, seen"),
    *_score("success_score"),
    *_score("picture_score"),
    *_score("stalling_score"),
    *_score("start_score"),
    *_score("experience_score"),
    *_score("startup_score"),
    *_score("smoothness_score"),
    *_score("quality_score"),
    *_score("experience_score_v1"),
    Measure("good_sessions", where="is_good", doc="sessions that met every threshold"),
    Measure("judged_sessions", where="is_good is not null", doc="sessions that can be judged"),
    Measure("viewers", "viewer_register", where="is_attempt", doc="distinct viewers, as a sketch", type="sketch"),
)

LIVE_MEASURES = (
    Measure("live_events", doc="events"),
    Measure("live_watched_ms", "t", where="watched", doc="time watched or waited"),
    Measure("live_stall_ms", "t", where="state = 'stalled'", doc="time stalled"),
    Measure("live_stalls", where="type = 'playback_stall' and state = 'playing'", doc="stalls"),
    Measure("live_start_failures", where="failed and state = 'starting'", doc="starts that failed"),
    Measure("live_play_failures", where="failed and state <> 'starting'", doc="plays that failed"),
    Measure(
        "live_exits_before_start",
        where="type = 'playback_finish' and reason = 'exited' and state = 'starting' "
        "and coalesce(startup_ms, state_ms) >= 1000",
        doc="left before start after at least a second",
    ),
    Measure(
        "live_bitrate_kbps_ms", "bitrate_kbps * t", where="content and bitrate_kbps is not null", doc="bitrate × time"
    ),
    Measure("live_bitrate_known_ms", "t", where="content and bitrate_kbps is not null", doc="time with known bitrate"),
    Measure(
        "live_startup_histogram",
        "coalesce(startup_ms, state_ms)",
        where="type = 'playback_start' and state = 'starting' and not hidden",
        doc="starts by startup time, 62 buckets",
        type="ints",
    ),
    Measure(
        "live_concurrent_sessions",
        "session_register",
        where="watched or type in ('playback_request', 'playback_fail')",
        doc="distinct sessions alive, as a sketch",
        type="sketch",
    ),
    Measure(
        "live_attempting_sessions",
        "session_register",
        where="state = 'starting' or type = 'playback_request'",
        doc="distinct sessions starting, as a sketch",
        type="sketch",
    ),
)
"""The same over events, placed in the window in which they end. Beside the events' columns the SQL sees `t`, `watched`,
`content` (content playing), `failed` (a technical playback_fail) and `session_register`."""

ALL = {m.name: m for m in (*MEASURES, *LIVE_MEASURES)}
