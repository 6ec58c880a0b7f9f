"""Routes of metrics: overall, by dimension, over time, compared, and the catalog that explains them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import FastAPI, Path, Query, Response

from qoescope.catalog.errors import Mistake
from qoescope.catalog.measures import HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import COMPANIONS, METRIC_BY_NAME
from qoescope.compile.ask import LONGEST
from qoescope.serve.api import answers
from qoescope.serve.api.answers import (
    Bucket,
    Comparison,
    ComparisonAnswer,
    DimensionInfo,
    DimensionValue,
    Health,
    HistogramAnswer,
    MetricAnswer,
    MetricDefinition,
    Withheld,
)
from qoescope.serve.api.questions import (
    BY,
    TEXT,
    Name,
    Names,
    Property,
    Reader,
    Shared,
    Step,
    interpretation,
    metric_answer,
    respond,
    store_of,
)
from qoescope.serve.display import words
from qoescope.serve.request import state

SOON_S = 120
"""Live numbers older than this are stale."""


def metrics(app: FastAPI) -> None:
    """Adds the routes of metrics."""

    @app.get("/metrics", tags=["catalog"])
    def known(_: Reader) -> list[MetricDefinition]:
        """All metrics with their definitions."""
        return answers.definitions()

    @app.get("/overall", tags=["metrics"], response_model=MetricAnswer)
    def overall(selection: Shared, names: Names) -> Response:
        """Metrics over the whole range: one row."""
        return respond(selection, names)

    @app.get("/breakdown", tags=["metrics"], response_model=MetricAnswer)
    def breakdown(
        selection: Shared,
        names: Names,
        by: Annotated[list[Name], Query(min_length=1, max_length=3, description=BY, examples=[["device_type"]])],
    ) -> Response:
        """Metrics by one, two or three dimensions."""
        return respond(selection, names, by)

    @app.get("/timeseries", tags=["metrics"], response_model=MetricAnswer)
    def timeseries(
        selection: Shared,
        names: Names,
        step: Step = "hour",
        by: Annotated[list[Name] | None, Query(max_length=2, description=BY)] = None,
    ) -> Response:
        """Metrics by steps of time, and by dimensions where given."""
        return respond(selection, names, by or (), step)

    _comparisons(app)


def _comparisons(app: FastAPI) -> None:
    """Adds the routes that set sessions beside others, and startup times beside those who did not wait."""

    @app.get("/comparison", tags=["metrics"])
    def comparison(
        selection: Shared,
        names: Names,
        against: Annotated[
            list[Annotated[str, Query(max_length=2000, pattern=TEXT)]] | None,
            Query(description="filters of the other side; none: the time just before", max_length=20),
        ] = None,
    ) -> ComparisonAnswer:
        """Metrics of these sessions beside those of others: other filters, or the time just before."""
        length = selection.between[1] - selection.between[0]
        try:
            past = selection.between[0] - length, selection.between[0]
        except OverflowError as error:
            raise Mistake("the comparison period is outside the supported dates") from error
        other = replace(selection, where=state.where(against)) if against else replace(selection, between=past)
        here, there = metric_answer(selection, names), metric_answer(other, names)
        rows = [_compared(name, here.rows[0].metrics[name], there.rows[0].metrics[name]) for name in here.asked.metrics]
        return ComparisonAnswer(asked=here.asked, against=there.asked, rows=rows)

    @app.get("/histogram", tags=["metrics"])
    def histogram(selection: Shared) -> HistogramAnswer:
        """Startup times in 62 buckets, with those who left and those who failed."""
        answer = selection.store.ask(
            ["startup_p50_ms", "exit_wait_p50_ms", *COMPANIONS], selection.between, (), selection.where
        )
        sums, row = answer.measures[0], answer.rows[0]
        edges: list[int | None] = [0, *HISTOGRAM_EDGES_MS, None]
        buckets = [
            Bucket(from_ms=low or 0, to_ms=high, startups=n, exits_before_start=left)
            for low, high, n, left in zip(
                edges[:-1], edges[1:], sums["startup_histogram"], sums["exit_wait_histogram"], strict=True
            )
        ]
        return HistogramAnswer(
            asked=interpretation(selection, [m.name for m in answer.question.metrics], answer.plan.mart),
            buckets=buckets,
            start_failures=sums["start_failures_technical"],
            companions={n: row[n] for n in COMPANIONS},
        )


def _compared(name: str, here: float | None, there: float | None) -> Comparison:
    share = (here - there) / abs(there) if here is not None and there else None
    return Comparison(
        metric=name,
        here=here,
        there=there,
        change=share,
        verdict=words.change(METRIC_BY_NAME[name], here, there).verdict,
    )


def catalog(app: FastAPI) -> None:
    """Adds the routes of the catalog and of health."""

    @app.get("/dimensions", tags=["catalog"])
    def dimensions(_: Reader) -> list[DimensionInfo]:
        """All dimensions."""
        return answers.dimensions()

    @app.get("/dimensions/{name}/values", tags=["catalog"])
    def values(
        selection: Shared,
        name: Annotated[str, Path(max_length=100, pattern=TEXT, examples=["device_type"])],
        containing: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[DimensionValue]:
        """A dimension's values by attempts."""
        return [DimensionValue(**row) for row in selection.store.values(name, selection.between, containing, limit)]

    @app.get("/health", tags=["trust"])
    def health(who: Reader, property_id: Property = None) -> Health:
        """How new the numbers are, and which days are kept out of them."""
        store, now = store_of(who, property_id), datetime.now(UTC)
        newest, window = store.newest(), store.newest_window()
        age = max(0.0, (now - window).total_seconds() - 10) if window else None  # one that still fills is new
        status: Literal["ok", "stale", "empty"] = (
            "empty" if newest is None and window is None else "ok" if age is not None and age < SOON_S else "stale"
        )
        days = [Withheld(**row) for row in store.withheld((now - LONGEST, now))]
        problems = who.store.problems()
        return Health(
            status=status,
            newest_session_at=newest,
            newest_window_at=window,
            live_age_s=age,
            ready=not problems,
            problems=[str(problem) for problem in problems] if who.person.may("operator") else [],
            withheld=days,
        )
