"""The console under attack, from outside as anybody and from inside as a reader: it answers, and stays as it was."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from callbacks import CALL, HERE, call, routed, written
from console_marts import Console

from qoescope.connect import postgres
from qoescope.ingest.jobs import manage_keys
from qoescope.serve.auth import credentials
from qoescope.serve.web.gate import OPEN

pytestmark = pytest.mark.live
MIB = 1024 * 1024
SOON_S = 60.0


@pytest.fixture(scope="module")
def served(small: Console) -> Console:
    return small


def log(served: Console) -> str:
    return (served.settings.var / "log" / "console.log").read_text()


@pytest.fixture(autouse=True)
def quiet(served: Console) -> Iterator[None]:
    """Nothing that is done here is worth a traceback."""
    before = len(log(served))
    yield
    assert "Traceback" not in log(served)[before:]


def client(served: Console, address: str = "192.0.2.1") -> httpx.Client:
    headers = {"Origin": served.url, "X-Forwarded-For": address}
    return httpx.Client(base_url=served.url, timeout=120, headers=headers)


def sign_in(opened: httpx.Client, name: str, password: str = "") -> httpx.Response:
    form = {"name": name, "password": password or f"{name}'s password", "next": "/"}
    answer = opened.post("/sign-in", data=form)
    if credentials.COOKIE in answer.cookies:  # it is for TLS only, which the named proxy would speak
        opened.headers["Cookie"] = f"{credentials.COOKIE}={answer.cookies[credentials.COOKIE]}"
    return answer


@pytest.fixture(scope="module")
def people(served: Console) -> Iterator[dict[str, httpx.Client]]:
    """Signed in, each from an address of their own."""
    found = {name: client(served, f"198.51.100.{n}") for n, name in enumerate(("ada", "otto", "ravi", "token bob"))}
    for name, opened in found.items():
        assert sign_in(opened, name).status_code == 303
    yield found
    for opened in found.values():
        opened.close()


def memory(served: Console) -> int:
    (child,) = [
        process for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-1:] == ["console"] and str(served.settings.var) in str(process.environ())
    ]  # fmt: skip
    return int(child.memory_info().rss)


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/annotations", CALL, "/nowhere"])
def test_a_chunked_body_without_end_is_refused_before_it_is_held(served: Console, path: str) -> None:
    before, sent = memory(served), 0
    with socket.create_connection(("127.0.0.1", served.settings.console_port), timeout=SOON_S) as raw:
        raw.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {served.url[7:]}\r\nOrigin: {served.url}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        try:
            while sent < 100 * MIB:
                raw.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                sent += 65_536
        except OSError:  # it has hung up
            pass
    assert sent < 100 * MIB
    assert memory(served) - before < 16 * MIB


def test_a_body_that_comes_too_slowly_is_refused(served: Console) -> None:
    with socket.create_connection(("127.0.0.1", served.settings.console_port), timeout=SOON_S) as raw:
        raw.sendall(
            f"POST /sign-in HTTP/1.1\r\nHost: {served.url[7:]}\r\nOrigin: {served.url}\r\nContent-Length: 99\r\n\r\nna"
            .encode()
        )  # fmt: skip
        assert raw.recv(65_536).startswith(b"HTTP/1.1 408")


def test_sixty_guesses_side_by_side_are_ten(served: Console) -> None:
    with client(served, "203.0.113.60") as opened, ThreadPoolExecutor(60) as crowd:
        found = [r.status_code for r in crowd.map(lambda n: sign_in(opened, "ada", f"guess {n}"), range(60))]
    assert (found.count(401), found.count(429)) == (10, 50)
    with client(served, "203.0.113.61") as opened:
        assert sign_in(opened, "ada").status_code == 303


def test_a_login_ends_at_once_and_on_the_server(served: Console) -> None:
    with client(served, "203.0.113.70") as opened, client(served) as thief:
        sign_in(opened, "ravi")
        stolen = {"Cookie": opened.headers["Cookie"]}
        assert thief.get("/api/v1/health", headers=stolen).status_code == 200
        sign_in(opened, "ravi")
        other = {"Cookie": opened.headers["Cookie"]}
        assert opened.post("/sign-out", headers=stolen).status_code == 303
        assert thief.get("/api/v1/health", headers=stolen).status_code == 401
        assert thief.get("/api/v1/health", headers=other).status_code == 200


def test_a_write_key_reads_nothing(served: Console) -> None:
    key = manage_keys.create_key(served.settings, "demo")
    with client(served) as opened:
        for path in ("metrics", "health", "sessions", "exports/sessions", "overall?metric=plays&property=demo"):
            answer = opened.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 401


def test_only_exact_paths_are_open(served: Console) -> None:
    with client(served) as stranger:
        for path in (*OPEN, "/assets/console.css"):
            assert stranger.get(path).status_code in (200, 404), path
        for path in ("/sign-inx", "/alivex", "/sign-in/x", "/favicon.icox"):
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in")
        assert stranger.get("/_dash-layout").status_code == 401


@pytest.mark.parametrize("path", ["/_dash-component-suites/../x", "/_dash-component-suites/%2e%2e/x",
                                  "/_dash-component-suites/dash/nothing.js", "/_dash-component-suites/os/x.js",
                                  "/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/none"])  # fmt: skip
def test_a_static_path_that_is_none_is_not_there(served: Console, path: str) -> None:
    with socket.create_connection(("127.0.0.1", served.settings.console_port), timeout=SOON_S) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(65_536).startswith(b"HTTP/1.1 404")


def test_behind_tls_browsers_are_kept_to_it(served: Console) -> None:
    with client(served) as stranger:
        assert stranger.get("/sign-in").headers["strict-transport-security"] == "max-age=31536000"


def test_a_name_gives_no_rights(people: dict[str, httpx.Client]) -> None:
    note = {"starts_at": "2026-01-31T20:00:00Z", "text": "by a name"}
    for name, status in (("token bob", 403), ("ravi", 403), ("otto", 201)):
        assert people[name].post("/api/v1/annotations", json=note).status_code == status
        assert people[name].post("/api/v1/dead-letters/replay").status_code == (202 if status == 201 else 403)


def values(name: object, search: object) -> dict[str, object]:
    """A call for a dimension's values."""
    return call("filter-values.data", ("filter-name", "value", name), state=((*HERE, search),))


def test_calls_as_browsers_make_them_are_answered(people: dict[str, httpx.Client]) -> None:
    answer = people["ravi"].post(CALL, json=values("device_type", "?t=24h"))
    assert answer.status_code == 200
    assert answer.json()["response"]["filter-values"]["data"]
    assert people["ravi"].post(CALL, json=routed("/explore", "?t=24h")).status_code == 200


@pytest.mark.parametrize(
    ("name", "search", "says"),
    [
        ("device_type", "?p=other", "not one of yours"),
        ("device_type", "?f=app_version:%00", "invalid character"),
        ("nothing", "", "unknown dimension"),
    ],
)
def test_a_call_that_cannot_be_answered_is_refused_with_a_reason_and_an_id(
    people: dict[str, httpx.Client], name: str, search: str, says: str
) -> None:
    answer = people["ravi"].post(CALL, json=values(name, search))
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert len(answer.json()["request_id"]) == 12


def test_a_script_costs_once_whatever_its_address_says(served: Console) -> None:
    with client(served) as stranger:
        page = stranger.get("/sign-in").text
        assert "/assets/" in page
        first = stranger.get("/assets/console.js").content
        for n in range(30):
            answer = stranger.get("/assets/console.js", params={"m": n})
            assert answer.content == first
        made = [stranger.get(f"/_dash-component-suites/dash/deps/react@18.v1m{n}.3.1.min.js") for n in range(3)]
        assert {answer.status_code for answer in made} <= {200, 404}


def view(title: str = "", removed: str = "") -> dict[str, object]:
    """A call that saves a view, or removes one."""
    body = call(
        "..view-list.children...view-told.children..",
        ("view-save", "n_clicks", None if removed else 1),
        ([{"type": "view-remove", "view": removed}] if removed else [], "n_clicks", 1),
        state=(("view-title", "value", title), ("_pages_location", "pathname", "/explore"), (*HERE, "?by=isp")),
    )
    if removed:
        body["changedPropIds"] = [f"{written({'type': 'view-remove', 'view': removed})}.n_clicks"]
    return body


def told(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["response"]["view-told"]["children"])


def test_operators_share_views_and_remove_them_and_nobody_shares_without_end(
    served: Console, people: dict[str, httpx.Client]
) -> None:
    assert told(people["ravi"].post(CALL, json=view("by a reader"))) == "This needs the operator role."
    assert told(people["otto"].post(CALL, json=view("Providers"))) == "Saved as Providers."
    with postgres.connect(served.settings, "writer") as connection:
        ((identity,),) = connection.execute("select id from views").fetchall()
    removed = view(removed=identity)
    assert told(people["ravi"].post(CALL, json=removed)) == "This needs the operator role."
    assert told(people["otto"].post(CALL, json=removed)) == "Removed."
    with ThreadPoolExecutor(8) as crowd:
        said = list(crowd.map(lambda n: told(people["otto"].post(CALL, json=view(f"v{n}"))), range(110)))
    assert sum(one.startswith("Saved") for one in said) == 100
    assert sum("at most 100 views" in one for one in said) == 10
