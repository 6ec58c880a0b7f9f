"""Whatever an address or a call holds, over real marts: an answer or a refusal, never an error of ours."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest
from callbacks import CALL, HOSTILE, Callbacks, hostile_calls, queries, routed
from console_marts import Console
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from starlette.types import ASGIApp

from qoescope.serve.auth import credentials
from qoescope.serve.console.page_list import PAGES
from qoescope.serve.store.store import Store, open_store
from qoescope.serve.web import app
from qoescope.serve.web.safety import cookie_key

pytestmark = pytest.mark.live
PATHS = tuple(page.path for page in PAGES if not page.is_about_one)
SMALL = budget(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
ADDRESSES = st.sampled_from(PATHS) | st.builds(
    "{}/{}".format, st.sampled_from(["/sessions", "/incidents", ""]), HOSTILE | st.sampled_from(["SESSION", "one"])
)


@dataclass(frozen=True)
class Inside:
    """Asks the whole app in this process, as an operator who has signed in."""

    app: ASGIApp
    headers: dict[str, str]

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._asked("GET", path, b""))

    def post(self, content: bytes) -> httpx.Response:
        return asyncio.run(self._asked("POST", CALL, content))

    async def _asked(self, method: str, path: str, content: bytes) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=self.headers) as client:
            return await client.request(method, path, content=content)


@pytest.fixture(scope="module")
def at(small: Console) -> Iterator[Store]:
    opened = open_store(small.settings)
    with opened.reader, opened.writer:
        yield opened


@pytest.fixture(scope="module")
def operator(at: Store) -> Inside:
    key = cookie_key(at.settings)
    user = at.user("otto")
    assert user is not None
    cookie = credentials.Logins(key).cookie("otto", credentials.version(user))
    headers = {
        "Origin": "http://testserver",
        "Cookie": f"{credentials.COOKIE}={cookie}",
        "Content-Type": "application/json",
    }
    return Inside(app.build_app(at, key), headers)


@pytest.fixture(scope="module")
def callbacks() -> Callbacks:
    return Callbacks.of_console()


def checked(answer: httpx.Response, caplog: pytest.LogCaptureFixture) -> None:
    assert answer.status_code < 500, answer.text
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


@SMALL
@given(path=ADDRESSES, query=queries())
def test_a_page_is_shown_or_says_what_is_wrong(
    operator: Inside, small: Console, caplog: pytest.LogCaptureFixture, path: str, query: str
) -> None:
    caplog.clear()
    path = path.replace("SESSION", small.marts.session_id)
    checked(operator.post(json.dumps(routed(path, query)).encode()), caplog)
    checked(operator.get(quote(path) + query), caplog)


@SMALL
@given(data=st.data())
def test_a_callback_answers_or_refuses(
    operator: Inside, callbacks: Callbacks, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    caplog.clear()
    checked(operator.post(json.dumps(data.draw(hostile_calls(callbacks))).encode()), caplog)
