"""API: what the console uses and what other programs ask, under /api/v1."""

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.catalog.measures import HISTOGRAM_EDGES_MS
from qoescope.catalog.metrics import BY_NAME as METRICS
from qoescope.catalog.metrics import COMPANIONS
from qoescope.compile.ask import MOST_ROWS, Between
from qoescope.serve import answers, exports, sessions, state, words
from qoescope.serve.answers import (
    Annotation, Asked, Bucket, Comparison, ComparisonAnswer, DimensionInfo, DimensionValue, Health, HistogramAnswer,
    MetricAnswer, MetricDefinition, NewAnnotation, Problem, Rows, SessionAnswer, SessionList,
)  # fmt: skip
from qoescope.serve.jobs import Desk
from qoescope.serve.seat import SEAT, Seat

LOG = logging.getLogger(__name__)
AT_ONCE = 4
"""Questions that one person or token may ask at once."""
Step = Literal["10s", "minute", "5m", "hour", "day", "week"]
TEXT = r"^[^\x00-\x1f\x7f]*$"
"""No control characters: Postgres refuses NUL, and no name has the others."""
SOON_S = 120


@dataclass(frozen=True, slots=True)
class About:
    """Whose sessions, when, and which of them: what most questions share."""

    seat: Seat
    tenant: str
    between: Between
    where: dict[str, tuple[str, ...]]

    @property
    def desk(self) -> Desk:
        """The desk that answers."""
        return self.seat.desk


def seat() -> Seat:
    """Who asks; 401 for nobody."""
    try:
        return SEAT.get()
    except LookupError:
        raise HTTPException(
            401, "sign in, or send a token: Authorization: Bearer qt_…", {"WWW-Authenticate": "Bearer"}
        ) from None


class Scoped:
    """Who asks, if their token has this scope; 403 otherwise."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def __call__(self, who: Annotated[Seat, Depends(seat)]) -> Iterator[Seat]:
        """One of at most four questions at once."""
        if self.scope not in who.person.scopes:
            raise HTTPException(
                403, f"this token has no scope '{self.scope}': make one with `qoescope keys token --scope {self.scope}`"
            )
        asking = who.desk.asking
        with who.desk.lock:
            if asking.get(who.person.name, 0) >= AT_ONCE:
                raise HTTPException(
                    429, f"at most {AT_ONCE} questions at once: wait for an answer", {"Retry-After": "1"}
                )
            asking[who.person.name] = asking.get(who.person.name, 0) + 1
        try:
            yield who
        finally:
            with who.desk.lock:
                asking[who.person.name] -= 1


Reader = Annotated[Seat, Depends(Scoped("read"))]
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
        description="ISO 8601, UTC where no zone is named; a day before the end by default",
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
Names = Annotated[
    list[Annotated[str, Query(max_length=100, pattern=TEXT)]],
    Query(
        alias="metric",
        min_length=1,
        max_length=40,
        description="names from /metrics; repeat for several",
        examples=[["rebuffer_ratio"]],
    ),
]


def about(who: Reader, tenant: Property = None, start: Start = None, end: End = None, filters: Filters = []) -> About:  # noqa: B006
    """The part that most questions share."""
    return About(who, _tenant(who, tenant), _between(start, end), state.where(filters))


Shared = Annotated[About, Depends(about)]


def _tenant(who: Seat, wanted: str | None) -> str:
    if wanted and not who.person.sees(wanted):
        raise HTTPException(403, f"the property '{wanted}' is not among yours")
    return who.tenant(wanted)


def _between(start: str | None, end: str | None) -> Between:
    until = state.instant(end) if end else state.ceiling(datetime.now(UTC), state.HOUR)
    try:
        since = state.instant(start) if start else until - state.DAY
    except OverflowError as error:
        raise Mistake("the range is beyond the calendar") from error
    return state.checked((since, until))


def _asked(it: About, names: Sequence[str], source: str, by: Sequence[str] = (), step: str | None = None) -> Asked:
    filters = {k: list(v) for k, v in it.where.items()}
    return Asked(
        property=it.tenant,
        start=it.between[0],
        end=it.between[1],
        metrics=list(names),
        by=list(by),
        filters=filters,
        step=step,
        source=source,
    )


def _answer(it: About, names: Sequence[str], by: Sequence[str] = (), step: str | None = None) -> MetricAnswer:
    answer = it.desk.ask(it.tenant, names, it.between, by, it.where, step)
    if len(answer.rows) >= MOST_ROWS:
        raise Mistake(f"more than {MOST_ROWS:,} rows: ask for a shorter time, a longer step or fewer dimensions")
    asked = [m.name for m in answer.question.metrics]
    return MetricAnswer(asked=_asked(it, asked, answer.plan.mart, by, step), rows=answers.rows(by, answer.rows, answer.measures),
                        definitions=[answers.definition(m) for m in answer.question.metrics])  # fmt: skip


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": text}
    for status, text in {401: "not signed in", 403: "not yours, or not allowed", 404: "no such thing", 422: "a mistake in the question",
                         429: "too many questions at once", 503: "the marts do not answer"}.items()
}  # fmt: skip


def api() -> FastAPI:
    """The API under /api/v1."""
    app = FastAPI(title="qoescope", version="1", description="What viewers of a video service live through, and what broke. "
                  "Times are UTC; ratios are 0..1; a null metric has a zero denominator.", docs_url=None, redoc_url=None,
                  responses=REFUSED, middleware=[Middleware(Tagged)], openapi_url=None, redirect_slashes=False)  # fmt: skip
    _metrics(app)
    _catalog(app)
    _sessions(app)
    _notes(app)
    _exports(app)
    _problems(app)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return document(app)

    return app


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with both ways to sign in."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": "/api/v1"}],
    )
    made.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    for path in made["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if status[0] == "4" or status == "503":
                    answer["content"] = {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    }
    return made


def _metrics(app: FastAPI) -> None:
    @app.get("/metrics", tags=["catalog"])
    def metrics(_: Reader) -> list[MetricDefinition]:
        """All metrics with their definitions."""
        return answers.definitions()

    @app.get("/overall", tags=["metrics"])
    def overall(it: Shared, names: Names) -> MetricAnswer:
        """Metrics over the whole range: one row."""
        return _answer(it, names)

    @app.get("/breakdown", tags=["metrics"])
    def breakdown(
        it: Shared,
        names: Names,
        by: Annotated[
            list[Annotated[str, Query(max_length=100, pattern=TEXT)]],
            Query(min_length=1, max_length=3, examples=[["device_type"]]),
        ],
    ) -> MetricAnswer:
        """Metrics by one, two or three dimensions."""
        return _answer(it, names, by)

    @app.get("/timeseries", tags=["metrics"])
    def timeseries(
        it: Shared,
        names: Names,
        step: Step = "hour",
        by: Annotated[list[Annotated[str, Query(max_length=100, pattern=TEXT)]], Query(max_length=2)] = [],
    ) -> MetricAnswer:  # noqa: B006
        """Metrics by steps of time, and by dimensions where given."""
        return _answer(it, names, by, step)

    @app.get("/comparison", tags=["metrics"])
    def comparison(
        it: Shared,
        names: Names,
        against: Annotated[
            list[Annotated[str, Query(max_length=2000, pattern=TEXT)]],
            Query(description="filters of the other side; none: the time just before", max_length=20),
        ] = [],
    ) -> ComparisonAnswer:  # noqa: B006
        """Metrics of these sessions beside those of others: other filters, or the time just before."""
        length = it.between[1] - it.between[0]
        try:
            past = it.between[0] - length, it.between[0]
        except OverflowError as error:
            raise Mistake("the time before is beyond the calendar") from error
        other = replace(it, where=state.where(against)) if against else replace(it, between=past)
        here, there = _answer(it, names), _answer(other, names)
        rows = [_compared(name, here.rows[0].metrics[name], there.rows[0].metrics[name]) for name in here.asked.metrics]
        return ComparisonAnswer(asked=here.asked, against=there.asked, rows=rows)

    @app.get("/histogram", tags=["metrics"])
    def histogram(it: Shared) -> HistogramAnswer:
        """Startup times in 62 buckets, with those who left and those who failed."""
        answer = it.desk.ask(it.tenant, ["startup_p50_ms", "exit_wait_p50_ms", *COMPANIONS], it.between, (), it.where)
        sums, row = answer.measures[0], answer.rows[0]
        edges: list[int | None] = [0, *HISTOGRAM_EDGES_MS, None]
        buckets = [Bucket(from_ms=low or 0, to_ms=high, startups=n, exits_before_start=left) for low, high, n, left in
                   zip(edges[:-1], edges[1:], sums["startup_histogram"], sums["exit_wait_histogram"], strict=True)]  # fmt: skip
        return HistogramAnswer(asked=_asked(it, [m.name for m in answer.question.metrics], answer.plan.mart), buckets=buckets,
                               start_failures=sums["start_failures_technical"], companions={n: row[n] for n in COMPANIONS})  # fmt: skip


def _compared(name: str, here: float | None, there: float | None) -> Comparison:
    share = (here - there) / abs(there) if here is not None and there else None
    return Comparison(
        metric=name, here=here, there=there, change=share, verdict=words.change(METRICS[name], here, there).verdict
    )


def _catalog(app: FastAPI) -> None:
    @app.get("/dimensions", tags=["catalog"])
    def dimensions(_: Reader) -> list[DimensionInfo]:
        """All dimensions."""
        return answers.dimensions()

    @app.get("/dimensions/{name}/values", tags=["catalog"])
    def values(
        it: Shared,
        name: Annotated[str, Path(max_length=100, pattern=TEXT, examples=["device_type"])],
        containing: Annotated[str, Query(max_length=200, pattern=TEXT)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[DimensionValue]:
        """A dimension's values by attempts."""
        return [DimensionValue(**row) for row in it.desk.values(it.tenant, name, it.between, containing, limit)]

    @app.get("/health", tags=["trust"])
    def health(who: Reader, tenant: Property = None) -> Health:
        """How new the numbers are."""
        mine, now = _tenant(who, tenant), datetime.now(UTC)
        newest, window = who.desk.newest(mine), who.desk.newest_window(mine)
        age = (now - window).total_seconds() - 10 if window else None
        status: Literal["ok", "stale", "empty"] = (
            "empty" if newest is None and window is None else "ok" if age is not None and age < SOON_S else "stale"
        )
        return Health(status=status, newest_session_at=newest, newest_window_at=window, live_age_s=age)


def _sessions(app: FastAPI) -> None:
    @app.get("/sessions", tags=["sessions"])
    def listed(
        it: Shared,
        kind: Annotated[
            str,
            Query(
                max_length=40, pattern=TEXT, description="all, not_good, failed, left_before_start, stalled, slow_start"
            ),
        ] = "all",
        search: Annotated[
            str, Query(max_length=200, pattern=TEXT, description="a whole session, viewer or content id")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        after: Annotated[
            str | None, Query(max_length=400, pattern=r"^[A-Za-z0-9_=-]*$", description="`next` of the page before")
        ] = None,
    ) -> SessionList:
        """Sessions, newest first, a page at a time."""
        found = it.desk.sessions(
            it.tenant, it.between, it.where, problem=kind, after=_cursor(after), limit=limit + 1, search=search
        )
        return SessionList(sessions=found[:limit], next=_next(found[limit - 1]) if len(found) > limit else None)

    @app.get("/sessions/{session_id}", tags=["sessions"])
    def one(
        who: Reader,
        session_id: Annotated[str, Path(max_length=200, pattern=TEXT, examples=["s1"])],
        tenant: Property = None,
    ) -> SessionAnswer:
        """One session: measures with their formulas, and its events from the lake."""
        mine = _tenant(who, tenant)
        found = who.desk.session(mine, session_id)
        if found is None:
            raise HTTPException(
                404, f"no session '{session_id}' in {mine}: it may still be running, or be older than what is kept"
            )
        return SessionAnswer(
            session=found, formulas=sessions.formulas(), events=who.desk.events(mine, session_id, found["started_at"])
        )

    @app.get("/viewers/{viewer_id}", tags=["sessions"])
    def viewer(
        it: Shared,
        viewer_id: Annotated[str, Path(max_length=200, pattern=TEXT, examples=["v1:9f2c"])],
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> SessionList:
        """The sessions of one viewer, by pseudonym."""
        return SessionList(sessions=it.desk.sessions(it.tenant, it.between, it.where, search=viewer_id, limit=limit))


def _cursor(text: str | None) -> tuple[datetime, str] | None:
    if not text:
        return None
    try:
        at, _, identity = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), identity.replace("\x00", "")
    except (ValueError, OverflowError) as error:
        raise Mistake("'after' is no cursor: take it from `next` of the page before") from error


def _next(row: dict[str, Any]) -> str:
    return (
        base64.urlsafe_b64encode(f"{row['started_at'].isoformat()}|{row['session_id']}".encode()).decode().rstrip("=")
    )


def _notes(app: FastAPI) -> None:
    @app.get("/incidents", tags=["incidents"])
    def incidents(it: Shared, state: Literal["open", "closed", "dismissed", "all"] = "all") -> Rows:
        """Incidents that were open in the range, those that cost most first."""
        return Rows(rows=it.desk.incidents(it.tenant, it.between, state))

    @app.get("/incidents/{identity}", tags=["incidents"])
    def incident(
        who: Reader, identity: Annotated[str, Path(max_length=100, pattern=TEXT)], tenant: Property = None
    ) -> dict[str, Any]:
        """One incident: story, slice, chart, rivals, sessions to open."""
        found = who.desk.incident(_tenant(who, tenant), identity)
        if found is None:
            raise HTTPException(404, f"no incident '{identity}'")
        return found

    @app.get("/annotations", tags=["annotations"])
    def annotations(it: Shared) -> list[Annotation]:
        """What people know about the range."""
        return [Annotation(**row) for row in it.desk.annotations(it.tenant, it.between)]

    @app.post("/annotations", status_code=201, tags=["annotations"])
    def annotate(
        who: Annotated[Seat, Depends(Scoped("annotate"))], note: NewAnnotation, tenant: Property = None
    ) -> Annotation:
        """A new annotation; people need the role operator."""
        _may_annotate(who)
        try:
            start, end = (
                at and (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))
                for at in (note.starts_at, note.ends_at)
            )
        except OverflowError as error:
            raise Mistake("the time is beyond the calendar") from error
        if not start or (end and end < start):
            raise Mistake("an annotation ends after it begins")
        return Annotation(**who.desk.annotate(_tenant(who, tenant), start, note.text, who.person.name, end))

    @app.delete("/annotations/{identity}", status_code=204, tags=["annotations"])
    def remove(
        who: Annotated[Seat, Depends(Scoped("annotate"))],
        identity: Annotated[str, Path(max_length=100, pattern=TEXT)],
        tenant: Property = None,
    ) -> None:
        """Removes an annotation."""
        _may_annotate(who)
        if not who.desk.remove_annotation(_tenant(who, tenant), identity):
            raise HTTPException(404, f"no annotation '{identity}'")


def _may_annotate(who: Seat) -> None:
    if not who.person.name.startswith("token ") and not who.person.may("operator"):
        raise HTTPException(403, "only operators annotate")


def _exports(app: FastAPI) -> None:
    kinds = {"text/csv": {}, "application/vnd.apache.parquet": {}, "application/vnd.apache.arrow.stream": {}}

    @app.get(
        "/exports/{what}",
        tags=["exports"],
        response_class=Response,
        responses={200: {"content": kinds, "description": "a file"}},
    )
    def export(
        it: Shared,
        who: Annotated[Seat, Depends(Scoped("export"))],
        what: Literal["breakdown", "timeseries", "sessions"],
        names: Annotated[
            list[Annotated[str, Query(max_length=100, pattern=TEXT)]], Query(alias="metric", max_length=40)
        ] = ["attempts"],
        by: Annotated[list[Annotated[str, Query(max_length=100, pattern=TEXT)]], Query(max_length=3)] = [],
        step: Step = "hour",
        form: Annotated[Literal["csv", "parquet", "arrow"], Query(alias="format")] = "csv",
    ) -> Response:  # noqa: B006
        """Rows as a file: a breakdown, a time series or sessions; a startup metric brings its companions."""
        del who
        if what == "sessions":
            rows = it.desk.sessions(it.tenant, it.between, it.where, limit=MOST_ROWS)
        else:
            rows = exports.flat(_answer(it, names, by, step if what == "timeseries" else None))
        body, kind = exports.file(rows, form)
        name = f"qoescope-{what}-{it.between[0]:%Y%m%d%H%M}-{it.between[1]:%Y%m%d%H%M}.{form}"
        return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _problem(status: int, title: str, detail: str, suggestion: str | None = None, headers: Any = None) -> JSONResponse:
    body = Problem(title=title, status=status, detail=detail, suggestion=suggestion, request_id=secrets.token_hex(6))
    return JSONResponse(
        body.model_dump(exclude_none=True), status, media_type="application/problem+json", headers=headers
    )


def _problems(app: FastAPI) -> None:
    @app.exception_handler(Mistake)
    def mistake(_: Request, error: Mistake) -> Response:
        if isinstance(error, UnknownName):
            return _problem(422, f"Unknown {error.kind}", str(error), error.suggestion)
        return _problem(422, "This cannot be answered", str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors()[:5])
        return _problem(422, "A parameter is not right", said)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        titles = {401: "Sign in", 403: "Not allowed", 404: "Not found", 405: "Not so", 429: "Too many at once"}
        return _problem(
            error.status_code, titles.get(error.status_code, "Refused"), str(error.detail), headers=error.headers
        )

    @app.exception_handler(DatabaseError)
    @app.exception_handler(PoolTimeout)
    def away(_: Request, error: Exception) -> Response:
        LOG.warning("postgres: %s: %s", type(error).__name__, error)
        return _problem(503, "The marts do not answer", "try again in a moment", headers={"Retry-After": "5"})


class Tagged:
    """Gives each JSON answer an ETag, and answers 304 to those who have it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def held(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await _tagged(scope, send, start, bytes(body))

        await self.app(scope, receive, held)


async def _tagged(scope: Scope, send: Send, start: Message, body: bytes) -> None:
    headers = list(start["headers"])
    if start["status"] == 200:  # noqa: PLR2004
        tag = b'W/"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        headers += [(b"etag", tag), (b"cache-control", b"private, no-cache")]
        asked = next((v for k, v in scope["headers"] if k == b"if-none-match"), b"")
        if tag in asked:
            kept = [h for h in headers if h[0].lower() not in (b"content-length", b"content-type")]
            await send({"type": "http.response.start", "status": 304, "headers": kept})
            await send({"type": "http.response.body", "body": b""})
            return
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})
