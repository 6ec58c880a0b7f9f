"""The gate while Postgres is away: who asks is told so, and strangers see only what is open."""

import asyncio
import logging
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from qoescope.connect.postgres import pool
from qoescope.serve.store.store import Store
from qoescope.serve.web import app, static_files
from qoescope.settings import Settings

HERE = "http://testserver"


@pytest.fixture(scope="module")
def whole() -> Iterator[ASGIApp]:
    nowhere = SecretStr("host=127.0.0.1 port=1 user=nobody dbname=none")
    away = Settings(reader_dsn=nowhere, writer_dsn=nowhere, connection_wait_s=0.01, console_body_timeout_s=0.2)
    store = Store(away, pool(away, "reader", 1), pool(away, "writer", 1))
    with store.reader, store.writer:
        yield app.build_app(store, b"k" * 32)


def asked(whole: ASGIApp, method: str, path: str, **more: object) -> httpx.Response:
    async def one() -> httpx.Response:
        headers = {"Origin": HERE}
        transport = httpx.ASGITransport(whole)
        async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(one())


def test_who_signs_in_while_postgres_is_away_is_told_and_tries_as_often_as_they_like(
    whole: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(12):
        answer = asked(whole, "POST", "/sign-in", data={"name": "ada", "password": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR and r.name.startswith("qoescope")]


@pytest.mark.parametrize("path", ["/assets/none", "/assets/", "/assets//etc/passwd", "/_dash-component-suites/",
                                  "/_dash-component-suites//x", "/_dash-component-suites/dash"])  # fmt: skip
def test_what_is_no_script_is_not_there_for_a_stranger(whole: ASGIApp, path: str) -> None:
    assert asked(whole, "GET", path).status_code in (308, 404)


def test_names_that_a_stranger_makes_up_are_not_kept(whole: ASGIApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_files, "MOST_FILES", 3)
    for n in range(5):
        asked(whole, "GET", f"/assets/made-up-{n}")
        asked(whole, "GET", f"/assets/console.css?m={n}")
    first = asked(whole, "GET", "/assets/console.js").headers
    again = asked(whole, "GET", "/assets/console.js").headers
    assert first["content-length"] == again["content-length"]


@pytest.mark.parametrize("path", ["/sign-inx", "/alivex", "/sign-in/x", "//sign-in", "/nowhere"])
def test_open_is_what_is_named_and_nothing_that_begins_so(whole: ASGIApp, path: str) -> None:
    answer = asked(whole, "GET", HERE + path)
    assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in")


def test_a_body_is_counted_while_it_comes_and_timed(whole: ASGIApp) -> None:
    async def endless() -> object:
        for _ in range(1000):
            yield b"x" * 65_536

    async def slow() -> object:
        yield b"na"
        await asyncio.Event().wait()

    assert asked(whole, "POST", "/sign-in", content=endless()).status_code == 413
    assert asked(whole, "POST", "/sign-in", content=slow()).status_code == 408
