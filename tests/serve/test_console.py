"""The console as an app: every page is there under its question, and nothing comes from elsewhere."""

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import dash
import pytest
from starlette.types import Message, Receive, Scope, Send

from qoescope.serve.console import dash_app, pages
from qoescope.serve.console.page_list import PAGES
from qoescope.serve.web.app import content_security_policy
from qoescope.serve.web.sign_in import sign_in_page
from qoescope.serve.web.static_files import CachedFiles

ASSETS = Path(dash_app.__file__).parents[1] / "assets"


@pytest.fixture(scope="module")
def app() -> dash.Dash:
    built = dash_app.build_console()
    built.server.test_client().get("/")
    return built


def test_every_page_of_the_list_is_registered_under_its_address_and_its_question(app: dash.Dash) -> None:
    assert app.config.title == "qoescope"
    titles = {page["path_template"] or page["path"]: page["title"] for page in dash.page_registry.values()}
    assert titles == {page.path: page.title for page in PAGES}
    assert all(title.endswith("?") for title in titles.values())


def test_every_module_of_a_page_is_in_the_list_once() -> None:
    modules = sorted(path.stem for path in Path(pages.__file__).parent.glob("[a-z]*.py"))
    assert sorted(page.module for page in PAGES) == modules


def test_no_page_holds_sql() -> None:
    sql = re.compile(r"\bselect\b[^.]*\bfrom\b|store\.rows\(")
    sources = {path.name: path.read_text() for path in Path(dash_app.__file__).parent.rglob("*.py")}
    assert [name for name, source in sources.items() if sql.search(source)] == []


def test_the_page_loads_nothing_from_elsewhere(app: dash.Dash) -> None:
    index = app.server.test_client().get("/").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', index)
    assert loaded
    assert not [address for address in loaded if not address.startswith("/")]


def test_no_asset_speaks_of_another_host() -> None:
    for file in ASSETS.iterdir():
        if file.suffix in (".js", ".css"):
            assert "http://" not in file.read_text()
            assert "https://" not in file.read_text()


def test_scripts_are_named_one_by_one(app: dash.Dash) -> None:
    said = content_security_policy(list(app.csp_hashes()))
    scripts = said.split("script-src ")[1].split(";")[0].split()
    assert scripts[0] == "'self'"
    assert len(scripts) > 1
    assert all(source.startswith("'sha256-") for source in scripts[1:])


def test_the_sign_in_page_says_back_only_text() -> None:
    page = sign_in_page('/"><script>', "<b>", '"><script>')
    assert "<script>" not in page.replace('<script src="/assets/early.js"></script>', "")
    assert "&lt;b&gt;" in page


class Sender:
    """Gathers what an app sends."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.sent.append(message)


async def nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def fetched(app: CachedFiles, path: str, accepts: bytes) -> tuple[dict[bytes, bytes], bytes]:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"m=1",
        "headers": [(b"accept-encoding", accepts)],
    }
    sender = Sender()
    asyncio.run(app(scope, nothing, sender))
    start, body = sender.sent
    return dict(start["headers"]), body["body"]


def test_a_script_is_packed_once_and_sent_as_the_browser_takes_it() -> None:
    asked = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/javascript")]})
        await send({"type": "http.response.body", "body": b"x" * 4000})

    statics = CachedFiles(app)
    headers, packed = fetched(statics, "/assets/console.js", b"gzip, br")
    assert headers[b"content-encoding"] == b"gzip"
    assert b"immutable" in headers[b"cache-control"]
    assert gzip.decompress(packed) == b"x" * 4000
    headers, plain = fetched(statics, "/assets/console.js", b"identity")
    assert b"content-encoding" not in headers
    assert plain == b"x" * 4000
    assert asked == ["/assets/console.js"]
