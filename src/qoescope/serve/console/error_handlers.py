"""Error handlers: what went wrong with a request to Dash, in one line with an id, and never with a traceback."""

import logging
import secrets

from dash import Dash
from dash.exceptions import DependencyException
from flask import Response, jsonify, request
from werkzeug.exceptions import HTTPException

from qoescope.catalog.errors import Mistake
from qoescope.serve.console import callback_checks
from qoescope.serve.store.connections import AWAY, UNASKABLE

LOG = logging.getLogger(__name__)
CALLED = "/_dash-update-component"


def add_error_handlers(app: Dash) -> None:
    """Checks calls before they are made, and answers for everything that goes wrong in one."""

    @app.server.before_request
    def checked() -> None:
        if request.path == CALLED:
            callback_checks.check(request.get_data(cache=True), app.callback_map)

    @app.server.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        identity = secrets.token_hex(6)
        status, detail = reason(error)
        if status == 500:  # noqa: PLR2004
            LOG.exception("request %s failed", identity, exc_info=error)
        else:
            level = logging.DEBUG if status == 404 else logging.INFO  # noqa: PLR2004 - anybody may ask for anything
            LOG.log(level, "request %s is refused: %d %s: %s", identity, status, ascii(request.path), ascii(detail))
        answer = jsonify({"status": status, "detail": detail, "request_id": identity})
        answer.status_code, answer.mimetype = status, "application/problem+json"
        return answer


def reason(error: Exception) -> tuple[int, str]:
    """The status and the words for what went wrong; 500 is our fault."""
    match error:
        case Mistake():
            return 422, str(error)
        case DependencyException():
            return 404, "not found"
        case HTTPException():
            return error.code or 400, error.description or error.name
        case _ if isinstance(error, UNASKABLE):
            return 422, "a parameter has an impossible value"
        case _ if isinstance(error, AWAY):
            return 503, "the database does not answer or is busy; try again in a moment"
        case _:
            return 500, "internal error; the details are in the log"
