"""Calls of callbacks and addresses of pages while Postgres is away: an answer or a refusal with a reason, no error."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from callbacks import HERE, Callbacks, call, hostile_calls, queries, routed
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pydantic import SecretStr

from qoescope.connect.postgres import pool
from qoescope.serve.auth.credentials import Person
from qoescope.serve.request.caller import CALLER, Caller
from qoescope.serve.store.store import Store
from qoescope.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""The pool's threads draw their pauses from it while hypothesis draws an example."""
SMALL = budget(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def callbacks() -> Callbacks:
    return Callbacks.of_console()


@pytest.fixture(autouse=True)
def _signed_in() -> Iterator[None]:
    nowhere = SecretStr("host=127.0.0.1 port=1 user=nobody dbname=none")
    away = Settings(reader_dsn=nowhere, writer_dsn=nowhere, connection_wait_s=0.01)
    store = Store(away, pool(away, "reader", 1), pool(away, "writer", 1))
    with store.reader, store.writer:
        reset = CALLER.set(Caller(store, Person("otto", "operator", ("demo",))))
        yield
        CALLER.reset(reset)


def answered(callbacks: Callbacks, body: Any, caplog: pytest.LogCaptureFixture) -> tuple[int, dict[str, Any]]:
    """The status and what it says; nothing of it is an error of ours."""
    caplog.clear()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, told = callbacks.post(content)
    assert status in (200, 204, 422, 503), told
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR and r.name.startswith("qoescope")]
    return status, told


def test_a_callback_that_shares_its_output_is_called_by_the_name_that_dash_gives_it(
    callbacks: Callbacks, caplog: pytest.LogCaptureFixture
) -> None:
    (output,) = (name for name, one in callbacks.known.items() if one["inputs"][0]["id"] == "se-q")
    assert "@" in output
    asked = call(output, ("se-q", "value", ""), state=(("chosen", "data", {"q": "s1"}), (*HERE, "?t=7d&q=s1")))
    status, answer = answered(callbacks, asked, caplog)
    assert (status, answer["response"]["_pages_location"]["search"]) == (200, "?t=7d")


def values(name: object, search: object) -> dict[str, Any]:
    return call("filter-values.data", ("filter-name", "value", name), state=((*HERE, search),))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (values("device_type", "?p=other"), "not one of yours"),
        (values("device_type", "?f=app_version:%00"), "invalid character"),
        (values("\ud800", ""), ""),
        (values("device_type\x00", ""), "invalid character"),
        (values(5, ""), "another kind"),
        (values("device_type", ["x"]), "another kind"),
        (values("x" * 20_000, ""), "too long"),
        (call("no-such.children", ("x", "y", 1)), "unknown callback"),
        (call("filter-values.data", ("other", "value", "x"), state=((*HERE, ""),)), "callback's inputs"),
        (values("device_type", "") | {"changedPropIds": ["{.x"]}, "does not contain"),
        (values("device_type", "") | {"outputs": []}, "callback's outputs"),
        ({}, "not a valid callback request"),
        ([], "not a valid callback request"),
        ("x", "not a valid callback request"),
        (b"", "not a valid callback request"),
        (b"[" * 100_000, "not a valid callback request"),
        (b"\xff", "not a valid callback request"),
        (b'{"output": NaN}', "not a valid callback request"),
    ],
)
def test_a_call_that_is_none_is_refused_with_a_reason_and_an_id(
    callbacks: Callbacks, caplog: pytest.LogCaptureFixture, body: Any, says: str
) -> None:
    status, told = answered(callbacks, body, caplog)
    assert status == 422
    assert says in told["detail"]
    assert len(told["request_id"]) == 12


def test_a_call_as_browsers_make_it_is_made(callbacks: Callbacks, caplog: pytest.LogCaptureFixture) -> None:
    status, told = answered(callbacks, values("device_type", "?t=24h"), caplog)
    assert (status, told["detail"]) == (503, "the database does not answer or is busy; try again in a moment")


def test_a_path_that_is_none_is_not_there(callbacks: Callbacks) -> None:
    for path in ("/_dash-component-suites/../x", "/_dash-component-suites/os/x.js", "/assets/../app.py"):
        assert callbacks.get(path) == 404


@SMALL
@given(path=st.text(max_size=20) | st.sampled_from(["/", "/explore", "/sessions", "/rules", "/live"]), query=queries())
def test_any_address_is_shown_or_refused(
    callbacks: Callbacks, caplog: pytest.LogCaptureFixture, path: str, query: str
) -> None:
    answered(callbacks, routed(path, query), caplog)


@SMALL
@given(data=st.data())
def test_any_call_is_answered_or_refused(
    callbacks: Callbacks, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    answered(callbacks, data.draw(hostile_calls(callbacks)), caplog)


@SMALL
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(callbacks: Callbacks, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    assert answered(callbacks, content, caplog)[0] == 422
