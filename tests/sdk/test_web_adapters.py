"""Adapters: what real libraries tell of a film in Chromium is in the events, and their failures end as viewers see."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from browsing import chromium
from playwright.sync_api import Page
from replayed import sessions_of

from qoescope.ingest import app
from qoescope.stack import media

pytestmark = pytest.mark.sdk
FILM_S = 24
SOON_MS = 90_000
SERVED = Path(app.__file__).parent / "static/qoescope.js"
KINDS = {".js": "text/javascript", ".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml"}
PAGE = """<!doctype html><video id="video" muted width="640"></video>
<script src="/players/{0}.js"></script><script src="/qoescope.js"></script>"""
MAKE = {
    "hls": """const quick = {maxTimeToFirstByteMs: 9000, maxLoadTimeMs: 9000, timeoutRetry: null, errorRetry: null};
        player = new Hls({enableWorker: false, maxBufferLength: 4, maxMaxBufferLength: 4,
            fragLoadPolicy: {default: quick}});
        player.loadSource('/film/master.m3u8'); player.attachMedia(video);""",
    "dash": """player = dashjs.MediaPlayer().create(); player.initialize(video, null, false);
        player.updateSettings({streaming: {buffer: {bufferTimeDefault: 4, bufferTimeAtTopQuality: 4}}});
        player.attachSource('/film/main.mpd');""",
    "shaka": """player = new shaka.Player(); player.configure({streaming: {bufferingGoal: 4}});
        player.attach(video).then(() => player.load('/film/main.mpd'));""",
}
NAMES = {"hls": ("hls.js", "hls"), "dash": ("dash.js", "dash"), "shaka": ("shaka", "dash")}
WATCH = "w = qoescope.watch(video, {url: '/v1/beacons', key: 'qw_x', player: player, session: {content_id: 'film'}})"
FROM_THE_MIDDLE = re.compile(r"chunk-stream\d-0000[3-6]\.m4s")


class Site(BaseHTTPRequestHandler):
    """Serves players, film and client; keeps the beacons that it is sent."""

    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]
    sent: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.sent.append({"body": json.loads(self.rfile.read(int(self.headers["Content-Length"])))})
        self._answer(200, b"{}", "application/json")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        file = SERVED if path == "/qoescope.js" else self.folder / path.lstrip("/")
        if path.startswith("/play/"):
            self._answer(200, PAGE.format(path.rpartition("/")[2]).encode(), "text/html")
        elif file.is_file():
            self._answer(200, file.read_bytes(), KINDS.get(file.suffix, "video/mp4"))
        else:
            self._answer(404, b"", "text/plain")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the film and the players."""
    Site.folder = tmp_path_factory.mktemp("site")
    media.make_film(Site.folder / "film", FILM_S)
    media.fetch_players(Site.folder / "players")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(site: str) -> Iterator[Page]:
    Site.sent.clear()
    with chromium() as browser:
        shown = browser.new_page()
        shown.set_default_timeout(SOON_MS)
        yield shown


def play(page: Page, site: str, library: str) -> None:
    """Plays the film until frames move."""
    page.goto(f"{site}/play/{library}")
    page.evaluate(f"() => {{ {MAKE[library]} {WATCH}; video.addEventListener('canplay', () => video.play()); }}")
    page.wait_for_function("w.started && video.currentTime > 1")


def session(page: Page) -> dict[str, Any]:
    """The one session, once all of it is there."""
    page.wait_for_function("w.post.batches.length === 0")
    (only,) = sessions_of(Site.sent)
    return only


@pytest.mark.parametrize("library", MAKE)
def test_a_library_tells_its_name_its_bitrate_its_codec_and_its_host(page: Page, site: str, library: str) -> None:
    play(page, site, library)
    page.wait_for_function("video.currentTime > 3")
    page.evaluate("w.stop()")
    told = session(page)
    last = told["events"][-1]
    context = Site.sent[-1]["body"]["session"]
    assert (context["player_name"], context["stream_format"]) == NAMES[library]
    assert context["player_version"] in {player.version for player in media.PLAYERS} | {
        "v" + p.version for p in media.PLAYERS
    }
    assert (context["video_codec"], context["cdn"], context["content_type"]) == ("avc", "127.0.0.1", "vod")
    assert last["bitrate_kbps"] > 300
    assert last["reason"] == "exited"


def test_a_fatal_error_of_hls_js_that_the_app_recovers_from_ends_no_viewing(page: Page, site: str) -> None:
    page.route(FROM_THE_MIDDLE, lambda route: route.fulfill(status=404))
    play(page, site, "hls")
    page.wait_for_function("w.state === 'stalled' || w.held")
    page.unroute(FROM_THE_MIDDLE)
    page.evaluate("player.startLoad()")
    page.wait_for_function("video.currentTime > 12 && w.state === 'playing'")
    page.evaluate("w.stop()")
    told = session(page)
    types = [event["type"] for event in told["events"]]
    assert "playback_fail" not in types
    assert "playback_stall" in types
    assert "error" in types
    assert types[-1] == "playback_finish"


def test_a_fatal_error_of_hls_js_that_nobody_mends_is_the_failure_at_which_the_picture_stopped(
    page: Page, site: str
) -> None:
    page.route(FROM_THE_MIDDLE, lambda route: route.fulfill(status=404))
    play(page, site, "hls")
    page.wait_for_function("w.held")
    page.evaluate("w.stop()")
    last = session(page)["events"][-1]
    assert (last["type"], last["state"], last["error_code"]) == ("playback_fail", "playing", "fragLoadError")
    assert last["playhead_ms"] == pytest.approx(page.evaluate("video.currentTime * 1000"), abs=100)
