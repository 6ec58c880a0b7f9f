"""The beacon in a real browser: what the viewer does and suffers is what the collector hears."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright
from until import until

from qoescope.catalog.events import TRANSITIONS
from qoescope.ingest import app
from qoescope.stack import media

pytestmark = pytest.mark.live
SOON_S = 60
STATIC = Path(app.__file__).parent / "static"
PAGE = b"""<!doctype html><video id="video" muted width="640"></video><script src="/v1/qoescope.js"></script>"""
WATCH = "w = qoescope.watch(video, {url: '/v1/beacons', key: 'qw_x', session: {content_id: 'film', viewer_id: 'me'}})"


class Collector(BaseHTTPRequestHandler):
    """Serves the page and a film; keeps what is sent, after refusing the first request."""

    protocol_version = "HTTP/1.1"
    film: ClassVar[Path]
    heard: ClassVar[list[dict[str, Any]]] = []
    refusals: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.refusals:
            self.refusals.append(self.path)
            self._answer(503, b"")
            return
        self.heard.append({"path": self.path, "key": self.headers["Authorization"]} | json.loads(body))
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        files = {"/v1/qoescope.js": STATIC / "qoescope.js", "/film.mp4": self.film}
        if path in files:
            kind = "text/javascript" if path.endswith(".js") else "video/mp4"
            self._answer(200, files[path].read_bytes(), kind)
        else:
            self._answer(200, PAGE, "text/html")

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "Chromium is not installed: make setup"
    Collector.film = media.make_clip(tmp_path / "film.mp4", seconds=20)
    Collector.heard.clear()
    Collector.refusals.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as browsers:
        switches = ["--autoplay-policy=no-user-gesture-required", "--no-sandbox"]
        browser = browsers.chromium.launch(executable_path=chromium, args=switches)
        shown = browser.new_page()
        shown.set_default_timeout(SOON_S * 1000)
        shown.goto(f"http://127.0.0.1:{server.server_port}/")
        yield shown
        browser.close()
    server.shutdown()
    server.server_close()


def once(page: Page, condition: str, then: str) -> None:
    """Does it in the page in the moment in which the condition holds: on a busy machine that may be a short one."""
    page.wait_for_function(f"({condition}) && (({then}), true)")


def events() -> list[dict[str, Any]]:
    """Each event once, in order."""
    heard = {(b["session"]["session_id"], e["seq"]): e for b in Collector.heard for e in b["events"]}
    return [heard[who] for who in sorted(heard)]


def turns(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the viewer did, without what a busy machine adds to it: it may stall."""
    quiet = ("heartbeat", "rendition_update", "player_resize", "visibility_change", "playback_stall")
    return [e for e in told if e["type"] not in quiet and (e["type"], e["state"]) != ("playback_start", "stalled")]


def whole() -> list[dict[str, Any]] | None:
    """All events of the one session, once none is missing up to its end."""
    told = events()
    ended = bool(told) and told[-1]["type"] == "playback_finish"
    return told if ended and [e["seq"] for e in told] == list(range(1, len(told) + 1)) else None


def test_a_viewer_plays_seeks_pauses_and_leaves(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}")
    page.wait_for_function("video.readyState >= 3")
    page.evaluate("video.play()")
    once(page, "video.currentTime > 1 && w.state === 'playing'", "video.currentTime = 10")
    once(page, "video.currentTime > 11 && w.state === 'playing'", "video.pause()")
    page.wait_for_function("w.state === 'paused'")
    page.evaluate("video.play()")
    page.wait_for_function("video.currentTime > 12 && w.state === 'playing'")
    page.goto("about:blank")
    told = until(whole, SOON_S, "the exit, and all that was sent before it by another way")
    assert [e["type"] for e in turns(told)] == [
        "playback_request", "playback_start", "seek_start", "seek_end", "playback_pause", "playback_request",
        "playback_start", "playback_finish",
    ]  # fmt: skip
    assert told[-1]["reason"] == "exited"
    states = ["idle"]
    for e in told:
        assert e["state"] == states[-1]
        states.append(TRANSITIONS.get((e["state"], e["type"]), e["state"]))
    start = next(e for e in told if e["type"] == "playback_start")
    assert start["startup_ms"] == start["state_ms"]
    length = sum(e["state_ms"] for e in told[1:])
    assert abs(length - (told[-1]["at"] - told[0]["at"])) <= len(told)


def test_what_was_refused_is_sent_again_and_the_exit_by_its_own_way(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    page.wait_for_function("w.started && w.post.batches.length === 0")
    assert (Collector.refusals, Collector.heard[0]["key"]) == (["/v1/beacons"], "Bearer qw_x")
    assert Collector.heard[0]["events"][0]["type"] == "playback_request"
    page.goto("about:blank")
    until(lambda: any(beacon["path"] == "/v1/beacons?key=qw_x" for beacon in Collector.heard), SOON_S, "the exit")


def test_the_end_is_told_and_another_press_of_play_is_another_session(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    page.wait_for_function("w.state === 'playing' && video.duration > 0")
    page.evaluate("video.currentTime = video.duration - 0.3")
    page.wait_for_function("w.closed")
    page.evaluate("video.currentTime = 0; video.play()")
    page.wait_for_function("!w.closed && w.state === 'playing'")
    page.evaluate("video.pause(); w.error('DECODE', {fatal: true}); w.end()")
    page.wait_for_function("w.post.batches.length === 0")
    ends = {(b["session"]["session_id"], e["type"], e.get("reason")) for b in Collector.heard for e in b["events"]}
    assert len({session for session, _, _ in ends}) == 2
    assert {("playback_finish", "finished"), ("playback_fail", None)} <= {(kind, reason) for _, kind, reason in ends}


def test_a_missing_film_is_a_failed_start(page: Page) -> None:
    page.evaluate(f"{WATCH}; video.src = 'data:video/mp4;base64,AAAA'; video.play().catch(() => 0)")
    page.wait_for_function("video.error && w.state === 'starting'")
    page.evaluate("w.stop()")
    page.wait_for_function("w.closed && w.post.batches.length === 0")
    last = events()[-1]
    assert (last["type"], last["state"], last["error_code"]) == ("playback_fail", "starting", "MEDIA_ERR_4")


def test_a_stitched_ad_is_an_ad_without_a_wait(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    once(page, "w.state === 'playing' && video.currentTime > 0.5", "w.adBreakStart({stitched: true}), w.adBreakStart()")
    told = "w.adBreakEnd(), w.error('SLOW_AD'), w.cdn('one'), w.cdn('two')"
    once(page, "w.state === 'playing' && video.currentTime > 1.5", told)
    once(page, "w.state === 'playing'", "w.stop()")
    page.wait_for_function("w.post.batches.length === 0")
    assert [(e["type"], e["state"], e.get("ad", False)) for e in turns(events())][2:] == [
        ("ad_break_start", "playing", False),
        ("playback_start", "resuming", True),
        ("ad_break_end", "playing", True),
        ("error", "resuming", False),
        ("cdn_change", "resuming", False),
        ("playback_start", "resuming", False),
        ("playback_finish", "playing", False),
    ]
    finish = events()[-1]
    assert (finish["cdn"], finish["reason"]) == ("two", "exited")


def test_what_happens_offline_is_told_later(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    page.wait_for_function("w.started && w.post.batches.length === 0")
    page.context.set_offline(True)
    page.evaluate("video.pause()")
    page.wait_for_function("w.state === 'paused'")
    page.evaluate("w.post.flush()")
    page.context.set_offline(False)
    page.wait_for_function("w.post.batches.length === 0")
    assert events()[-1]["type"] == "playback_pause"


def sessions() -> dict[str, list[str]]:
    """What the viewer did in each session, in the order in which they began."""
    heard: dict[str, dict[int, dict[str, Any]]] = {}
    for beacon in Collector.heard:
        heard.setdefault(beacon["session"]["session_id"], {}).update({e["seq"]: e for e in beacon["events"]})
    return {who: [e["type"] for e in turns([told[seq] for seq in sorted(told)])] for who, told in heard.items()}


def test_a_loop_is_neither_a_seek_nor_an_end(page: Page) -> None:
    page.evaluate(f"video.loop = true; video.src = '/film.mp4'; {WATCH}")
    page.wait_for_function("video.readyState >= 3")
    page.evaluate("video.currentTime = video.duration - 1; video.play()")
    page.wait_for_function("video.currentTime > video.duration - 0.8")
    once(page, "video.currentTime > 0.5 && video.currentTime < 10", "w.stop()")
    page.wait_for_function("w.post.batches.length === 0")
    assert list(sessions().values()) == [["playback_request", "playback_start", "playback_finish"]]


def test_an_element_that_plays_by_itself_was_asked_to_when_it_began_to_load(page: Page) -> None:
    moving = "video.addEventListener('playing', () => { startup = performance.now() - begun; }, {once: true})"
    page.evaluate(
        f"begun = performance.now(); startup = 0; video.autoplay = true; video.src = '/film.mp4'; {WATCH}; {moving}"
    )
    page.wait_for_function("w.started && w.post.batches.length === 0")
    start = next(e for e in events() if e["type"] == "playback_start")
    assert abs(start["startup_ms"] - page.evaluate("startup")) < 50


def test_another_source_in_the_same_element_is_another_viewing(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    once(
        page, "w.state === 'playing'", "first = w.id, w.setContent({content_id: 'next'}), video.src = '/film.mp4?next'"
    )
    page.evaluate("video.play()")
    once(page, "w.state === 'playing' && w.id !== first", "w.stop()")
    page.wait_for_function("w.post.batches.length === 0")
    assert list(sessions().values()) == [["playback_request", "playback_start", "playback_finish"]] * 2
    assert [b["session"]["content_id"] for b in (Collector.heard[0], Collector.heard[-1])] == ["film", "next"]


def test_a_page_that_is_shown_again_goes_on_with_its_viewing(page: Page) -> None:
    page.evaluate(f"video.src = '/film.mp4'; {WATCH}; video.play()")
    once(page, "w.state === 'playing'", "window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert page.evaluate("w.closed")
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    once(page, "w.state === 'playing'", "w.stop()")
    page.wait_for_function("w.post.batches.length === 0")
    assert list(sessions().values()) == [
        [
            "playback_request",
            "playback_start",
            "playback_finish",
            "playback_request",
            "playback_start",
            "playback_finish",
        ]
    ]
