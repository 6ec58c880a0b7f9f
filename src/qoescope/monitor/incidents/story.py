"""Story: an incident in one sentence for a person, its slice in words, its query in SQL."""

from datetime import datetime

from qoescope.catalog.watch import Kind
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.named_slices import NamedSlice, values_of
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.search.counts import Value
from qoescope.monitor.search.root_cause import EVERYWHERE

_WORDS = {
    "device_type": "on {}",
    "device_model": "on {}",
    "os": "on {}",
    "os_version": "with OS {}",
    "app_version": "with app {}",
    "player_name": "with player {}",
    "player_version": "with player {}",
    "network_type": "over {}",
    "country_code": "in {}",
    "isp": "at {}",
    "cdn": "from CDN {}",
    "cdn_pop": "from POP {}",
    "content_id": "of {}",
    "drm": "with {}",
    "experiment": "in experiment {}",
    "variant": "in arm {}",
}


_NONE = 5e-6
"""A share that is told as none."""


def _text(value: Value) -> str:
    return "no value" if value is None else str(value).replace("_", " ") if str(value).islower() else str(value)


def where(slice_: NamedSlice) -> str:
    """The slice in words, ` on web with app v17.0.4`; everywhere is said as such."""
    if not slice_:
        return " everywhere"
    order = list(_WORDS)
    names = sorted(slice_, key=lambda n: (order.index(n) if n in order else len(order), n))
    parts = []
    for name in names:
        values = " or ".join(_text(v) for v in values_of(slice_[name]))
        parts.append(_WORDS.get(name, name.replace("_", " ") + " {}").format(values))
    return " " + " ".join(parts)


def slice_name(slice_: NamedSlice) -> str:
    """The slice as a label: `app_version=v16.2.0 | v16.2.1 & device_type=web`."""
    if not slice_:
        return EVERYWHERE
    return " & ".join(f"{n}={' | '.join(str(v) for v in values_of(slice_[n]))}" for n in sorted(slice_))


def figure(kind: Kind, metric: str, value: float) -> str:
    """A figure with its unit, as people say it."""
    if kind in ("share", "ratio") and value < _NONE:
        return "next to none"
    if kind in ("share", "ratio"):
        return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"  # noqa: PLR2004 - two digits are enough
    if metric.endswith("_ms"):
        return f"{value / 1000:.1f} s"
    if metric.endswith("_kbps"):
        return f"{value:,.0f} kbps"
    return f"{value:,.0f}"


def story(one: Incident, viewers: int) -> str:
    """`Since 20:03, 31 % of plays on web with app v17.0.4 fail to start, 2.1 % is normal; 4,812 viewers so far; …`."""
    f = one.best
    kind, metric = f.watched.kind, f.watched.metric
    scale = 1 / 60_000 if kind == "volume" else 1.0
    sentence = f.watched.says.format(
        actual=figure(kind, metric, f.actual * scale),
        expected=figure(kind, metric, f.expected * scale),
        where=where(one.slice),
    )
    when = _since(one.onset_at, one.closed_at if one.state == "closed" else None)
    so_far = "viewers were affected" if one.state == "closed" else "viewers so far"
    parts = [f"{when}, {sentence}", f"{viewers:,} {so_far}" if viewers else "", _others(f, one)]
    return "; ".join(part for part in parts if part) + "."


def _since(onset: datetime, closed: datetime | None) -> str:
    return f"From {onset:%H:%M} to {closed:%H:%M}" if closed else f"Since {onset:%H:%M}"


def _others(f: Finding, one: Incident) -> str:
    if not one.slice:
        return "all recorded dimensions are affected alike, so the cause lies outside them"
    most = max((r.alone for r in f.alternatives), default=0.0)
    return f"nothing else explains more than {max(100 * most, 1):.0f} %" if most < 0.5 else ""  # noqa: PLR2004


def query(one: Incident) -> str:
    """SQL over `sessions` that shows the incident beside the hours before it, minute by minute."""
    conditions = [f"started_at >= '{one.onset_at.isoformat()}'::timestamptz - interval '2 hours'"]
    if one.closed_at is not None:
        conditions.append(f"started_at < '{one.closed_at.isoformat()}'::timestamptz")
    conditions += [condition(name, value) for name, value in sorted(one.slice.items())]
    sums = one.best.watched.session
    shown = ", ".join(f"sum({sql}) as sum_{i}" for i, sql in enumerate(sums)) or "count(*) as sessions"
    return (
        f"select date_trunc('minute', started_at) as minute, {shown} from sessions "
        f"where {' and '.join(conditions)} group by 1 order by 1"
    )


def condition(name: str, value: Value | list[Value] | object) -> str:
    """One dimension's condition in SQL, with its values quoted."""
    values = values_of(value)  # type: ignore[arg-type]
    quoted = ", ".join("'" + str(v).replace("'", "''") + "'" for v in values)
    return f'"{name}" = {quoted}' if len(values) == 1 else f'"{name}" in ({quoted})'
