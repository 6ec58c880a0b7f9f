"""Answers: what the API says, as declared in its OpenAPI document, with examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from qoescope.catalog.dimensions import DIMENSIONS
from qoescope.catalog.metrics import LIVE_METRICS, METRICS, Metric
from qoescope.compile.ask import LONGEST
from qoescope.serve.display import words

EXAMPLE_AT = "2026-01-31T20:00:00Z"


class Problem(BaseModel):
    """An error, as RFC 9457 writes it."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Unknown metric"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["unknown metric 'rebufer_ratio': did you mean 'rebuffer_ratio'?"])
    suggestion: str | None = Field(None, examples=["rebuffer_ratio"])
    request_id: str | None = Field(None, examples=["5f1c9a2e7b40"])


class MetricDefinition(BaseModel):
    """One metric of the catalog: what it is and how it is made."""

    name: str = Field(examples=["rebuffer_ratio"])
    label: str = Field(examples=["Rebuffering"])
    unit: str = Field(examples=["ratio"])
    better: Literal["lower", "higher", "neither"] = Field(examples=["lower"])
    doc: str = Field(examples=["share of watched time spent stalled"])
    formula: str = Field(examples=["stall_ms / watched_ms"])
    same_as: str = Field(examples=["≙ Mux Rebuffer Percentage"])


def definition(metric: Metric) -> MetricDefinition:
    """The metric as the API shows it."""
    return MetricDefinition(
        name=metric.name,
        label=metric.label,
        unit=metric.unit,
        better=metric.better,
        doc=metric.doc,
        formula=words.formula(metric),
        same_as=metric.same_as,
    )


def definitions() -> list[MetricDefinition]:
    """All metrics."""
    return [definition(m) for m in (*METRICS, *LIVE_METRICS)]


class Asked(BaseModel):
    """The question as it was understood."""

    property: str = Field(examples=["demo"])
    start: datetime = Field(examples=[EXAMPLE_AT])
    end: datetime = Field(examples=["2026-02-01T20:00:00Z"])
    metrics: list[str] = Field(examples=[["rebuffer_ratio"]])
    by: list[str] = Field(examples=[["device_type"]])
    filters: dict[str, list[str]] = Field(examples=[{"country_code": ["US"]}])
    step: str | None = Field(None, examples=["hour"])
    source: str = Field(examples=["quality_hour"], description="the mart that answered")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer: where it stands, its metrics, and the measures that they are made of."""

    starts_at: Annotated[datetime | None, Field(examples=[EXAMPLE_AT])]
    dimensions: Annotated[dict[str, str], Field(examples=[{"device_type": "smart_tv"}])]
    metrics: Annotated[dict[str, float | None], Field(examples=[{"rebuffer_ratio": 0.0042}])]
    measures: Annotated[dict[str, float | list[int]], Field(examples=[{"stall_ms": 42000, "watched_ms": 10000000}])]


class MetricAnswer(BaseModel):
    """Metrics; a startup metric never comes alone, since it knows only those who stayed."""

    asked: Asked
    rows: list[Row]
    definitions: list[MetricDefinition]


class Comparison(BaseModel):
    """One metric here and there."""

    metric: str = Field(examples=["rebuffer_ratio"])
    here: float | None = Field(examples=[0.0042])
    there: float | None = Field(examples=[0.0038])
    change: float | None = Field(examples=[0.105], description="(here - there) / there")
    verdict: Literal["good", "bad", "neutral"] = Field(examples=["bad"])


class ComparisonAnswer(BaseModel):
    """Metrics of two sets of sessions side by side."""

    asked: Asked
    against: Asked
    rows: list[Comparison]


class Bucket(BaseModel):
    """Sessions whose startup lies in [from_ms, to_ms)."""

    from_ms: int = Field(examples=[1000])
    to_ms: int | None = Field(examples=[1120])
    startups: int = Field(examples=[812])
    exits_before_start: int = Field(
        examples=[17], description="left before the first frame, by how long they had waited"
    )


class HistogramAnswer(BaseModel):
    """Startup times with those who left and those who failed beside them, so that survivorship shows."""

    asked: Asked
    buckets: list[Bucket]
    start_failures: int = Field(examples=[40])
    companions: dict[str, float | None] = Field(
        examples=[{"ebvs_ratio": 0.021, "start_failure_ratio": 0.004, "startup_unknown_ratio": 0.01}]
    )


class DimensionInfo(BaseModel):
    """One dimension of the catalog."""

    name: str = Field(examples=["device_type"])
    label: str = Field(examples=["Device"])
    doc: str = Field(examples=["kind of device"])
    size: Literal["low", "middle", "high"] = Field(examples=["low"])
    values: list[str] = Field(examples=[["smart_tv", "mobile"]], description="allowed values, where they are declared")


def dimensions() -> list[DimensionInfo]:
    """All dimensions."""
    return [
        DimensionInfo(name=d.name, label=d.label, doc=d.doc, size=d.size, values=list(d.values)) for d in DIMENSIONS
    ]


class DimensionValue(BaseModel):
    """A value with its volume in the range."""

    value: str = Field(examples=["smart_tv"])
    attempts: int = Field(examples=[4812])


class SessionList(BaseModel):
    """Sessions, newest first; `next` is the cursor of the page after, null on the last."""

    sessions: list[dict[str, Any]] = Field(
        examples=[[{"session_id": "s1", "started_at": EXAMPLE_AT, "device_type": "web"}]]
    )
    next: str | None = Field(None, examples=["MjAyNi0wMS0zMVQyMDowMDowMFp8czE"])


class SessionAnswer(BaseModel):
    """One session with all its measures, their formulas, and its events in their order."""

    session: dict[str, Any] = Field(examples=[{"session_id": "s1", "stall_ms": 1200}])
    formulas: dict[str, str] = Field(examples=[{"watched_ms": "starting_ms + play_ms + …"}])
    events: list[dict[str, Any]] = Field(
        examples=[[{"seq": 1, "type": "playback_request", "state": "idle", "state_ms": 0}]]
    )


class Rows(BaseModel):
    """Rows as they are stored."""

    rows: list[dict[str, Any]] = Field(examples=[[{"id": "a1", "text": "release v17"}]])


class Told(BaseModel):
    """What was done, in words."""

    told: str = Field(examples=["ada acknowledged it, just now"])


class Replay(BaseModel):
    """A replay of dead letters: how far it is, or what became of it."""

    state: Literal["running", "done", "failed", "died"] = Field(
        examples=["running"], description="its process ended before it finished; start it again"
    )
    reason: str = Field(examples=["malformed"], description="only letters refused for this reason; empty for all")
    total: int = Field(examples=[120], description="letters that waited when it began")
    letters: int = Field(examples=[40], description="judged so far")
    replayed: int = Field(examples=[38], description="of which something was understood")
    events: int = Field(examples=[410], description="their events")
    detail: str | None = Field(None, examples=["3 letters: 3 replayed with 41 events accepted."])
    made_by: str = Field(examples=["ada"])
    started_at: datetime = Field(examples=[EXAMPLE_AT])
    updated_at: datetime = Field(examples=[EXAMPLE_AT])


class NewAnnotation(BaseModel):
    """What people know about a time."""

    starts_at: datetime = Field(examples=[EXAMPLE_AT])
    ends_at: datetime | None = Field(None, examples=[None])
    text: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$", examples=["release v17.0.4"])


class Annotation(NewAnnotation):
    """An annotation with its id."""

    id: str = Field(examples=["8d1f0a"])
    made_by: str = Field(examples=["ada"])
    created_at: datetime = Field(examples=[EXAMPLE_AT])


class Withheld(BaseModel):
    """A day of which people see an older version."""

    day: date = Field(examples=["2026-01-31"])
    rules: list[str] = Field(examples=[["one_outcome"]], description="what its last version broke")


class Health(BaseModel):
    """Whether the marts answer, how new they are, and what is kept out of them."""

    status: Literal["ok", "stale", "empty"] = Field(examples=["ok"])
    newest_session_at: datetime | None = Field(None, examples=[EXAMPLE_AT])
    newest_window_at: datetime | None = Field(None, examples=[EXAMPLE_AT])
    live_age_s: float | None = Field(None, examples=[4.2])
    ready: bool = Field(
        True, examples=[True], description="whether every stream and the monitor work, by their last report"
    )
    problems: list[str] = Field(
        [],
        examples=[["stream: events failed 3 times in a row: the disk is full (disk-full)"]],
        description="what is wrong with them, in a line each; for operators",
    )
    withheld: list[Withheld] = Field(
        [],
        examples=[[{"day": "2026-01-31", "rules": ["one_outcome"]}]],
        description=f"of the last {LONGEST.days} days, the oldest first",
    )


def rows(
    keys: Sequence[str], answered: Sequence[Mapping[str, Any]], measures: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """An answer's rows as the API shows them; `keys` are its dimensions."""
    if not answered:
        return []
    metrics = [name for name in answered[0] if name not in keys and name != "starts_at"]
    known = [name for name in measures[0] if name not in keys and name != "starts_at"]
    return [
        Row(
            row.get("starts_at"),
            {name: str(row[name]) for name in keys},
            {name: None if (value := row[name]) is None else float(value) for name in metrics},
            {n: v if type(v) is list else float(v) for n in known if (v := sums.get(n)) is not None},
        )
        for row, sums in zip(answered, measures, strict=True)
    ]
