"""CMCD from players to the session's row: what a real player says of itself is what the marts hold of it."""

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, CDPSession, Page, Response, sync_playwright
from until import until
from whole_stack import Stack

from qoescope.ingest.jobs import manage_keys
from qoescope.stack import media

pytestmark = pytest.mark.live
TENANT = "cmcd"
FILM_S = 24
CLOSED_S = 600.0
PATIENCE_MS = 600_000
HTML = """<!doctype html><video id="video" muted width="426"></video><script src="/demo/media/players/{0}.js"></script>
<script src="/v1/qoescope.js"></script><script src="/demo/media/players.js"></script>"""
SWITCHES = ["--autoplay-policy=no-user-gesture-required", "--no-sandbox", "--disable-renderer-backgrounding"]
TOLD = ("startup_ms", "stall_count", "stall_ms")


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    """A write key of a property that only speaks CMCD."""
    return manage_keys.create_key(stack.settings, TENANT)


@pytest.fixture(scope="module")
def recorded(stack: Stack, key: str) -> None:
    """Reports are sent: those that hls.js once sent, of a play whose start nobody saw, of a media request alone."""
    lines = Path(__file__).parents[1] / "sources" / "hls_js_1_7_4.cmcd"
    told = lines.read_text().replace("381e729d-1520-4863-aa8b-309d5d42ef07", "recorded").splitlines()
    joined = ['e=ps,sid="joined",sta=p,ts=1795507709000,v=2', 'e=ps,sid="joined",sta=q,ts=1795507714000,v=2']
    for part in (told[:7], told[7:], told[7:], joined):  # a batch comes twice, as after a 503
        sent = httpx.post(f"{stack.door}/v1/cmcd/{key}", content="\n".join(part), timeout=60)
        assert sent.status_code == 204
    asked = 'br=3000,d=4000,ot=v,sf=d,sid="requests",st=v'
    assert httpx.get(f"{stack.door}/v1/cmcd/{key}", params={"CMCD": asked}, timeout=60).status_code == 204


def sessions(stack: Stack, *ids: str) -> dict[str, dict[str, Any]]:
    """Rows of these sessions once all of them are there, by id."""
    columns = ("session_id", "source", "is_play", *TOLD, "bitrate_avg_kbps", "play_ms", "content_id", "close_reason")

    def there() -> list[tuple[Any, ...]] | None:
        rows = stack.rows(f"select {', '.join(columns)} from sessions where session_id = any(%s)", list(ids))
        return rows if len(rows) == len(ids) else None

    found = until(there, CLOSED_S, f"sessions {', '.join(ids)} close", every_s=1)
    return {row[0]: dict(zip(columns, row, strict=True)) for row in found}


@dataclass
class Shown:
    """A player at work in a page of its own."""

    name: str
    sid: str
    page: Page
    network: CDPSession
    served: list[dict[str, Any]] = field(default_factory=list)
    """The media it was given, as a CDN would tell of it."""
    reported: str = ""
    """The reports that the collector has taken."""

    def speed(self, kbps: int) -> None:
        """The network from now on, also for what is under way; 0 for as fast as it goes."""
        throughput = kbps * 125 if kbps else -1
        self.network.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": 0, "downloadThroughput": throughput, "uploadThroughput": -1,
        })  # fmt: skip

    def answered(self, answer: Response) -> None:
        """Keeps what was asked and told."""
        if "/film/" in answer.url:
            self.served.append({"at": round(time.time() * 1000), "url": answer.url, "status": answer.status})
        elif "/v1/cmcd/" in answer.url and answer.request.method == "POST":
            self.reported += f"{answer.request.post_data}\n"

    @property
    def asked(self) -> list[set[str]]:
        """What it said with each request, member by member."""
        queries = (parse_qs(urlsplit(line["url"]).query) for line in self.served)
        return [set(query["CMCD"][0].split(",")) for query in queries if "CMCD" in query]

    def once(self, condition: str) -> Any:
        """What the page's condition gives as soon as it holds."""
        return self.page.wait_for_function(condition, timeout=PATIENCE_MS).json_value()


@pytest.fixture
def browser(stack: Stack) -> Iterator[Browser]:
    """Chromium, and beside it the film, the players and their page, served by the collector."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "Chromium is not installed: make setup"
    folder = stack.settings.var / "media"
    media.make_film(folder / "film", FILM_S)
    media.fetch_players(folder / "players")
    shutil.copy(Path(__file__).parent / "players.js", folder)
    for player in media.PLAYERS:
        name = player.file.removesuffix(".js")
        (folder / f"{name}.html").write_text(HTML.format(name))
    with sync_playwright() as browsers:
        opened = browsers.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield opened
        opened.close()


def shown(browser: Browser, stack: Stack, key: str, name: str) -> Shown:
    """The player, about to begin on a network of 1 Mbit/s."""
    page, sid = browser.new_page(bypass_csp=True), str(uuid.uuid4())  # it would forbid the conditions below
    one = Shown(name, sid, page, page.context.new_cdp_session(page))
    page.on("response", one.answered)
    one.network.send("Network.enable")
    page.goto(f"{stack.door}/demo/media/{name}.html?player={name}&sid={sid}&key={key}")
    one.speed(1000)
    return one


def paused(one: Shown) -> bool:
    """Whether a report says so; the page is asked something, so that what it has sent is heard of."""
    one.page.evaluate("1")
    return "sta=a" in one.reported


def lived_through(players: list[Shown]) -> dict[str, dict[str, Any]]:
    """Each player starts slowly, starves once and plays on: what its element says of that, by player."""
    for one in players:
        one.page.evaluate("begin()")
    playing: list[Shown] = []

    def starved() -> bool:
        """Each in its own moment: while one begins late, another may come to the end of the film."""
        for one in players:
            if one not in playing and one.page.evaluate("truth.startup_ms !== null && video.currentTime > 0.5"):
                one.speed(1)
                playing.append(one)
        return len(playing) == len(players)

    until(starved, PATIENCE_MS / 1000, "each of them plays")
    for one in players:
        one.once("stalled !== null && performance.now() - stalled > 1500")
        one.speed(0)
    truths = {one.name: one.once("ended()") for one in players}
    for one in players:
        one.once("watcher.post.batches.length === 0")
        if one.name == "hls":
            until(partial(paused, one), CLOSED_S, "it says that it paused")
        one.page.close()  # hls.js would go on to say that it is there
    return truths


def test_what_players_say_in_chromium_is_what_their_element_lived_through(
    stack: Stack, key: str, recorded: None, browser: Browser, tmp_path: Path
) -> None:
    """The element's own events are the truth.

    Shaka 5.2.12 as built sends reports without `sta`, and dash.js speaks version 1 on its requests: both are observed,
    and neither has a row in `sessions`, where it would count as a play without a stall.
    """
    players = [shown(browser, stack, key, name) for name in ("hls", "dash", "shaka")]
    truths = lived_through(players)
    hls, dash, shaka = players
    rows = sessions(stack, *(truth["id"] for truth in truths.values()), hls.sid)
    for name, truth in truths.items():
        beacon = rows[truth["id"]]
        assert beacon["stall_count"] == truth["stall_count"] > 0, name
        assert abs(beacon["startup_ms"] - truth["startup_ms"]) <= 100, name
        assert abs(beacon["stall_ms"] - truth["stall_ms"]) <= 100, name
    told, truth = rows[hls.sid], truths["hls"]
    assert (told["source"], told["content_id"], told["stall_count"]) == ("cmcd_v2", "film", truth["stall_count"])
    assert abs(told["startup_ms"] - truth["startup_ms"]) <= 250
    assert abs(told["stall_ms"] - truth["stall_ms"]) <= 250

    def seen(of: Shown, columns: str) -> tuple[Any, ...]:
        sql = f"select source, content_id, {columns} from cmcd_sessions where session_id = %s"
        return until(lambda: stack.rows(sql, of.sid), CLOSED_S, f"{of.name} is observed")[0]

    source, content, startup_ms, requests, starved = seen(shaka, "startup_ms, request_count, starvation_count")
    assert (source, content, requests, starved) == ("cmcd_v2", "film", None, None)
    assert abs(startup_ms - truths["shaka"]["startup_ms"]) <= 250
    log = tmp_path / "cdn.log"
    log.write_text("\n".join(map(json.dumps, [*dash.served, *shaka.served])))
    imported = stack.command("cmcd", "import", str(log), "--property", TENANT)
    assert imported.returncode == 0, imported.stderr
    delivery = "request_count, requested_kbps > 0, top_kbps, buffer_count > 0"
    assert seen(dash, delivery) == ("cmcd_v1", "film", len(dash.asked), True, 2800, True)
    assert seen(shaka, delivery) == ("cmcd_v2", "film", len(shaka.asked), True, 2800, True)
    starved = any("bs" in said and said & {"ot=v", "ot=i"} for said in dash.asked)  # said with the request that follows
    assert seen(dash, "startup_ms, starvation_count > 0, throughput_count > 0")[2:] == (None, starved, True)
    assert stack.rows("select 1 from sessions where session_id = any(%s)", [dash.sid, shaka.sid]) == []


def test_reports_as_a_player_sent_them_become_a_session_in_postgres(stack: Stack, recorded: None) -> None:
    rows = sessions(stack, "recorded", "joined")
    wanted = {"source": "cmcd_v2", "startup_ms": 5, "stall_count": 1, "bitrate_avg_kbps": 2866, "is_play": True}
    assert {name: rows["recorded"][name] for name in wanted} == wanted
    wanted = {"startup_ms": None, "bitrate_avg_kbps": None, "play_ms": 5000, "close_reason": "exited"}
    assert {name: rows["joined"][name] for name in wanted} == wanted
    delivery = "select source, tells_states, requested_kbps, throughput_count, lost_reports from cmcd_sessions"
    seen = until(lambda: stack.rows(f"{delivery} where session_id = 'requests'"), CLOSED_S, "delivery is told")
    assert seen == [("cmcd_v1", False, 3000, None, None)]
    assert stack.rows("select session_id from sessions where session_id = 'requests'") == []
    books = (
        "select sum(received - duplicate - filtered)::int, sum(accepted)::int, sum(lake + reports)::int from outcomes"
    )
    ((told, accepted, lake),) = stack.rows(f"{books} where property = %s", TENANT)
    assert told == accepted == lake
