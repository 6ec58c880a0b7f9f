"""Experiments: whether two arms differ by more than chance, however often one looks; pure.

The difference of two ratios of sums over viewers has its variance by the delta method (Deng et al. 2018). Intervals
that hold at any time of looking are asymptotic confidence sequences (Waudby-Smith et al. 2021, theorem 2.2). Whether
arms are filled as planned is a chi-square test (Fabijan et al. 2019).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scipy import stats

from qoescope.catalog.metrics import Ratio

ALPHA = 0.05
LEAST_VIEWERS = 100
"""Fewer in an arm, and nothing is said: the approximations do not hold."""
UNEVEN = 0.001
"""A sample ratio less likely than this says that the arms are not what was planned."""
TUNED_FOR = 10_000
"""Viewers at which the confidence sequence is narrowest; chosen before any data."""

Finding = Literal["better", "worse", "open", "early"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over an arm's viewers of one metric's two parts."""

    viewers: int
    x: float
    y: float
    xx: float
    xy: float
    yy: float

    @property
    def value(self) -> float | None:
        """The ratio of the sums."""
        return self.x / self.y if self.y else None

    @property
    def variance(self) -> float:
        """Of the ratio: of its linear part x − r·y over viewers, over n and the mean of y squared."""
        n, r = self.viewers, self.x / self.y
        residuals = self.xx - 2 * r * self.xy + r * r * self.yy
        mean = self.y / n
        return max(residuals / (n - 1), 0.0) / n / (mean * mean)


def moments(row: Mapping[str, Any], i: int, times: int = 1) -> Moments:
    """The i-th metric's moments in a row of `compile.moments.arms`."""
    x, y, xx, xy, yy = (float(row[f"{part}{i}"] or 0) for part in ("x", "y", "xx", "xy", "yy"))
    return Moments(int(row["units"]), x * times, y, xx * times * times, xy * times, yy)


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """One metric in an arm against the baseline."""

    metric: Ratio
    base: float | None
    arm: float | None
    difference: float
    low: float
    high: float
    always_low: float
    always_high: float
    finding: Finding

    @property
    def relative(self) -> float | None:
        """The difference as a share of the baseline."""
        return self.difference / abs(self.base) if self.base else None


def difference(metric: Ratio, base: Moments, arm: Moments, alpha: float = ALPHA) -> ArmDifference:
    """Arm minus baseline with an interval for one look, and one that holds however often one looks."""
    few = min(base.viewers, arm.viewers) < LEAST_VIEWERS
    if few or base.value is None or arm.value is None:
        return ArmDifference(metric, base.value, arm.value, 0.0, -math.inf, math.inf, -math.inf, math.inf, "early")
    apart, variance = arm.value - base.value, base.variance + arm.variance
    half = float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt(variance)
    always = sequential_half(variance, base.viewers + arm.viewers, alpha)
    sure = always > 0 and abs(apart) > always
    finding: Finding = "open"
    if sure and metric.better != "neither":
        finding = "better" if (apart > 0) == (metric.better == "higher") else "worse"
    return ArmDifference(
        metric, base.value, arm.value, apart, apart - half, apart + half, apart - always, apart + always, finding
    )


def sequential_half(variance: float, n: int, alpha: float = ALPHA) -> float:
    """Half the width of the confidence sequence after n viewers, given the estimate's variance then."""
    log = -2 * math.log(alpha)
    rho2 = (log + math.log(log + 1)) / TUNED_FOR
    spread = n * rho2 + 1
    return math.sqrt(variance * n * 2 * spread / (n * n * rho2) * math.log(math.sqrt(spread) / alpha))


@dataclass(frozen=True, slots=True)
class Filling:
    """How many viewers each arm has, against how many it should have."""

    viewers: dict[str, int]
    expected: dict[str, float]
    p: float

    @property
    def uneven(self) -> bool:
        """Whether the arms are surely not filled as planned."""
        return self.p < UNEVEN


def filling(viewers: Mapping[str, int], shares: Mapping[str, float] | None = None) -> Filling:
    """The sample-ratio check: chi-square against the planned shares, equal where none are given."""
    total = sum(viewers.values())
    weights = {arm: (shares or {}).get(arm, 1.0) for arm in viewers}
    whole = sum(weights.values())
    expected = {arm: total * weight / whole for arm, weight in weights.items()}
    if len(viewers) < 2 or not total:  # noqa: PLR2004
        return Filling(dict(viewers), expected, 1.0)
    p = float(stats.chisquare(list(viewers.values()), list(expected.values())).pvalue)
    return Filling(dict(viewers), expected, p)


def simplest(viewers: Mapping[str, int], most: int = 4) -> dict[str, float]:
    """The split in small whole numbers that the arms are nearest to: what was probably planned."""
    low = min(viewers.values(), default=0) or 1
    total = sum(viewers.values()) or 1
    best: tuple[float, dict[str, float]] = (math.inf, dict.fromkeys(viewers, 1.0))
    for unit in range(1, most + 1):
        parts = {arm: float(max(round(n / low * unit), 1)) for arm, n in viewers.items()}
        if max(parts.values()) > most * 5:
            continue
        whole = sum(parts.values())
        off = sum(abs(n / total - parts[arm] / whole) for arm, n in viewers.items()) + 0.02 * (unit - 1)
        if off < best[0]:
            best = off, parts
    return best[1]


@dataclass(frozen=True, slots=True)
class ArmVerdict:
    """What may be said of an arm, and of what kind it is."""

    text: str
    finding: Literal["better", "worse", "open", "early", "uneven"]


def verdict(arm: str, base: str, differences: Sequence[ArmDifference], filled: Filling | None) -> ArmVerdict:
    """In words; the first difference decides, the others may warn. `filled`: None where nobody was assigned."""
    if filled is not None and filled.uneven:
        return ArmVerdict(
            f"Do not read this yet: the arms do not match the planned split (p = {filled.p:.1g}). "
            f"Something else than chance decides who is in {arm}.",
            "uneven",
        )
    main = differences[0]
    if main.finding == "early":
        return ArmVerdict(f"Not enough data: {arm} and {base} need at least {LEAST_VIEWERS} viewers each.", "early")
    warned = [d.metric.label.lower() for d in differences[1:] if d.finding == "worse"]
    but = f" {'Also' if main.finding == 'worse' else 'But'} {_listed(warned)} got worse." if warned else ""
    name = main.metric.label.lower()
    match main.finding:
        case "better":
            return ArmVerdict(
                f"{arm} is better than {base}: {name} differ by {_size(main)}; valid at every look.{but}",
                "better",
            )
        case "worse":
            return ArmVerdict(
                f"{arm} is worse than {base}: {name} differ by {_size(main)}; valid at every look.{but}",
                "worse",
            )
        case _:
            reach = max(abs(main.always_low), abs(main.always_high))
            return ArmVerdict(
                f"No difference in {name} between {arm} and {base} so far; "
                f"if there is one, it is smaller than {_in_unit(main, reach)}.{but}",
                "open",
            )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _size(d: ArmDifference) -> str:
    low, high = sorted((abs(d.always_low), abs(d.always_high)))
    return f"{_in_unit(d, abs(d.difference))} ({_in_unit(d, low)} to {_in_unit(d, high)})"


def _in_unit(d: ArmDifference, value: float) -> str:
    match d.metric.unit:
        case "ratio":
            return f"{100 * value:.2f} points"
        case "ms":
            return f"{value:.0f} ms"
        case "kbps":
            return f"{value:.0f} kbps"
        case _:
            return f"{value:.2f}"
