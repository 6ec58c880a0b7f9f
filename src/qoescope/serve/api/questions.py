"""Questions of the API: what they share: who asks, about which sessions, and how many at once.

What looks at the request alone is async: handing it to a thread would cost more than it does. `select` may ask
Postgres.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Query, Response
from starlette.exceptions import HTTPException

from qoescope.catalog.errors import Mistake
from qoescope.compile.ask import MOST_ROWS, Between
from qoescope.serve.api import answers
from qoescope.serve.api.answers import Asked, MetricAnswer
from qoescope.serve.request import state, times
from qoescope.serve.request.caller import CALLER, Caller
from qoescope.serve.store.property_store import PropertyStore

TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: Postgres refuses NUL, and no name has the others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose sessions, when, and which of them: what most questions share."""

    caller: Caller
    property_id: str
    between: Between
    where: dict[str, tuple[str, ...]]

    @property
    def store(self) -> PropertyStore:
        """What the API reads of the property."""
        return self.caller.store.of(self.property_id)


async def caller() -> Caller:
    """Who asks; 401 for nobody."""
    try:
        return CALLER.get()
    except LookupError:
        raise HTTPException(
            401, "sign in, or send a token: Authorization: Bearer qt_…", {"WWW-Authenticate": "Bearer"}
        ) from None


class Scoped:
    """Who asks, if their token has this scope; 403 otherwise."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, who: Annotated[Caller, Depends(caller)]) -> AsyncIterator[Caller]:
        """One of a few questions at once."""
        if self.scope not in who.person.scopes:
            raise HTTPException(
                403,
                f"this token lacks the scope '{self.scope}'; make one: `qoescope people token --scope {self.scope}`",
            )
        running, most = who.store.running_questions, who.store.settings.questions_at_once
        with who.store.lock:
            if running.get(who.person.name, 0) >= most:
                raise HTTPException(
                    429, f"at most {most} concurrent requests; wait for one to finish", {"Retry-After": "1"}
                )
            running[who.person.name] = running.get(who.person.name, 0) + 1
        try:
            yield who
        finally:
            with who.store.lock:
                running[who.person.name] -= 1


Reader = Annotated[Caller, Depends(Scoped("read"))]
Property = Annotated[
    str | None,
    Query(
        alias="property",
        max_length=100,
        pattern=TEXT,
        description="one of yours; your first by default",
        examples=["demo"],
    ),
]
Start = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=40,
        description="ISO 8601 (UTC where no zone is named), `24h` for that long ago, `now` or `yesterday 20:00`; "
        "a day before the end by default",
        examples=["2026-01-31T20:00"],
    ),
]
End = Annotated[
    str | None,
    Query(
        alias="to", max_length=40, description="exclusive; the next full hour by default", examples=["2026-02-01T20:00"]
    ),
]
Filters = Annotated[
    list[Annotated[str, Query(max_length=2000, pattern=TEXT)]],
    Query(
        alias="filter",
        description="`device_type:smart_tv,web` keeps, `!country_code:US` leaves out; repeat for more",
        examples=[["device_type:smart_tv"]],
        max_length=20,
    ),
]
Step = Annotated[Literal["10s", "minute", "5m", "hour", "day", "week"], Query(description="how long a row's time is")]
Name = Annotated[str, Query(max_length=100, pattern=TEXT)]
"""Of a metric or dimension."""
BY = "names from /dimensions; repeat for several"
Names = Annotated[
    list[Name],
    Query(
        alias="metric",
        min_length=1,
        max_length=40,
        description="names from /metrics; repeat for several",
        examples=[["rebuffer_ratio"]],
    ),
]


def select(
    who: Reader,
    property_id: Property = None,
    start: Start = None,
    end: End = None,
    filters: Filters = [],  # noqa: B006
) -> Selection:
    """The part that most questions share."""
    return Selection(who, property_id_of(who, property_id), range_of(start, end), state.where(filters))


Shared = Annotated[Selection, Depends(select)]


def property_id_of(who: Caller, wanted: str | None) -> str:
    """The property asked for, or their first; 404 where it is not theirs, as where there is none of that name."""
    if wanted and not who.person.sees(wanted):
        raise HTTPException(404, f"no property '{wanted}' among yours")
    return who.property_id(wanted)


def store_of(who: Caller, wanted: str | None) -> PropertyStore:
    """What the API reads and changes of the property asked for; 404 where it is not theirs."""
    return who.store.of(property_id_of(who, wanted))


def range_of(start: str | None, end: str | None) -> Between:
    """The range asked for: a day until the next full hour by default."""
    until = times.parse_time(end) if end else times.ceiling(datetime.now(UTC), times.HOUR)
    try:
        since = times.parse_time(start) if start else until - times.DAY
    except OverflowError as error:
        raise Mistake("the range is outside the supported dates") from error
    return state.checked_range((since, until))


def interpretation(
    selection: Selection, names: Sequence[str], source: str, by: Sequence[str] = (), step: str | None = None
) -> Asked:
    """The question as the API understood it."""
    filters = {k: list(v) for k, v in selection.where.items()}
    return Asked(
        property=selection.property_id,
        start=selection.between[0],
        end=selection.between[1],
        metrics=list(names),
        by=list(by),
        filters=filters,
        step=step,
        source=source,
    )


def respond(selection: Selection, names: Sequence[str], by: Sequence[str] = (), step: str | None = None) -> Response:
    """The answer as it is sent; made once for identical concurrent questions."""
    filters = tuple((name, tuple(values)) for name, values in selection.where.items())
    key = (selection.property_id, tuple(names), selection.between, tuple(by), filters, step)
    content = selection.caller.store.encoded_answers.do(
        key, lambda: metric_answer(selection, names, by, step).model_dump_json().encode()
    )
    return Response(content, media_type="application/json")


def metric_answer(
    selection: Selection, names: Sequence[str], by: Sequence[str] = (), step: str | None = None
) -> MetricAnswer:
    """The answer as the API shows it; refused beyond so many rows."""
    answer = selection.store.ask(names, selection.between, by, selection.where, step)
    if len(answer.rows) >= MOST_ROWS:
        raise Mistake(f"more than {MOST_ROWS:,} rows: ask for a shorter time, a longer step or fewer dimensions")
    known = [m.name for m in answer.question.metrics]
    return MetricAnswer.model_construct(  # of our own making: to validate a thousand rows takes as long as to ask
        asked=interpretation(selection, known, answer.plan.mart, by, step),
        rows=answers.rows(by, answer.rows, answer.measures),
        definitions=[answers.definition(m) for m in answer.question.metrics],
    )
