"""Words: numbers as people read them, with unit, direction and definition; all of it from the catalog."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from qoescope.catalog.measures import ALL
from qoescope.catalog.metrics import Distinct, DistinctRatio, Metric, Quantile, Unit, measures
from qoescope.compile.formulas import Formulas
from qoescope.compile.kinds import translate

Value = float | int | None
Verdict = Literal["good", "bad", "neutral"]
STEADY = 0.02
"""A change below this share is called steady: neither good nor bad."""

NOTHING = "–"


def number(value: Value, unit: Unit) -> str:  # noqa: PLR0911
    """The value with its unit, in at most five or six characters where it can be."""
    if value is None:
        return NOTHING
    match unit:
        case "count":
            return f"{value:,.0f}"
        case "hours":
            return f"{value:,.0f} h" if value >= 100 else f"{value:.1f} h"  # noqa: PLR2004
        case "ratio":
            return percent(value)
        case "ms":
            return milliseconds(value)
        case "kbps":
            return f"{value / 1000:.2f} Mbps" if value >= 1000 else f"{value:.0f} kbps"  # noqa: PLR2004
        case "per_minute":
            places = 3 if 0 < value < 0.1 else 2 if value < 10 else 1  # noqa: PLR2004
            return f"{value:.{places}f} /min"
        case "per_session":
            return f"{value:.2f}"
        case "score":
            return f"{value:.1f}"


def percent(value: float) -> str:
    """A share as per cent, with more places the smaller it is."""
    places = 1 if abs(value) >= 0.1 else 2  # noqa: PLR2004
    return f"{100 * value:.{places}f} %"


def signed(value: float) -> str:
    """A whole number with its sign; nothing is 0, not +0."""
    whole = round(value)
    return f"{whole:+,}" if whole else "0"


def milliseconds(value: float) -> str:
    """A duration as people say it."""
    if value < 1000:  # noqa: PLR2004
        return f"{value:.0f} ms"
    if value < 60_000:  # noqa: PLR2004
        return f"{value / 1000:.2f} s"
    minutes, seconds = divmod(round(value / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


@dataclass(frozen=True, slots=True)
class MetricChange:
    """What became of a number: its text and whether that is good for viewers."""

    text: str
    verdict: Verdict
    spoken: str


def change(metric: Metric, now: Value, before: Value) -> MetricChange:
    """The change against the time before, judged by the metric's direction."""
    if now is None or before is None:
        return MetricChange(NOTHING, "neutral", "no value to compare with")
    if before == 0:
        same = now == 0
        return MetricChange(
            "steady" if same else "from 0", "neutral" if same else _verdict(metric, now), "was 0 before"
        )
    share = (now - before) / abs(before)
    spoken = f"{number(before, metric.unit)} before"
    if abs(share) < STEADY:
        return MetricChange("steady", "neutral", spoken)
    arrow = "▲" if share > 0 else "▼"
    size = f"{abs(share):.0%}" if abs(share) < 9.995 else f"×{now / before:,.0f}"  # noqa: PLR2004
    return MetricChange(f"{arrow} {size}", _verdict(metric, share), spoken)


def _verdict(metric: Metric, direction: float) -> Verdict:
    if metric.better == "neither" or not direction:
        return "neutral"
    return "good" if (direction > 0) == (metric.better == "higher") else "bad"


DIRECTIONS = {"lower": "lower is better", "higher": "higher is better", "neither": "neither good nor bad"}


def definition(metric: Metric) -> tuple[str, str]:
    """What the number is, and how it is made."""
    first = metric.doc[0].upper() + metric.doc[1:] + "."
    return first, formula(metric)


class _Shown(Formulas):
    """Formulas as the console shows them: a quantile in percent, a sketch with its error."""

    def quantile(self, metric: Quantile) -> str:
        return f"{metric.q:.0%} quantile of {metric.histogram}"

    def distinct(self, metric: Distinct) -> str:
        return f"distinct in {metric.sketch}, ±0.8 %"

    def distinct_ratio(self, metric: DistinctRatio) -> str:
        return f"{metric.numerator} / distinct in {metric.sketch}"


def formula(metric: Metric) -> str:
    """The metric's measures as a formula."""
    return translate(metric, _Shown())


def parts(metric: Metric, sums: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The measures behind a number: name, value, meaning."""
    rows = []
    for name in measures(metric):
        value = sums.get(name)
        if isinstance(value, list):
            value = sum(value)
        if value is not None:
            rows.append((name, f"{float(value):,.0f}", ALL[name].doc))
    return rows


def ago(at: datetime, now: datetime) -> str:
    """How long ago."""
    return f"{length(now - at)} ago" if now > at else "just now"


def length(span: timedelta) -> str:
    """How long, roughly."""
    seconds = span.total_seconds()
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def moment(at: datetime) -> str:
    """A time, UTC."""
    return f"{at:%d %b %H:%M}"


def period(start: datetime, end: datetime) -> str:
    """A range, UTC."""
    return f"{start:%d %b %Y %H:%M} – {end:%d %b %Y %H:%M} UTC"


def short_period(start: datetime, end: datetime) -> str:
    """A range in few letters, without its year and zone: `29 Nov 20:10 – 20:20`."""
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%d %b %H:%M}"
    return f"{start:%d %b %H:%M} – {last}"


def without_markup(text: str) -> str:
    """The text as charts take it, which read some HTML in what they draw: none of it acts."""
    return html.escape(text, quote=False)
