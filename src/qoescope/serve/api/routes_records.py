"""Routes of records: sessions, viewers, incidents, annotations, and exports as files."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path, Query, Response
from starlette.exceptions import HTTPException

from qoescope.catalog.errors import Mistake
from qoescope.compile.ask import MOST_ROWS
from qoescope.serve.analysis import sessions
from qoescope.serve.api import exports
from qoescope.serve.api.answers import Annotation, NewAnnotation, Replay, Rows, SessionAnswer, SessionList, Told
from qoescope.serve.api.questions import BY, TEXT, Name, Property, Reader, Scoped, Shared, Step, metric_answer, store_of
from qoescope.serve.request.caller import Caller
from qoescope.serve.store import decisions, replays
from qoescope.serve.store.decisions import Decision


def records(app: FastAPI) -> None:
    """Adds the routes of sessions and viewers."""

    @app.get("/sessions", tags=["sessions"])
    def listed(
        selection: Shared,
        kind: Annotated[
            str,
            Query(
                max_length=40, pattern=TEXT, description="all, not_good, failed, left_before_start, stalled, slow_start"
            ),
        ] = "all",
        search: Annotated[
            str, Query(max_length=200, pattern=TEXT, description="a complete session, viewer or content id")
        ] = "",
        limit: Annotated[int, Query(ge=1, le=1000, description="sessions at most")] = 50,
        after: Annotated[
            str | None, Query(max_length=400, pattern=r"^[A-Za-z0-9_=-]*$", description="`next` of the page before")
        ] = None,
    ) -> SessionList:
        """Sessions, newest first, a page at a time."""
        rows = selection.store.sessions(
            selection.between, selection.where, problem=kind, after=_cursor(after), limit=limit + 1, search=search
        )
        return SessionList(
            sessions=[plain(row) for row in rows[:limit]], next=_next(rows[limit - 1]) if len(rows) > limit else None
        )

    _single_records(app)


def _single_records(app: FastAPI) -> None:
    """Adds the routes of one session and of one viewer."""

    @app.get("/sessions/{session_id}", tags=["sessions"])
    def one(
        who: Reader,
        session_id: Annotated[str, Path(max_length=200, pattern=TEXT, examples=["s1"])],
        property_id: Property = None,
    ) -> SessionAnswer:
        """One session: measures with their formulas, and its events from the lake."""
        store = store_of(who, property_id)
        row = store.session(session_id)
        if row is None:
            raise HTTPException(
                404,
                f"no session '{session_id}' in {store.property_id}; "
                "it may still be running, or be older than the retention",
            )
        return SessionAnswer(
            session=plain(row),
            formulas=sessions.formulas(),
            events=store.events(session_id, row["started_at"]),
        )

    @app.get("/viewers/{viewer_id}", tags=["sessions"])
    def viewer(
        selection: Shared,
        viewer_id: Annotated[str, Path(max_length=200, pattern=TEXT, examples=["v1:9f2c"])],
        limit: Annotated[int, Query(ge=1, le=1000, description="sessions at most")] = 100,
    ) -> SessionList:
        """The sessions of one viewer, by pseudonym."""
        return SessionList(
            sessions=[
                plain(row)
                for row in selection.store.sessions(selection.between, selection.where, search=viewer_id, limit=limit)
            ],
            next=None,
        )


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with scores as numbers."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _cursor(text: str | None) -> tuple[datetime, str] | None:
    if not text:
        return None
    try:
        at, _, identity = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), identity.replace("\x00", "")
    except (ValueError, OverflowError) as error:
        raise Mistake("invalid cursor in 'after'; use `next` of the previous page") from error


def _next(row: dict[str, Any]) -> str:
    return (
        base64.urlsafe_b64encode(f"{row['started_at'].isoformat()}|{row['session_id']}".encode()).decode().rstrip("=")
    )


def alarms(app: FastAPI) -> None:
    """Adds the routes of incidents and rules."""

    @app.get("/incidents", tags=["incidents"])
    def incidents(selection: Shared, state: Literal["open", "closed", "dismissed", "all"] = "all") -> Rows:
        """Incidents that were open in the range, those that cost most first."""
        return Rows(rows=selection.store.incidents(selection.between, state))

    @app.get("/incidents/{identity}", tags=["incidents"])
    def incident(
        who: Reader, identity: Annotated[str, Path(max_length=100, pattern=TEXT)], property_id: Property = None
    ) -> dict[str, Any]:
        """One incident: story, slice, chart, rivals, sessions to open."""
        row = store_of(who, property_id).incident(identity)
        if row is None:
            raise HTTPException(404, f"no incident '{identity}'")
        return row

    @app.post("/incidents/{identity}/{decision}", tags=["incidents"])
    def decide(
        who: Annotated[Caller, Depends(Scoped("decide"))],
        identity: Annotated[str, Path(max_length=100, pattern=TEXT)],
        decision: Decision,
        property_id: Property = None,
    ) -> Told:
        """Takes the incident on, dismisses it, or mutes its slice for four hours; people need the role operator."""
        _may(who, "decide on incidents")
        message = decisions.carry_out(store_of(who, property_id), identity, decision, who.person.name)
        if message is None:
            raise HTTPException(404, f"no incident '{identity}'")
        return Told(told=message)

    @app.get("/rules", tags=["incidents"])
    def rules(who: Reader, property_id: Property = None) -> Rows:
        """Alarms by threshold beside detection; operators change them in the console."""
        return Rows(rows=store_of(who, property_id).rules())


def notes(app: FastAPI) -> None:
    """Adds the routes of annotations."""

    @app.get("/annotations", tags=["annotations"])
    def annotations(selection: Shared) -> list[Annotation]:
        """What people know about the range."""
        return [Annotation(**row) for row in selection.store.annotations(selection.between)]

    @app.post("/annotations", status_code=201, tags=["annotations"])
    def annotate(
        who: Annotated[Caller, Depends(Scoped("annotate"))], note: NewAnnotation, property_id: Property = None
    ) -> Annotation:
        """A new annotation; people need the role operator."""
        _may(who, "annotate")
        try:
            start, end = (
                at and (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC))
                for at in (note.starts_at, note.ends_at)
            )
        except OverflowError as error:
            raise Mistake("the time is outside the supported dates") from error
        if not start or (end and end < start):
            raise Mistake("an annotation ends after it begins")
        return Annotation(**store_of(who, property_id).annotate(start, note.text, who.person.name, end))

    @app.delete("/annotations/{identity}", status_code=204, tags=["annotations"])
    def remove(
        who: Annotated[Caller, Depends(Scoped("annotate"))],
        identity: Annotated[str, Path(max_length=100, pattern=TEXT)],
        property_id: Property = None,
    ) -> None:
        """Removes an annotation."""
        _may(who, "annotate")
        if not store_of(who, property_id).remove_annotation(identity):
            raise HTTPException(404, f"no annotation '{identity}'")


def letters(app: FastAPI) -> None:
    """Adds the routes of dead letters."""

    @app.post("/dead-letters/replay", status_code=202, tags=["dead letters"])
    def replay(
        who: Annotated[Caller, Depends(Scoped("replay"))],
        reason: Annotated[
            str,
            Query(
                max_length=100, pattern=TEXT, description="only letters refused for this reason", examples=["malformed"]
            ),
        ] = "",
        property_id: Property = None,
    ) -> Replay:
        """Begins to judge dead letters again and to send on what is understood now; people need the role operator.

        One replay of a property at a time: 409 while it runs.
        """
        _may(who, "replay")
        begun = replays.start(store_of(who, property_id), reason, who.person.name)
        if begun is None:
            raise HTTPException(409, "a replay is already running; GET /dead-letters/replay shows its progress")
        return Replay(**begun)

    @app.get("/dead-letters/replay", tags=["dead letters"])
    def replayed(who: Annotated[Caller, Depends(Scoped("replay"))], property_id: Property = None) -> Replay:
        """How far the replay that runs is, or what became of the last one; people need the role operator."""
        _may(who, "replay")
        row = replays.state(store_of(who, property_id))
        if row is None:
            raise HTTPException(404, "nothing has been replayed yet")
        return Replay(**row)


def _may(who: Caller, what: str) -> None:
    """Refuses a person who is no operator; what a token may do, its scopes say."""
    if not who.person.is_token and not who.person.may("operator"):
        raise HTTPException(403, f"only operators {what}")


def files(app: FastAPI) -> None:
    """Adds the route of exports."""
    kinds: dict[str, dict[str, str]] = {
        "text/csv": {},
        "application/vnd.apache.parquet": {},
        "application/vnd.apache.arrow.stream": {},
    }

    @app.get(
        "/exports/{what}",
        tags=["exports"],
        response_class=Response,
        responses={200: {"content": kinds, "description": "a file"}},
    )
    def export(
        selection: Shared,
        who: Annotated[Caller, Depends(Scoped("export"))],
        what: Literal["breakdown", "timeseries", "sessions"],
        names: Annotated[
            list[Name] | None, Query(alias="metric", max_length=40, description="names from /metrics, of rows")
        ] = None,
        by: Annotated[list[Name] | None, Query(max_length=3, description=BY)] = None,
        step: Step = "hour",
        form: Annotated[Literal["csv", "parquet", "arrow"], Query(alias="format")] = "csv",
    ) -> Response:
        """Rows as a file: a breakdown, a time series or sessions; a startup metric brings its companions."""
        del who
        if what == "sessions":
            rows = selection.store.sessions(selection.between, selection.where, limit=MOST_ROWS)
        else:
            rows = exports.flat(
                metric_answer(selection, names or ["attempts"], by or (), step if what == "timeseries" else None)
            )
        body, kind = exports.file(rows, form)
        name = f"qoescope-{what}-{selection.between[0]:%Y%m%d%H%M}-{selection.between[1]:%Y%m%d%H%M}.{form}"
        return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
