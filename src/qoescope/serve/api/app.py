"""API: what the console uses and what other programs ask, under /api/v1."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.serve.api import routes_metrics, routes_records
from qoescope.serve.api.answers import Problem
from qoescope.serve.api.etags import ETags
from qoescope.serve.api.questions import Scoped
from qoescope.serve.store.connections import AWAY, UNASKABLE

LOG = logging.getLogger(__name__)

REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": text}
    for status, text in {
        400: "the body is not valid JSON",
        401: "not signed in",
        403: "not allowed",
        404: "not found, or not in a property of yours",
        409: "already running",
        422: "invalid parameters",
        429: "too many concurrent requests",
        503: "the database does not answer",
    }.items()
}


def build_api() -> FastAPI:
    """The API under /api/v1."""
    app = FastAPI(
        title="qoescope",
        version="1",
        description="What viewers of a video service experience, and what broke. "
        "Times are UTC; ratios are 0..1; a null metric has a zero denominator.",
        docs_url=None,
        redoc_url=None,
        responses=REFUSED,
        middleware=[Middleware(ETags)],
        openapi_url=None,
        redirect_slashes=False,
    )
    routes_metrics.metrics(app)
    routes_metrics.catalog(app)
    routes_records.records(app)
    routes_records.alarms(app)
    routes_records.notes(app)
    routes_records.letters(app)
    routes_records.files(app)
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
    scopes = {
        (route.path, method.lower()): _scope(route.dependant)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            operation["security"] = [{"token": [scopes[path, method]]}]
            for status, answer in operation["responses"].items():
                if status[0] == "4" or status == "503":
                    answer["content"] = {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    }
    return made


def _scope(dependant: Dependant) -> str:
    """The scope that a route asks for, itself or by what it depends on; the strictest is its own, and comes first."""
    own = [part.call.scope for part in dependant.dependencies if isinstance(part.call, Scoped)]
    return own[0] if own else next(filter(None, map(_scope, dependant.dependencies)), "")


def _problem(
    status: int, title: str, detail: str, suggestion: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = Problem(
        type="about:blank",
        title=title,
        status=status,
        detail=detail,
        suggestion=suggestion,
        request_id=secrets.token_hex(6),
    )
    return JSONResponse(
        body.model_dump(exclude_none=True), status, media_type="application/problem+json", headers=headers
    )


def _problems(app: FastAPI) -> None:
    @app.exception_handler(Mistake)
    def mistake(_: Request, error: Mistake) -> Response:
        if isinstance(error, UnknownName):
            return _problem(422, f"Unknown {error.kind}", str(error), error.suggestion)
        return _problem(422, "Invalid request", str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        detail = "; ".join(f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors()[:5])
        return _problem(422, "Invalid parameter", detail)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        titles = {
            401: "Sign in",
            403: "Not allowed",
            404: "Not found",
            405: "Method not allowed",
            429: "Too many requests",
        }
        return _problem(
            error.status_code, titles.get(error.status_code, "Refused"), str(error.detail), headers=error.headers
        )

    def away(_: Request, error: Exception) -> Response:
        LOG.warning("postgres: %s: %s", type(error).__name__, error)
        return _problem(503, "The database does not answer", "try again in a moment", headers={"Retry-After": "5"})

    def unaskable(_: Request, error: Exception) -> Response:
        return _problem(422, "Invalid request", "a parameter has an impossible value")

    for kind in UNASKABLE:
        app.add_exception_handler(kind, unaskable)
    for kind in AWAY:
        app.add_exception_handler(kind, away)
