"""Digest: some days in one page that stands alone: the numbers, what changed against the days before, what broke."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from typing import Any, Protocol

from qoescope.catalog.dimensions import BY_NAME as DIMENSIONS
from qoescope.catalog.dimensions import UNKNOWN
from qoescope.catalog.metrics import BY_NAME
from qoescope.compile.ask import Between
from qoescope.serve.display import sparks, theme, words

METRICS = (
    "attempts", "viewers", "watch_hours", "experience_score", "good_session_ratio", "startup_p50_ms", "startup_p95_ms",
    "ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio", "play_failure_ratio", "rebuffer_ratio",
    "stalls_per_minute", "bitrate_avg_kbps", "lost_event_ratio",
)  # fmt: skip
"""Startup is never told without those who left, those who failed and those of whom it is not known."""
SLICED = ("attempts", "failure_ratio", "rebuffer_ratio", "experience_score")
BY = ("device_type", "cdn", "app_version")
LARGEST = 6
"""Values of a dimension that are shown."""
DAY = timedelta(days=1)

STYLE = """body{margin:0 auto;padding:2rem 1rem;max-width:60rem;background:var(--ground);color:var(--ink);
font:15px/1.5 var(--font)}table{border-collapse:collapse;width:100%;background:var(--panel);margin:.5rem 0 2rem}
th,td{padding:.4rem .7rem;border-bottom:1px solid var(--line);text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}th{color:var(--muted);font-weight:500}caption{text-align:left;
font-weight:600;padding:.3rem 0}.good{color:var(--good)}.bad{color:var(--bad)}.neutral,.note{color:var(--muted)}
svg{width:7.5rem;height:2rem;color:var(--accent);vertical-align:middle}h1{margin:0}"""
DARK = "(prefers-color-scheme:dark)"


class Answers(Protocol):
    """What a digest is made from; a property's store is one."""

    def ask(self, metrics: Sequence[str], between: Between, by: Sequence[str] = (), *,
            every: str | None = None) -> Any:  # noqa: ANN401 # fmt: skip
        """An answer with `rows`."""

    def incidents(self, between: Between) -> list[dict[str, Any]]:
        """Incidents of the time, those that cost most first."""


def render(answers: Answers, tenant: str, first: date, last: date) -> str:
    """The days from `first` to `last` beside as many before them, as one HTML document that loads nothing."""
    between = _instant(first), _instant(last + DAY)
    length = between[1] - between[0]
    before = between[0] - length, between[0]
    title = f"{tenant}: {first:%d %b %Y}" + (f" – {last:%d %b %Y}" if last > first else "")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">Beside the {words.length(length)} before. Sessions count where they started, UTC.</p>',
        _numbers(answers, between, before),
        _incidents(answers.incidents(between)),
        *(_slices(answers, name, between, before) for name in BY),
        _definitions(),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_colours()}{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _colours() -> str:
    """The theme's colours; a file has no switch, so it follows the reader's system."""
    light, dark = (
        "".join(f"--{c.meaning}:{getattr(c, ground)};" for c in theme.COLOURS) for ground in ("light", "dark")
    )
    return f":root{{color-scheme:light dark;--font:{theme.FONT};{light}}}@media{DARK}{{:root{{{dark}}}}}"


def _numbers(answers: Answers, between: Between, before: Between) -> str:
    now, then = (_only(answers.ask(METRICS, when).rows) for when in (between, before))
    if not now.get("attempts"):
        return "<p>Nobody pressed play in these days.</p>"
    daily = answers.ask(METRICS, between, every="day").rows
    rows = []
    for name in METRICS:
        metric = BY_NAME[name]
        change = words.change(metric, now.get(name), then.get(name))
        rows.append([
            escape(metric.label),
            words.number(now.get(name), metric.unit),
            words.number(then.get(name), metric.unit),
            f'<span class="{change.verdict}">{change.text}</span>',
            _spark([row.get(name) for row in daily]),
        ])  # fmt: skip
    return _table("The numbers", ["", "Now", "Before", "Change", "Day by day"], rows)


def _only(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return rows[0] if rows else {}


def _spark(values: Sequence[float | int | None]) -> str:
    path = sparks.line(values)
    return (
        f'<svg viewBox="0 0 {sparks.WIDTH:.0f} {sparks.HEIGHT:.0f}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.6" vector-effect="non-scaling-stroke"/>'
        "</svg>"
    )


def _incidents(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "<h2>What broke</h2><p>No incident in these days.</p>"
    rows = [
        [
            escape(str(one["story"])),
            escape(str(one["severity"])),
            words.moment(one["onset_at"]),
            words.moment(one["closed_at"]) if one["closed_at"] else "still open",
            f"{one['viewers']:,}",
            words.number(one["lost_watch_hours"], "hours"),
        ]
        for one in found
    ]
    return _table("What broke", ["", "Severity", "Since", "Until", "Viewers", "Watching lost"], rows)


def _slices(answers: Answers, name: str, between: Between, before: Between) -> str:
    """The dimension's largest values; empty where nothing is known of it."""
    now, then = ({str(row[name]): row for row in answers.ask(SLICED, when, [name]).rows} for when in (between, before))
    largest = sorted(now, key=lambda value: (-(now[value]["attempts"] or 0), value))[:LARGEST]
    if not set(largest) - {UNKNOWN}:
        return ""
    rows = [
        [
            escape(value),
            *(_beside(metric, now[value].get(metric), then.get(value, {}).get(metric)) for metric in SLICED),
        ]
        for value in largest
    ]
    return _table(f"By {DIMENSIONS[name].label}", ["", *(BY_NAME[metric].label for metric in SLICED)], rows)


def _beside(name: str, now: words.Value, then: words.Value) -> str:
    change = words.change(BY_NAME[name], now, then)
    return f'{words.number(now, BY_NAME[name].unit)} <span class="{change.verdict}">{change.text}</span>'


def _definitions() -> str:
    rows = [[escape(BY_NAME[name].label), *map(escape, words.definition(BY_NAME[name]))] for name in METRICS]
    return _table("What the numbers mean", ["", "Meaning", "Formula"], rows)


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already, heads are not."""
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
