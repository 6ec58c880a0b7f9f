"""Whatever an address or a call of a callback holds: an answer or a refusal, never an error of ours."""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from console_marts import Console
from dash import Dash
from hypothesis import HealthCheck, event, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from starlette.types import ASGIApp

from qoescope.serve import app, auth, console
from qoescope.serve.calls import Id
from qoescope.serve.jobs.desk import Desk, desk
from qoescope.serve.safety import cookie_key

pytestmark = pytest.mark.live
CALL = "/_dash-update-component"
PATHS = ("/", "/live", "/explore", "/incidents", "/sessions", "/engagement", "/experiments", "/health", "/rules")
KNOWN = {
    "t": ("1h", "24h", "90d", "x"), "p": ("demo", "other"), "m": ("plays", "startup_p95_ms", "viewers", "live_x"),
    "by": ("isp", "content_id", "device_type"), "vs": ("before", "rest", "filter", "none"),
    "vf": ("device_type:web", "device_type:web;isp:x", ":", ";"), "q": ("s1",), "kind": ("failed", "open", "all"),
    "f": ("device_type:web", "!isp:x", "app_version:%00", "isp:", "isp:\\,", "x:y", "isp:a,b,c"),
    "from": ("2026-01-01", "0001-01-01", "9999-12-31T23:59", "2026-13-01", "2026-01-01T00:00+14:00"),
    "to": ("2026-01-02", "9999-12-31", "1970-01-01", "2199-12-31T23:59-12:00"), "arms": ("device_type", "variant"),
    "after": ("2026-01-01|s1", "9999-12-31T23:59:59|x", "|", "x|"), "base": ("web",), "identity": ("x",),
    "split": ("50 50", "inf inf", "nan nan", "1e308 1e308", "1 1 1", "-1 2"), "x": ("",),
}  # fmt: skip
TEXT = st.text(max_size=12)
HOSTILE = st.sampled_from(["\x00", "\r\nX: y", "\u2028", "'\";--", "../..", "%", "\\", "<script>", "{}", "🎬"]) | TEXT
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SMALL = budget(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query of what pages know and of what nobody knows."""
    pairs = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(sorted(KNOWN)) | HOSTILE)
        pairs.append((name, draw(st.sampled_from(KNOWN.get(name, ("",))) | HOSTILE)))
    return "?" + urlencode(pairs) if pairs else draw(st.sampled_from(["", "?", "?&=", "x"]))


PAGES = st.sampled_from(PATHS) | st.builds(
    "{}/{}".format, st.sampled_from(["/sessions", "/incidents", ""]), HOSTILE | st.sampled_from(["SESSION", "one"])
)


@dataclass(frozen=True)
class Inside:
    """Asks an app in this process."""

    app: ASGIApp
    headers: dict[str, str]

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._asked("GET", path, b""))

    def post(self, path: str, content: str | bytes) -> httpx.Response:
        return asyncio.run(self._asked("POST", path, content))

    async def _asked(self, method: str, path: str, content: str | bytes) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=self.headers) as client:
            return await client.request(method, path, content=content)


@pytest.fixture(scope="module")
def at(small: Console) -> Iterator[Desk]:
    opened = desk(small.settings)
    with opened.reader, opened.writer:
        yield opened


@pytest.fixture(scope="module")
def operator(at: Desk) -> Inside:
    """The whole app in this process, with an operator signed in."""
    key = cookie_key(at.settings)
    user = at.user("otto")
    assert user is not None
    cookie = auth.Logins(key).cookie("otto", auth.version(user))
    headers = {"Origin": "http://testserver", "Cookie": f"{auth.COOKIE}={cookie}", "Content-Type": "application/json"}
    return Inside(app.built(at, key), headers)


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """Dash's callbacks that run here, by their outputs."""
    made: Dash = console.built()
    made.server.test_client().get("/")
    return {name: one for name, one in made.callback_map.items() if "callback" in one}


def checked(answer: Any, caplog: pytest.LogCaptureFixture) -> int:
    assert answer.status_code < 500, answer.text
    wrong = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert wrong == []
    event(str(answer.status_code))
    return int(answer.status_code)


def part(spec: dict[str, str], value: Any) -> Any:
    if spec["id"].startswith("{"):
        identity: Id = {name: "x" if isinstance(want, list) else want for name, want in json.loads(spec["id"]).items()}
        return [{"id": identity, "property": spec["property"], "value": value}]
    return {"id": spec["id"], "property": spec["property"], "value": value}


def call(output: str, spec: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    """A call of this callback with these values, changed by its first input."""
    declared = spec["output"] if isinstance(spec["output"], list | tuple) else [spec["output"]]
    outputs = [{"id": one.component_id, "property": one.component_property} for one in declared]
    parts = [part(one, value) for one, value in zip([*spec["inputs"], *spec["state"]], values, strict=True)]
    first = parts[0][0] if isinstance(parts[0], list) else parts[0]
    name = first["id"] if isinstance(first["id"], str) else json.dumps(first["id"], separators=(",", ":"))
    many = isinstance(spec["output"], list | tuple)
    return {
        "output": output, "outputs": outputs if many else outputs[0], "inputs": parts[: len(spec["inputs"])],
        "state": parts[len(spec["inputs"]) :], "changedPropIds": [f"{name}.{first['property']}"],
    }  # fmt: skip


@SMALL
@given(path=PAGES, query=queries())
def test_a_page_is_shown_or_says_what_is_wrong(
    operator: Inside, small: Console, known: dict[str, Any], caplog: pytest.LogCaptureFixture, path: str, query: str
) -> None:
    caplog.clear()
    path = path.replace("SESSION", small.marts.session_id)
    output = next(name for name in known if "_pages_content.children" in name)
    spec = known[output]
    given = {"pathname": path, "search": query}
    values = [given[one["property"]] for one in [*spec["inputs"], *spec["state"]]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent = json.dumps(call(output, spec, values))
        assert checked(operator.post(CALL, content=sent), caplog) in (200, 422)
        checked(operator.get(quote(path) + query), caplog)


@SMALL
@given(data=st.data())
def test_a_callback_answers_or_refuses(
    operator: Inside, known: dict[str, Any], caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    caplog.clear()
    output = data.draw(st.sampled_from(sorted(known)))
    spec = known[output]
    likely = {
        "search": queries(), "pathname": PAGES, "n_clicks": st.integers(0, 2) | st.none(), "n_intervals": st.integers(),
        "value": st.sampled_from(["device_type", "0.05", "above", "warning", "isp:x", "nan", "plays", 5, 1e300, None]),
    }  # fmt: skip
    names = [one["property"] for one in [*spec["inputs"], *spec["state"]]]
    values = [data.draw(likely.get(name, VALUES) | VALUES) for name in names]
    body = call(output, spec, values)
    if data.draw(st.booleans()):
        body["changedPropIds"] = []
    checked(operator.post(CALL, content=json.dumps(body)), caplog)


@SMALL
@given(data=st.data())
def test_a_broken_call_is_refused(
    operator: Inside, known: dict[str, Any], caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    caplog.clear()
    output = data.draw(st.sampled_from(sorted(known)))
    spec = known[output]
    body: Any = call(output, spec, ["" for _ in [*spec["inputs"], *spec["state"]]])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(
            st.sampled_from([body, *body.get("inputs", []), *body.get("state", [])]) if body else st.none()
        )
        if isinstance(place, dict) and place:
            place[data.draw(st.sampled_from(sorted(place)) | HOSTILE)] = data.draw(VALUES)
        if not all(isinstance(body.get(name), list) for name in ("inputs", "state")):
            break
    checked(operator.post(CALL, content=json.dumps(body)), caplog)


@SMALL
@given(content=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_refused(operator: Inside, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    caplog.clear()
    assert checked(operator.post(CALL, content=content), caplog) == 422
