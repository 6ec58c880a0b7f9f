"""Metrics: what people ask for. Ratios of sums, quantiles of histograms, counts; adding one is one line.

`same_as`: ≙ the same thing by another name, ≈ close. Always the ratio of sums, never the mean of ratios; a zero
denominator gives null, never 0.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from qoescope.catalog import ratios
from qoescope.catalog.text_tables import records

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

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        return (self.measure,)


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

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        return tuple(dict.fromkeys((*self.numerator, *self.denominator)))


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

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        return (self.histogram,)


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

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        return (self.sketch,)


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

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that it is made of."""
        return (self.numerator, self.sketch)


Metric = Count | Ratio | Quantile | Distinct | DistinctRatio

_BETTER: dict[str, Better] = {word: word for word in get_args(Better)}
_UNIT: dict[str, Unit] = {word: word for word in get_args(Unit)}


def _ratios(table: str) -> list[Ratio]:
    """The ratios that a table declares, a row each; several measures of a cell are added up."""
    return [
        Ratio(
            row["name"],
            row["label"],
            tuple(row["numerator"].split()),
            tuple(row["denominator"].split()),
            _BETTER[row["better"]],
            _UNIT[row["unit"]],
            row["doc"],
            row["same_as"],
            int(row["times"] or 1),
        )
        for row in records(table)
    ]


def _score(name: str, label: str, doc: str, same_as: str = "") -> Ratio:
    return Ratio(name, label, (f"{name}_sum",), (f"{name}_count",), "higher", "score", f"0–100: {doc}", same_as)


METRICS: tuple[Metric, ...] = (
    Count("attempts", "Attempts", "attempts", "neither", "count", "presses of play", "≙ Mux Views, Conviva Attempts"),
    Count("plays", "Plays", "plays", "neither", "count", "sessions that showed a frame", "≙ Conviva Plays"),
    Distinct("viewers", "Viewers", "viewers", "neither", "count", "distinct viewers", "≙ Mux Unique Viewers"),
    Count(
        "watch_hours",
        "Watch hours",
        "watched_ms",
        "neither",
        "hours",
        "time watched or waited",
        "≙ Mux Watch Time",
        per=3_600_000,
    ),
    Count(
        "play_hours", "Play hours", "play_ms", "neither", "hours", "content shown", "≙ Mux Playing Time", per=3_600_000
    ),
    *_ratios(ratios.STARTS_AND_STALLS),
    Quantile(
        "startup_p50_ms",
        "Startup, median",
        "startup_histogram",
        0.5,
        "lower",
        "ms",
        "median startup, of viewers who stayed",
        "≙ Mux, Conviva VST p50",
    ),
    Quantile(
        "startup_p95_ms",
        "Startup, p95",
        "startup_histogram",
        0.95,
        "lower",
        "ms",
        "95th percentile of startup, of viewers who stayed",
        "≙ Mux, Conviva VST p95",
    ),
    Quantile(
        "startup_p99_ms",
        "Startup, p99",
        "startup_histogram",
        0.99,
        "lower",
        "ms",
        "99th percentile of startup, of viewers who stayed",
        "≙ Mux, Conviva VST p99",
    ),
    Quantile(
        "exit_wait_p50_ms",
        "Wait of those who left, median",
        "exit_wait_histogram",
        0.5,
        "neither",
        "ms",
        "median wait of viewers who left before the first frame",
    ),
    *_ratios(ratios.PICTURE_AND_EXITS),
    _score("experience_score", "Experience", "success × picture × smoothness × start; 100 is the best there is"),
    _score("success_score", "Success", "did it play", "≙ Mux Playback Success Score"),
    _score("picture_score", "Picture", "how good it looked on its screen, by bitrate, size and codec"),
    _score("stalling_score", "Smoothness", "what stalls left, by their number and length"),
    _score("start_score", "Start", "what the wait for the first frame left"),
    _score(
        "experience_score_v1",
        "Experience, version 1",
        "success × weighted geometric mean of smoothness, startup and quality, version 1",
    ),
    _score("startup_score", "Startup, version 1", "how fast it started", "≙ Mux Startup Time Score"),
    _score("smoothness_score", "Smoothness, version 1", "how little it stalled", "≙ Mux Smoothness Score"),
    _score("quality_score", "Picture, version 1", "how little it was enlarged", "≙ Mux Video Quality Score"),
    *_ratios(ratios.SESSIONS_AND_TRUST),
)

_ALIVE, _ATTEMPTING = "live_concurrent_sessions", "live_attempting_sessions"

LIVE_METRICS: tuple[Metric, ...] = (
    Distinct(
        "live_concurrent_viewers",
        "Watching now",
        _ALIVE,
        "neither",
        "count",
        "sessions alive in the last minute, also starting, stalled and just ended",
        "≈ Mux CCV, Conviva Concurrent Plays",
        look_back_s=50,
    ),
    Distinct(
        "live_start_attempts",
        "Starting now",
        _ATTEMPTING,
        "neither",
        "count",
        "sessions starting in the window",
        "≙ Mux Start Attempts",
    ),
    DistinctRatio(
        "live_start_failure_ratio",
        "Start failures now",
        "live_start_failures",
        _ATTEMPTING,
        "lower",
        "ratio",
        "technical failures before the first frame, of sessions starting",
    ),
    DistinctRatio(
        "live_ebvs_ratio",
        "Exits before start now",
        "live_exits_before_start",
        _ATTEMPTING,
        "lower",
        "ratio",
        "exits before the first frame after a second, of sessions starting",
    ),
    DistinctRatio(
        "live_play_failure_ratio",
        "Play failures now",
        "live_play_failures",
        _ALIVE,
        "lower",
        "ratio",
        "other technical failures, of sessions alive",
        "≙ Mux failures by CCV",
        look_back_s=50,
    ),
    *_ratios(ratios.LIVE),
    Quantile(
        "live_startup_p50_ms",
        "Startup now, median",
        "live_startup_histogram",
        0.5,
        "lower",
        "ms",
        "median startup of plays that started in the window",
    ),
    Quantile(
        "live_startup_p95_ms",
        "Startup now, p95",
        "live_startup_histogram",
        0.95,
        "lower",
        "ms",
        "95th percentile of startup of plays that started in the window",
    ),
)
"""Defined per interval, not per ended session; hence other names."""

METRIC_BY_NAME: dict[str, Metric] = {m.name: m for m in (*METRICS, *LIVE_METRICS)}

COMPANIONS = ("ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio")
"""A startup number knows only viewers who stayed; so it never stands alone: these come with it."""


def measures(metric: Metric) -> tuple[str, ...]:
    """The measures that a metric is made of."""
    return metric.measures
