"""The web client's package: built from its source as it is served, small, ES5, and it plays in a fresh project."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from browsing import chromium
from until import until

from qoescope.ingest import app
from qoescope.stack import media

pytestmark = pytest.mark.sdk
WEB = Path(__file__).parents[2] / "sdk/web"
STATIC = Path(app.__file__).parent / "static"
SERVED = ("qoescope.js", "qoescope.js.map", "qoescope.d.ts")
SOON_S = 60.0
MOST_BYTES = {"core and HTML5": 7_000, "hls.js": 1_500, "dash.js": 1_500, "Shaka": 1_500, "video.js": 1_500}
NEWER = """
const fs = require("fs"), acorn = require("acorn");
const [file] = process.argv.slice(1), module = file.endsWith(".mjs"), found = new Set();
const options = module ? {ecmaVersion: 2015, sourceType: "module"} : {ecmaVersion: 5};
const tree = acorn.parse(fs.readFileSync(file, "utf8"), options);
const newer = /Arrow|Class|Template|Spread|Rest|Pattern|ForOf|Yield|Await|MetaProperty|Super/;
(function look(node) {
  if (!node || typeof node !== "object") return;
  const scoped = node.type === "VariableDeclaration" && node.kind !== "var";
  if (newer.test(node.type) || scoped || node.generator) found.add(node.type);
  if (node.type === "Property" && (node.shorthand || node.method || node.computed)) found.add("Property");
  Object.values(node).forEach(look);
})(tree);
console.log(JSON.stringify([...found]));
"""
"""What of a file's syntax is newer than ES5: all but the import and export of a module."""
PROJECT = {
    "private": True,
    "type": "module",
    "scripts": {"build": "vite build"},
    "devDependencies": {"vite": "6.4.6", "typescript": "5.9.3"},
}
PAGE = """<!doctype html><video id="video" muted width="640"></video><script type="module" src="/main.ts"></script>"""
PROGRAM = """import { watch, type Watcher } from "@qoescope/web";
import { hls } from "@qoescope/web/hls";

const video = document.getElementById("video") as HTMLVideoElement;
const watcher: Watcher = watch(video, { url: "/v1/beacons", key: "qw_x", session: { content_id: "film" } });
Object.assign(window, { watcher, hls });
video.src = "/film.mp4";
void video.play();
"""


def run(*command: str | Path, cwd: Path = WEB) -> str:
    """What the command prints; it has to succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of a build of now."""
    assert (WEB / "node_modules").is_dir(), "the packages of sdk/web are not installed: bin/setup test"
    shutil.rmtree(WEB / "dist", ignore_errors=True)
    run("npm", "run", "build", "--silent")
    return WEB / "dist"


def test_the_collector_serves_what_a_build_gives(built: Path) -> None:
    different = [name for name in SERVED if (built / name).read_bytes() != (STATIC / name).read_bytes()]
    assert different == [], "make sdk"


def test_it_is_strictly_typed() -> None:
    run("npx", "tsc", "--noEmit", "-p", ".")


def test_each_part_is_within_its_size(built: Path) -> None:
    parts = {part["name"]: part for part in json.loads(run("npx", "size-limit", "--json"))}
    assert {name for name, part in parts.items() if not part["passed"]} == set()
    assert {name for name, most in MOST_BYTES.items() if not 0 < parts[name]["size"] <= most} == set()


@pytest.mark.parametrize(
    "name", ["qoescope.js", "index.mjs", "hls.mjs", "dash.mjs", "shaka.mjs", "videojs.mjs", "all.mjs"]
)
def test_its_syntax_is_es5(built: Path, name: str) -> None:
    assert json.loads(run("node", "-e", NEWER, built / name)) == []


def test_the_parser_sees_what_is_newer(tmp_path: Path) -> None:
    (tmp_path / "new.mjs").write_text("let a = () => `${1}`; class B {}; for (const c of [...a]) {}; export {a}")
    found = set(json.loads(run("node", "-e", NEWER, tmp_path / "new.mjs")))
    assert {
        "VariableDeclaration",
        "ArrowFunctionExpression",
        "TemplateLiteral",
        "ClassDeclaration",
        "ForOfStatement",
    } <= found


class Site(BaseHTTPRequestHandler):
    """A built site, its film, and a collector that keeps what it gets."""

    folder: ClassVar[Path]
    film: ClassVar[Path]
    beacons: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.beacons.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"{}", "application/json")

    def do_GET(self) -> None:
        name = self.path.lstrip("/") or "index.html"
        file = self.film if name == "film.mp4" else self.folder / name
        kinds = {".html": "text/html", ".js": "text/javascript", ".mp4": "video/mp4"}
        self._answer(file.read_bytes() if file.is_file() else b"", kinds.get(file.suffix, "text/plain"))

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a fresh Vite project that installed the packed client, built and served."""
    packed = json.loads(run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", tmp_path))[0]["filename"]
    project = tmp_path / "site"
    project.mkdir()
    described = PROJECT | {"dependencies": {"@qoescope/web": f"file:../{packed}"}}
    for name, text in {"package.json": json.dumps(described), "index.html": PAGE, "main.ts": PROGRAM}.items():
        (project / name).write_text(text)
    run("npm", "install", "--no-audit", "--no-fund", cwd=project)
    strict = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
    run("npx", "tsc", *strict, "--lib", "es2022,dom", "main.ts", cwd=project)
    run("npm", "run", "build", cwd=project)
    Site.folder, Site.film = project / "dist", media.make_clip(tmp_path / "film.mp4", seconds=20)
    Site.beacons.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_fresh_project_installs_the_package_and_plays_with_it(site: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(site)
        page.wait_for_function("window.watcher && watcher.started", timeout=SOON_S * 1000)
        page.evaluate("watcher.stop()")
        until(lambda: any(e["type"] == "playback_finish" for b in Site.beacons for e in b["events"]), SOON_S, "the end")
    types = [event["type"] for beacon in Site.beacons for event in beacon["events"]]
    assert (types[0], types[-1]) == ("playback_request", "playback_finish")
    assert "playback_start" in types
    assert {beacon["session"]["content_id"] for beacon in Site.beacons} == {"film"}
