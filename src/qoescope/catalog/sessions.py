"""Sessions: what is measured of one press of play, as sums and picks over its events. Definitions: CTA-2066, Mux, ours.

The SQL in `of`, `where` and `sql` is ANSI. In a `Sum` it sees an event, with `t` the believed milliseconds (0 for a
watched interval above five minutes: a sleeping device). In a `Derived` it sees the columns declared before it.
"""

from dataclasses import dataclass

from qoescope.catalog import picture, scores
from qoescope.catalog.bounds import LONGEST_SESSION_MS, MOST_A_SESSION
from qoescope.catalog.dimensions import DIMENSION_BY_NAME, DIMENSIONS, SENT
from qoescope.catalog.schema import Field, Type
from qoescope.catalog.text_tables import records


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum over the session's distinct events; 0 when none counts, and `most` when it is beyond all meaning."""

    name: str
    of: str
    where: str
    doc: str
    same_as: str = ""
    most: int = LONGEST_SESSION_MS


@dataclass(frozen=True, slots=True)
class Derived:
    """A value computed from the session's sums, picks and earlier derived values."""

    name: str
    type: Type
    sql: str
    doc: str
    same_as: str = ""


_SUMS = f"""
name | of | where | doc | same_as | most
event_count | 1 | | distinct events
starting_ms | t | state = 'starting' | time asked to play without a frame
play_ms | t | state = 'playing' and not ad | content shown | ≙ Mux Playing Time
ad_play_ms | t | state = 'playing' and ad | ads shown
stall_ms | t | state = 'stalled'
    | time waiting for data after the first frame | ≙ CTA playbackStallDuration, Mux Rebuffer Duration
ad_stall_ms | t | state = 'stalled' and ad | of stall_ms, inside ads
seek_ms | t | state = 'seeking' | time waiting after seeks | ≙ Mux Seek Latency, ≈ Conviva VRT
resume_ms | t | state = 'resuming' | time waiting to go on after pauses and at ad edges
paused_ms | t | state = 'paused' | time paused
hidden_ms | t | hidden and state not in ('idle', 'paused') | watched time out of sight
discarded_ms | disbelieved_ms | | intervals not believed: a sleeping device
media_ms_percent | t * rate_percent | state = 'playing' and not ad
    | content played × rate × 100 | | {100 * LONGEST_SESSION_MS}
stall_count | 1 | type = 'playback_stall' and state = 'playing'
    | stalls | ≙ CTA playbackStallCount, Mux Rebuffer Count
seek_count | 1 | type = 'seek_start' and state in ('playing', 'stalled', 'resuming') | seeks
pause_count | 1 | type = 'playback_pause' and state <> 'paused' | pauses
ad_break_count | 1 | type = 'ad_break_start' and not ad | ad breaks
error_count | 1 | type = 'error' | errors that playback survived
cdn_switch_count | 1 | type = 'cdn_change' | changes of CDN
switch_up_count | 1 | type = 'rendition_update' and next_bitrate_kbps > bitrate_kbps
    | switches to a higher bitrate | ≙ Mux rendition switches, Conviva Bitrate Switches
switch_down_count | 1 | type = 'rendition_update' and next_bitrate_kbps < bitrate_kbps
    | switches to a lower bitrate | ≙ Mux rendition switches, Conviva Bitrate Switches
bitrate_kbps_ms | bitrate_kbps * t | state = 'playing' and not ad and bitrate_kbps is not null
    | bitrate × time of content playing | ≈ CTA bitsPlayed: that adds audio and multiplies by rate | {MOST_A_SESSION}
bitrate_known_ms | t | state = 'playing' and not ad and bitrate_kbps is not null | content playing with known bitrate
size_known_ms | t | state = 'playing' and not ad and sized | content playing with known sizes
upscale_ms | cast(floor(greatest(scale - 1, 0) * t + 0.5) as bigint) | state = 'playing' and not ad and sized
    | upscaling × time | ≙ Mux Upscale Percentage
downscale_ms | cast(floor(greatest(1 - scale, 0) * t + 0.5) as bigint) | state = 'playing' and not ad and sized
    | downscaling × time | ≈ Mux Downscale Percentage
dropped_frames | dropped_frames | | frames dropped | ≙ Mux Dropped Frames
"""

SUMS = tuple(
    Sum(row["name"], row["of"], row["where"], row["doc"], row["same_as"], int(row["most"] or LONGEST_SESSION_MS))
    for row in records(_SUMS)
)
"""Additive over a session's events, whatever their order."""

OF_RENDITIONS = (
    Sum("picture_known_ms", "shown_ms", "opinion is not null", "content playing with known bitrate and size"),
    Sum(
        "picture_gap_ms",
        f"cast(floor(power({picture.MEMORY} - opinion, 3) * shown_ms + 0.5) as bigint)",
        "opinion is not null",
        f"({picture.MEMORY} − opinion)³ × time; opinion 1 to 5 of the picture on its screen",
        "from ITU-T P.1203.1",
        most=picture.MEMORY**3 * LONGEST_SESSION_MS,
    ),
)
"""Sums over what was shown: `shown_ms` of content in one rendition on one screen, and the `opinion` of it."""

DERIVED = (
    Derived("lost_events", "int", "last_seq - event_count", "events that never came: greatest seq − events received"),
    Derived(
        "watched_ms",
        "int",
        "starting_ms + play_ms + ad_play_ms + stall_ms + seek_ms + resume_ms",
        "time watched or waited",
        "≙ CTA watchedTime, Mux Watch Time",
    ),
    Derived("session_ms", "int", "watched_ms + paused_ms", "watched and paused time"),
    Derived("media_ms", "int", "(media_ms_percent + 50) // 100", "content shown, in content time", "≙ CTA Media Time"),
    Derived(
        "bitrate_avg_kbps",
        "int",
        "(2 * bitrate_kbps_ms + bitrate_known_ms) // nullif(2 * bitrate_known_ms, 0)",
        "time-weighted bitrate of content",
        "≙ Mux Weighted Average Bitrate",
    ),
    Derived(
        "close_reason",
        "text",
        "case when has_failed then 'failed' when has_finished then 'finished' when has_exited then 'exited' "
        "else 'timed_out' end",
        "how it ended; timed_out: 60 s of silence",
    ),
    Derived(
        "start_outcome",
        "text",
        "case when not is_attempt then null when is_play then 'played' "
        "when has_failed and coalesce(fail_class, 'technical') = 'business' then 'failed_business' "
        "when has_failed then 'failed_technical' "
        "when startup_hidden then 'exited_hidden' else 'exited' end",
        "what became of the attempt, exactly one",
    ),
    Derived(
        "error_class",
        "text",
        "case when has_failed then coalesce(fail_class, 'technical') end",
        "class of the fatal error; null without one",
    ),
    Derived(
        "error_code",
        "text",
        "coalesce(fail_code, first_error_code)",
        "code of the fatal error, else of the first error",
    ),
    Derived(
        "startup_ms",
        "int",
        "case when not is_play or start_seq is null or startup_hidden or startup_disbelieved "
        "or startup_raw_ms > 300000 then null else startup_raw_ms end",
        "from the press of play to the first frame, ad or content; null when unknown, never guessed",
        "≙ CTA initialStartupTime, Mux/Conviva Video Startup Time",
    ),
    Derived(
        "content_startup_ms",
        "int",
        "case when not is_play or content_start_seq is null or startup_hidden or startup_disbelieved "
        "or content_startup_raw_ms > 300000 then null else content_startup_raw_ms end",
        "waiting until the first frame of content, ads left out",
        "≙ Mux Content Startup Time",
    ),
    Derived(
        "exit_wait_ms",
        "int",
        "case when start_outcome in ('exited', 'exited_hidden') then coalesce(carried_wait_ms, starting_ms) end",
        "how long a viewer waited who left before the first frame",
    ),
    Derived(
        "is_early_exit",
        "bool",
        "coalesce(start_outcome = 'exited' and exit_wait_ms < 1000, false)",
        "left within a second",
        "≙ Mux's unscored EBVS",
    ),
    Derived(
        "ended_in_stall",
        "bool",
        "is_play and (close_reason = 'exited' and exited_stalled or close_reason = 'timed_out' and last_word_stalled)",
        "gave up while waiting for data",
        "≈ Conviva CIR related exit",
    ),
    Derived(
        "is_complete",
        "bool",
        "case when is_play and content_duration_ms is not null then close_reason = 'finished' "
        "or coalesce(playhead_max_ms * 100 >= content_duration_ms * 95, false) end",
        "saw the end, or 95 % of it; null when the length is unknown",
    ),
    Derived(
        "content_seen_ms",
        "int",
        "case when is_play and content_duration_ms is not null then least(media_ms, content_duration_ms) end",
        "content seen, at most its length",
    ),
    Derived(
        "success_score",
        "score",
        scores.SUCCESS,
        "0 after a technical failure, 50 for an exit before start",
        "≙ Mux Playback Success Score",
    ),
    Derived("startup_score", "score", scores.STARTUP, "100 · 8 / (8 + seconds)", "≙ Mux Startup Time Score"),
    Derived(
        "smoothness_score",
        "score",
        scores.SMOOTHNESS,
        "mean of a part for the number and a part for the share of stalls",
        "≙ Mux Smoothness Score",
    ),
    Derived("quality_score", "score", scores.QUALITY, "falls with upscaling", "≙ Mux Video Quality Score"),
    Derived(
        "picture_score",
        "score",
        scores.PICTURE,
        "how good the picture looked on its screen, the worst parts remembered",
    ),
    Derived(
        "stalling_score",
        "score",
        scores.STALLING,
        "what stalls left, by their number and their length beside what was shown",
    ),
    Derived("start_score", "score", scores.START, "what the wait for the first frame left"),
    Derived(
        "experience_score",
        "score",
        scores.EXPERIENCE,
        "success × picture × stalling × start, each as a share; ours, open, version 2",
    ),
    Derived(
        "experience_score_v1",
        "score",
        scores.EXPERIENCE_V1,
        "version 1: success × weighted geometric mean of smoothness, startup and quality",
    ),
    Derived(
        "is_good", "bool", scores.IS_GOOD, "met every threshold of its device; null when not judged", "≈ Conviva SPI"
    ),
    Derived(
        "visibility",
        "text",
        "case when startup_hidden then 'hidden_start' when hidden_ms > 0 then 'hidden_part' else 'visible' end",
        "whether the page was in sight",
    ),
)
"""In order: each sees those before it."""

SCORE_PARTS = ("success_score", "picture_score", "stalling_score", "start_score")
"""Of the experience score: the product of their shares."""
PARTS_V1 = ("startup_score", "smoothness_score", "quality_score")
SCORES = (*SCORE_PARTS, "experience_score", *PARTS_V1, "experience_score_v1")

PICKS = (
    Field("is_attempt", "bool", "play was asked for", nullable=False),
    Field("is_play", "bool", "at least one frame was shown", nullable=False),
    Field("startup_hidden", "bool", "part of `starting` was out of sight", nullable=False),
    Field("upscale_max", "float", "greatest upscaling, 4 decimals; null when sizes are unknown"),
    Field("main_height", "int", "rendition height played longest; null when unknown"),
    Field("playhead_max_ms", "int", "greatest content position outside ads"),
    Field("cdn_trace", "text", "CDNs in the order of use, joined by ' > '"),
)
"""Taken from particular events."""

STARTS = (
    Field("started_at", "instant", "the press of play", nullable=False),
    Field("day", "day", "its day, UTC", nullable=False),
    Field("hour", "int", "its hour, 0–23, UTC", nullable=False),
    Field("day_of_week", "int", "its weekday, Monday = 0", nullable=False),
)

_DERIVED_DIMENSIONS = {"visibility", "start_outcome", "close_reason", "error_code", "error_class"}
_SUM_FIELDS = tuple(
    Field(s.name, "int", s.doc, default=0, nullable=False)
    for s in (*SUMS, *OF_RENDITIONS)
    if s.name != "media_ms_percent"
)
_DERIVED_FIELDS = tuple(Field(d.name, d.type, d.doc) for d in DERIVED if d.name not in _DERIVED_DIMENSIONS)

SESSION_FIELDS = (
    Field("property", "text", "the property: one app or site", nullable=False),
    Field("session_id", "text", "one press of play", nullable=False),
    *STARTS,
    Field("viewer_id", "text", "pseudonym of the viewer", nullable=False),
    Field("viewer_register", "int", "the viewer in a distinct-count sketch: index * 64 + rank", nullable=False),
    Field("content_duration_ms", "int", "length of the content; null when live or not known"),
    *(Field(name, "text", DIMENSION_BY_NAME[name].doc, nullable=False) for name in SENT),
    *(Field(d.name, "text", d.doc) for d in DIMENSIONS if d.derived),
    *_SUM_FIELDS,
    *PICKS,
    *_DERIVED_FIELDS,
    Field("first_received_at", "instant", "when its first event was received"),
    Field("last_received_at", "instant", "when its last event was received"),
)
"""A session's row: who and where, what was measured, and when."""
