"""Metrics: what people ask for. Ratios of sums, quantiles of histograms, counts; adding one is one line.

`same_as`: ≙ the same thing by another name, ≈ close. Always the ratio of sums, never the mean of ratios; a zero
denominator gives null, never 0.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "neither"]
Unit = Literal["count", "hours", "ratio", "ms", "kbps", "per_minute", "per_session", "score"]


@dataclass(frozen=True, slots=True)
class Count:
    """A measure itself, over `per`."""

    name: str
    label: str
    measure: str
    better: Better
    unit: Unit
    doc: str
    same_as: str = ""
    per: int = 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """The sum of the numerator's measures over the sum of the denominator's, times `times`."""

    name: str
    label: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    better: Better
    unit: Unit
    doc: str
    same_as: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram measure."""

    name: str
    label: str
    histogram: str
    q: float
    better: Better
    unit: Unit
    doc: str
    same_as: str = ""


@dataclass(frozen=True, slots=True)
class Distinct:
    """The number of distinct values behind a sketch; `look_back_s` merges the windows before, too."""

    name: str
    label: str
    sketch: str
    better: Better
    unit: Unit
    doc: str
    same_as: str = ""
    look_back_s: int = 0


@dataclass(frozen=True, slots=True)
class DistinctRatio:
    """A measure over the number of distinct values behind a sketch."""

    name: str
    label: str
    numerator: str
    sketch: str
    better: Better
    unit: Unit
    doc: str
    same_as: str = ""
    look_back_s: int = 0


Metric = Count | Ratio | Quantile | Distinct | DistinctRatio

_TECHNICAL = ("start_failures_technical", "play_failures_technical")
_BUSINESS = ("start_failures_business", "play_failures_business")
_ATTEMPTS, _PLAYS, _WATCHED = ("attempts",), ("plays",), ("watched_ms",)
_SHOWN = ("play_ms", "ad_play_ms")
_MINUTE = 60_000


def _score(name: str, label: str, doc: str, same_as: str = "") -> Ratio:
    return Ratio(name, label, (f"{name}_sum",), (f"{name}_count",), "higher", "score", f"0–100: {doc}", same_as)


METRICS: tuple[Metric, ...] = (
    Count("attempts", "Attempts", "attempts", "neither", "count", "presses of play", "≙ Mux Views, Conviva Attempts"),
    Count("plays", "Plays", "plays", "neither", "count", "sessions that showed a frame", "≙ Conviva Plays"),
    Distinct("viewers", "Viewers", "viewers", "neither", "count", "distinct viewers", "≙ Mux Unique Viewers"),
    Count("watch_hours", "Watch hours", "watched_ms", "neither", "hours", "time watched or waited",
          "≙ Mux Watch Time", per=3_600_000),
    Count("play_hours", "Play hours", "play_ms", "neither", "hours", "content shown", "≙ Mux Playing Time",
          per=3_600_000),
    Ratio("ebvs_ratio", "Exits before start", ("exits_before_start",), _ATTEMPTS, "lower", "ratio",
          "viewers who left before the first frame, of all attempts", "≙ Conviva EBVS, Mux Exits Before Video Start"),
    Ratio("start_failure_ratio", "Start failures", ("start_failures_technical",), _ATTEMPTS, "lower", "ratio",
          "attempts that a technical error ended before the first frame",
          "≙ Conviva VSF-T, Mux Video Startup Failure Percentage"),
    Ratio("start_failure_business_ratio", "Refused starts", ("start_failures_business",), _ATTEMPTS, "neither", "ratio",
          "attempts that a rule refused", "≙ Conviva VSF-B, Mux Business Exception at startup"),
    Ratio("play_failure_ratio", "Play failures", ("play_failures_technical",), _PLAYS, "lower", "ratio",
          "plays that a technical error ended", "≙ Conviva VPF-T"),
    Ratio("play_failure_business_ratio", "Stopped by rule", ("play_failures_business",), _PLAYS, "neither", "ratio",
          "plays that a rule stopped", "≙ Conviva VPF-B"),
    Ratio("failure_ratio", "Failures", _TECHNICAL, _ATTEMPTS, "lower", "ratio",
          "attempts that a technical error ended, before or after the first frame",
          "≙ Mux Playback Failure Percentage"),
    Ratio("failure_all_ratio", "All failures", (*_TECHNICAL, *_BUSINESS), _ATTEMPTS, "lower", "ratio",
          "attempts that any error ended", "≙ CTA Playback Failure Percentage"),
    Ratio("rebuffer_ratio", "Rebuffering", ("stall_ms",), _WATCHED, "lower", "ratio",
          "share of watched time spent stalled", "≙ CTA Average Stalled Time, Mux Rebuffer Percentage"),
    Ratio("connection_rebuffer_ratio", "Connection rebuffering", ("stall_ms",), (*_SHOWN, "stall_ms"), "lower", "ratio",
          "stalled time over playing and stalled time", "≈ Conviva CIRR"),
    Ratio("stalls_per_minute", "Stalls a minute", ("stalls",), _WATCHED, "lower", "per_minute",
          "stalls a minute watched", "≙ Mux Rebuffer Frequency", times=_MINUTE),
    Ratio("stalls_per_session", "Stalls a session", ("stalls",), _ATTEMPTS, "lower", "per_session",
          "stalls an attempt; not comparable across lengths", "≙ CTA Average Playback Stalled Count"),
    Ratio("stalled_play_ratio", "Plays with a stall", ("stalled_plays",), _PLAYS, "lower", "ratio",
          "plays that stalled at least once", "≈ Conviva interrupted plays"),
    Ratio("startup_avg_ms", "Startup, mean", ("startup_ms",), ("startups",), "lower", "ms",
          "mean time from play to first frame, of viewers who stayed", "≙ CTA Average Initial Startup Time"),
    Quantile("startup_p50_ms", "Startup, median", "startup_histogram", 0.5, "lower", "ms",
             "median startup, of viewers who stayed", "≙ Mux, Conviva VST p50"),
    Quantile("startup_p95_ms", "Startup, p95", "startup_histogram", 0.95, "lower", "ms",
             "95th percentile of startup, of viewers who stayed", "≙ Mux, Conviva VST p95"),
    Quantile("startup_p99_ms", "Startup, p99", "startup_histogram", 0.99, "lower", "ms",
             "99th percentile of startup, of viewers who stayed", "≙ Mux, Conviva VST p99"),
    Quantile("exit_wait_p50_ms", "Wait of those who left, median", "exit_wait_histogram", 0.5, "neither", "ms",
             "median wait of viewers who left before the first frame"),
    Ratio("content_startup_avg_ms", "Content startup", ("content_startup_ms",), ("content_startups",), "lower", "ms",
          "mean waiting until the first frame of content", "≙ Mux Content Startup Time"),
    Ratio("bitrate_avg_kbps", "Bitrate", ("bitrate_kbps_ms",), ("bitrate_known_ms",), "higher", "kbps",
          "time-weighted video bitrate of content", "≙ Mux Weighted Average Bitrate, ≈ CTA Average Playback Bitrate"),
    Ratio("upscale_avg", "Upscaling", ("upscale_ms",), ("size_known_ms",), "lower", "ratio",
          "mean enlargement of the picture on screen", "≙ Mux Upscale Percentage"),
    Ratio("downscale_avg", "Downscaling", ("downscale_ms",), ("size_known_ms",), "neither", "ratio",
          "mean reduction of the picture on screen", "≈ Mux Downscale Percentage"),
    Ratio("dropped_frames_per_minute", "Dropped frames a minute", ("dropped_frames",), _SHOWN, "lower", "per_minute",
          "frames dropped a minute shown", times=_MINUTE),
    Ratio("switches_per_minute", "Switches a minute", ("switches_up", "switches_down"), _SHOWN, "neither", "per_minute",
          "changes of bitrate a minute shown", times=_MINUTE),
    Ratio("seek_wait_avg_ms", "Wait after a seek", ("seek_ms",), ("seeks",), "lower", "ms",
          "mean waiting after a seek", "≈ Mux Seek Latency, Conviva VRT"),
    Ratio("exit_ratio", "Exits", ("plays_exited",), _PLAYS, "neither", "ratio", "plays that the viewer left"),
    Ratio("timeout_ratio", "Time-outs", ("plays_timed_out",), _PLAYS, "lower", "ratio",
          "plays that fell silent", "≈ Mux View Dropped Percentage"),
    Ratio("stall_exit_ratio", "Exits in a stall", ("stall_exits",), _PLAYS, "lower", "ratio",
          "plays given up while stalled", "≈ Conviva CIR related exits"),
    Ratio("completion_ratio", "Completion", ("completions",), ("measured_plays",), "higher", "ratio",
          "plays that saw the end, of those of known length"),
    Ratio("engagement_ratio", "Content seen", ("content_seen_ms",), ("content_ms",), "higher", "ratio",
          "content seen, of the content's length"),
    _score("experience_score", "Experience", "success × picture × smoothness × start; 100 is the best there is"),
    _score("success_score", "Success", "did it play", "≙ Mux Playback Success Score"),
    _score("picture_score", "Picture", "how good it looked on its screen, by bitrate, size and codec"),
    _score("stalling_score", "Smoothness", "what stalls left, by their number and length"),
    _score("start_score", "Start", "what the wait for the first frame left"),
    _score("experience_score_v1", "Experience, version 1",
           "success × weighted geometric mean of smoothness, startup and quality, version 1"),
    _score("startup_score", "Startup, version 1", "how fast it started", "≙ Mux Startup Time Score"),
    _score("smoothness_score", "Smoothness, version 1", "how little it stalled", "≙ Mux Smoothness Score"),
    _score("quality_score", "Picture, version 1", "how little it was enlarged", "≙ Mux Video Quality Score"),
    Ratio("good_session_ratio", "Good sessions", ("good_sessions",), ("judged_sessions",), "higher", "ratio",
          "sessions that met every threshold, of those judged", "≈ Conviva SPI"),
    Ratio("startup_unknown_ratio", "Startup unknown", ("startups_unknown",), _PLAYS, "lower", "ratio",
          "plays whose startup is not known: trust in the data, not in the service"),
    Ratio("lost_event_ratio", "Lost telemetry", ("lost_events",), ("lost_events", "events"), "lower", "ratio",
          "events that never came: trust in the data, not in the service"),
)  # fmt: skip

_ALIVE, _ATTEMPTING = "live_concurrent_sessions", "live_attempting_sessions"

LIVE_METRICS: tuple[Metric, ...] = (
    Distinct("live_concurrent_viewers", "Watching now", _ALIVE, "neither", "count",
             "sessions alive in the last minute, also starting, stalled and just ended",
             "≈ Mux CCV, Conviva Concurrent Plays", look_back_s=50),
    Distinct("live_start_attempts", "Starting now", _ATTEMPTING, "neither", "count",
             "sessions starting in the window", "≙ Mux Start Attempts"),
    DistinctRatio("live_start_failure_ratio", "Start failures now", "live_start_failures", _ATTEMPTING, "lower",
                  "ratio", "technical failures before the first frame, of sessions starting"),
    DistinctRatio("live_ebvs_ratio", "Exits before start now", "live_exits_before_start", _ATTEMPTING, "lower", "ratio",
                  "exits before the first frame after a second, of sessions starting"),
    DistinctRatio("live_play_failure_ratio", "Play failures now", "live_play_failures", _ALIVE, "lower", "ratio",
                  "other technical failures, of sessions alive", "≙ Mux failures by CCV", look_back_s=50),
    Ratio("live_rebuffer_ratio", "Rebuffering now", ("live_stall_ms",), ("live_watched_ms",), "lower", "ratio",
          "stalled time of watched time, of running sessions too"),
    Ratio("live_stalls_per_minute", "Stalls a minute now", ("live_stalls",), ("live_watched_ms",), "lower",
          "per_minute", "stalls a minute watched", times=_MINUTE),
    Ratio("live_bitrate_avg_kbps", "Bitrate now", ("live_bitrate_kbps_ms",), ("live_bitrate_known_ms",), "higher",
          "kbps", "time-weighted video bitrate of content"),
    Quantile("live_startup_p50_ms", "Startup now, median", "live_startup_histogram", 0.5, "lower", "ms",
             "median startup of plays that started in the window"),
    Quantile("live_startup_p95_ms", "Startup now, p95", "live_startup_histogram", 0.95, "lower", "ms",
             "95th percentile of startup of plays that started in the window"),
)  # fmt: skip
"""Defined per interval, not per ended session; hence other names."""

BY_NAME: dict[str, Metric] = {m.name: m for m in (*METRICS, *LIVE_METRICS)}

COMPANIONS = ("ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio")
"""A startup number knows only viewers who stayed; so it never stands alone: these come with it."""


def measures(metric: Metric) -> tuple[str, ...]:
    """The measures that a metric is made of."""
    match metric:
        case Count():
            return (metric.measure,)
        case Ratio():
            return tuple(dict.fromkeys((*metric.numerator, *metric.denominator)))
        case Quantile():
            return (metric.histogram,)
        case Distinct():
            return (metric.sketch,)
        case DistinctRatio():
            return (metric.numerator, metric.sketch)
