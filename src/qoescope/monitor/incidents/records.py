"""Records: an incident as a row of `incidents`, and back, so that the watch goes on after a restart."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from qoescope.catalog.watch import BY_METRIC
from qoescope.monitor.detect.finding import Finding
from qoescope.monitor.detect.named_slices import parse_slice, slice_key
from qoescope.monitor.incidents import story
from qoescope.monitor.incidents.impact import Impact
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.severity import interval, severity
from qoescope.monitor.search.alternatives import Alternative
from qoescope.monitor.search.root_cause import reportable_lift

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IncidentContext:
    """The property of an incident, what found it, and what a person is shown beside its figures."""

    property_id: str
    source: str
    sessions: list[str]
    chart: list[dict[str, Any]]


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def row(one: Incident, impact: Impact, context: IncidentContext, now: datetime) -> Row:
    """The incident's row of `incidents`."""
    f, bounds = one.best, interval(one)
    return {
        "property": context.property_id,
        "id": one.id,
        "version": one.version,
        "source": context.source,
        "state": one.state,
        "severity": severity(one, impact.viewers),
        "metrics": ",".join(sorted(one.metrics, key=lambda m: -one.metrics[m])),
        "slice": slice_key(one.slice),
        "slice_name": story.slice_name(one.slice),
        "opened_at": one.opened_at,
        "confirmed_at": one.confirmed_at,
        "onset_at": one.onset_at,
        "last_seen_at": one.last_seen_at,
        "closed_at": one.closed_at,
        "actual": f.actual,
        "actual_low": bounds[0] if bounds else None,
        "actual_high": bounds[1] if bounds else None,
        "expected": f.expected,
        "lift": reportable_lift(f.excess, f.lift),
        "n": f.support,
        "excess": impact.excess,
        "affected_sessions": impact.affected_sessions,
        "viewers": impact.viewers,
        "lost_watch_hours": impact.lost_watch_hours,
        "share": f.share,
        "score": f.score,
        "confidence": f.confidence,
        "persistence": one.persistence,
        "story": story.story(one, impact.viewers),
        "rivals": _plain([asdict(r) for r in f.alternatives]),
        "sessions": _plain(context.sessions),
        "query": story.query(one),
        "chart": _plain(context.chart),
        "memory": _plain(memory(one)),
        "updated_at": now,
    }


def memory(one: Incident) -> Row:
    """What the row's other columns do not tell."""
    f = one.best
    return {
        "votes": dict(one.votes),
        "metrics": dict(one.metrics),
        "hits": list(one.hits[-60:]),
        "every": one.every,
        "onsets": [t.isoformat() for t in one.onsets],
        "best": {
            "metric": f.watched.metric,
            "slice": json.loads(slice_key(f.slice)),
            "figures": [f.score, f.excess, f.lift, f.support, f.actual, f.expected, f.share],
            "onset": f.onset,
        },
    }


def incident(stored: Mapping[str, Any]) -> Incident:
    """The incident that a row tells of."""
    kept, rivals = stored["memory"], stored["rivals"]
    best = kept["best"]
    score, excess, lift, support, actual, expected, share = best["figures"]
    finding = Finding(
        watched=BY_METRIC[best["metric"]],
        slice=best["slice"],
        score=score,
        excess=excess,
        lift=lift,
        support=support,
        actual=actual,
        expected=expected,
        share=share,
        onset=best["onset"],
        alternatives=tuple(Alternative(**r) for r in rivals),
    )
    return Incident(
        id=stored["id"],
        state=stored["state"],
        slice=parse_slice(json.dumps(stored["slice"])),
        opened_at=stored["opened_at"],
        onset_at=stored["onset_at"],
        last_seen_at=stored["last_seen_at"],
        best=finding,
        metrics=kept["metrics"],
        votes=kept["votes"],
        hits=tuple(kept["hits"]),
        excess=stored["excess"],
        version=stored["version"],
        confirmed_at=stored["confirmed_at"],
        closed_at=stored["closed_at"],
        onsets=tuple(datetime.fromisoformat(t) for t in kept["onsets"]),
        every=kept.get("every", 1),
    )
