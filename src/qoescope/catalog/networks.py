"""Networks: how throughput behaves on each kind of line, fitted to published measurements.

The process is a latent Gaussian one: a part that stays for the session and a part that is autoregressive over 4 s
segments add up to a standard normal, which the measured quantiles turn into kbps; outages (below 100 kbps) come and go
as a two-state Markov process on top. Fitted on means over 4 s of the traces named in `source`.
"""

from dataclasses import dataclass

SEGMENT_S = 4.0
OUTAGE_BELOW_KBPS = 100.0
OUTAGE_KBPS = 25.0
KNOTS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
"""Probabilities at which the quantiles of a line are given."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the traces show, means over 4 s: the numbers a simulated trace is held against."""

    quantiles_kbps: tuple[float, float, float, float, float]
    """At 5, 25, 50, 75 and 95 %, outages included."""
    lag1_autocorrelation: float
    """Mean over traces, of the logarithm (floor 50 kbps), around the trace's mean."""
    outage_share: float
    outage_mean_s: float
    samples: int
    """Samples a trace, in the median: short traces bias the autocorrelation, so simulated ones are as short."""


@dataclass(frozen=True, slots=True)
class NetworkLine:
    """The fitted process of one kind of line."""

    name: str
    quantiles_kbps: tuple[float, ...]
    """At `KNOTS`, outside outages."""
    session_share: float
    """Of the variance, the part that stays for the whole session."""
    correlation: float
    """Of the rest, from one 4 s segment to the next."""
    outage_share: float
    outage_mean_s: float
    measured: Measured
    source: str


LINES = (
    NetworkLine(
        "home",
        (145, 257, 345, 588, 1200, 2299, 3446, 3995, 5183),
        0.66,
        0.44,
        0.0105,
        4.2,
        Measured((224, 570, 1170, 2277, 3983), 0.41, 0.0144, 5.9, 120),
        "Real-world-bandwidth-traces, puffer_220218 (MIT): 80 streams over home connections, the slower part",
    ),
    NetworkLine(
        "video_sessions",
        (495, 806, 1066, 1534, 3118, 4036, 4765, 5208, 6894),
        0.72,
        0.83,
        0.0,
        0.0,
        Measured((806, 1534, 3118, 4036, 5208), 0.70, 0.0, 0.0, 44),
        "Real-world-bandwidth-traces, traces_oboe (MIT): 60 sessions of a video service",
    ),
    NetworkLine(
        "cellular_3g",
        (122, 267, 397, 771, 1330, 2171, 3157, 3898, 4799),
        0.42,
        0.80,
        0.127,
        29.0,
        Measured((0, 501, 1152, 2036, 3743), 0.74, 0.127, 29.4, 108),
        "sabre, example/mmsys18/3Glogs (BSD-2-Clause): 40 commutes",
    ),
    NetworkLine(
        "cellular_4g",
        (2728, 8629, 12489, 21255, 32129, 42976, 48074, 51115, 61037),
        0.31,
        0.78,
        0.0025,
        6.5,
        Measured((8255, 21154, 32045, 42960, 51110), 0.68, 0.0028, 8.0, 99),
        "sabre, example/mmsys18/4Glogs (BSD-2-Clause): 40 commutes",
    ),
)


@dataclass(frozen=True, slots=True)
class LineShare:
    """A part of a network type's sessions that runs over one line, its throughput scaled."""

    line: str
    share: float
    scale: float


NETWORKS: dict[str, tuple[LineShare, ...]] = {
    "wifi": (
        LineShare("home", 0.15, 1.0),
        LineShare("video_sessions", 0.17, 1.2),
        LineShare("home", 0.20, 4.0),
        LineShare("home", 0.48, 14.0),
    ),
    "ethernet": (LineShare("home", 0.08, 1.0), LineShare("video_sessions", 0.20, 1.6), LineShare("home", 0.72, 18.0)),
    "cellular_4g": (LineShare("cellular_3g", 0.12, 1.0), LineShare("cellular_4g", 0.88, 0.4)),
    "cellular_5g": (LineShare("cellular_3g", 0.04, 1.0), LineShare("cellular_4g", 0.96, 1.6)),
}
"""What a network type is made of. The home traces hold only the slower viewers, so most homes are a faster line of the
same temper; the 4G commutes had a cell nearly to themselves, so an everyday cell gives less. The scales are
assumptions; the processes they scale are measured."""

ROUND_TRIP_MS = {
    "wifi": 26.0,
    "ethernet": 14.0,
    "cellular_4g": 52.0,
    "cellular_5g": 30.0,
}
"""Median round trip to the CDN."""

EVENING_CONGESTION = 0.15
"""Share of throughput that the busiest local hour takes."""
