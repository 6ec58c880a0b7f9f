"""Signing in: who may see what, and what a stranger gets."""

from collections.abc import Iterator

import httpx
import pytest
from console_marts import Console

pytestmark = pytest.mark.live


@pytest.fixture
def stranger(served: Console) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=120) as client:
        yield client


def signed_in(client: httpx.Client, name: str, password: str) -> httpx.Response:
    form = {"name": name, "password": password, "next": "/explore"}
    return client.post("/sign-in", data=form, headers={"Origin": str(client.base_url).rstrip("/")})


def test_a_stranger_is_led_to_the_door_and_back(stranger: httpx.Client) -> None:
    answer = stranger.get("/explore?t=7d")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/explore%3Ft%3D7d")
    assert (
        stranger.post(
            "/_dash-update-component", json={}, headers={"Origin": str(stranger.base_url).rstrip("/")}
        ).status_code
        == 401
    )


def test_a_login_is_a_cookie_that_scripts_do_not_see(stranger: httpx.Client) -> None:
    answer = signed_in(stranger, "ravi", "ravi's password")
    assert (answer.status_code, answer.headers["location"]) == (303, "/explore")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert stranger.get("/explore").status_code == 200


def test_a_wrong_password_is_refused_without_saying_what_was_wrong(stranger: httpx.Client) -> None:
    known, unknown = signed_in(stranger, "ravi", "wrong"), signed_in(stranger, "nobody", "wrong")
    assert (known.status_code, unknown.status_code) == (401, 401)
    assert known.text.replace("ravi", "") == unknown.text.replace("nobody", "")


def test_after_ten_failures_even_the_right_password_waits(stranger: httpx.Client) -> None:
    for _ in range(10):
        assert signed_in(stranger, "guessed", "wrong").status_code == 401
    answer = signed_in(stranger, "guessed", "wrong")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 600


def test_nothing_is_changed_by_a_page_from_elsewhere(stranger: httpx.Client) -> None:
    form = {"name": "ravi", "password": "ravi's password"}
    assert stranger.post("/sign-in", data=form, headers={"Origin": "http://evil.example"}).status_code == 403
    signed_in(stranger, "ada", "ada's password")
    note = {"starts_at": "2026-01-31T20:00:00Z", "text": "from elsewhere"}
    refused = stranger.post("/api/v1/annotations", json=note, headers={"Origin": "http://evil.example"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")


def test_every_answer_keeps_to_itself(stranger: httpx.Client) -> None:
    signed_in(stranger, "ravi", "ravi's password")
    for path in ("/", "/sign-in", "/api/v1/metrics", "/assets/console.css"):
        headers = stranger.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
        assert headers["x-content-type-options"] == "nosniff"
    assert stranger.get("/").headers["cache-control"] == "no-store"


def test_a_reader_sees_only_its_own_property(stranger: httpx.Client) -> None:
    signed_in(stranger, "ravi", "ravi's password")
    assert stranger.get("/api/v1/overall", params={"metric": "plays", "property": "demo"}).status_code == 200
    assert stranger.get("/api/v1/overall", params={"metric": "plays", "property": "other"}).status_code == 404
    origin = {"Origin": str(stranger.base_url).rstrip("/")}
    note = {"starts_at": "2026-01-31T20:00:00Z", "text": "by a reader"}
    assert stranger.post("/api/v1/annotations", json=note, headers=origin).status_code == 403
    assert stranger.post("/api/v1/incidents/one/acknowledge", headers=origin).status_code == 403


def test_signing_out_ends_the_login(stranger: httpx.Client) -> None:
    signed_in(stranger, "ravi", "ravi's password")
    stranger.post("/sign-out", headers={"Origin": str(stranger.base_url).rstrip("/")})
    assert stranger.get("/explore").status_code == 303


def test_a_forged_cookie_names_nobody(stranger: httpx.Client) -> None:
    stranger.cookies.set("qoescope_login", "WyJhZGEiLDBd.aaaa.bbbb")
    assert stranger.get("/").status_code == 303
