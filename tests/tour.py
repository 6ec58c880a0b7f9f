"""A walk through the console: what README's recording shows, and the live tests do.

`python tests/tour.py`, beside a demo that is up, sends more traffic, walks, and writes docs/recording.gif.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Locator, Page, expect, sync_playwright

from qoescope.settings import Settings

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "docs" / "recording.gif"
WIDTH, HEIGHT = 1200, 720
READ_S, LOOK_S, MOVE_S = 2.8, 1.2, 0.06
"""How long a picture stays: with a new sentence to read, with something new to look at, and while the pointer moves."""
OVERVIEW = "Overview: viewers do worse than before, and an incident says why"
INCIDENT = "Incident: what broke, for whom, since when, and what else was considered"
SLICE = "Explore: the same slice beside the time before; one click narrows further"
SESSION = "Session: what one of these viewers lived through, state by state"
LIVE = "Live: who watches now, in windows of ten seconds"
CAPTIONS = (OVERVIEW, INCIDENT, SLICE, SESSION, LIVE)

DRAWN = """() => !document.querySelector('[data-dash-is-loading]') &&
  document.querySelectorAll('.graph .main-svg').length >= document.querySelectorAll('.graph').length"""
OVERLAY = """() => {
  const made = (id, style, inside) => {
    const box = document.createElement("div");
    box.id = id; box.innerHTML = inside; box.setAttribute("aria-hidden", "true");
    for (const [name, value] of Object.entries(style)) box.style.setProperty(name, value);
    document.body.append(box);
  };
  made("tour-caption", {position: "fixed", left: "50%", bottom: "18px", translate: "-50% 0", padding: "9px 20px",
    background: "#12161d", color: "#fff", font: "600 17px var(--font)", "border-radius": "999px", "z-index": 99,
    "white-space": "nowrap"}, "");
  made("tour-pointer", {position: "fixed", left: "600px", top: "420px", "z-index": 100, "pointer-events": "none"},
    '<svg width="24" height="30" viewBox="0 0 16 20"><path d="M1 1v15l4-3.6 2.6 6 2.6-1.2-2.6-5.8H13z" ' +
    'fill="#12161d" stroke="#fff" stroke-width="1.3"/></svg>');
}"""
PLACED = "([x, y]) => Object.assign(document.getElementById('tour-pointer').style, {left: x + 'px', top: y + 'px'})"
SAID = "(text) => { document.getElementById('tour-caption').textContent = text }"


class Camera(Protocol):
    """Keeps a picture of the page for so many seconds."""

    def __call__(self, page: Page, shown_s: float) -> None: ...


def unseen(page: Page, shown_s: float) -> None:
    """The camera of a walk that nobody films."""


@dataclass
class Walk:
    """Where the walk is, and who looks on."""

    page: Page
    camera: Camera = unseen
    at: tuple[float, float] = (600, 420)

    def say(self, caption: str) -> None:
        """The page is there; time to read what it is."""
        self.page.wait_for_function(DRAWN)
        self.page.evaluate(SAID, caption)
        self.camera(self.page, READ_S)

    def scroll(self, to: Locator) -> None:
        """Down to something, in steps that an eye can follow."""
        box = to.bounding_box()
        assert box is not None
        for _ in range(6):
            self.page.mouse.wheel(0, (box["y"] - 90) / 6)
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
            self.camera(self.page, MOVE_S)
        self.camera(self.page, LOOK_S)

    def click(self, what: Locator) -> None:
        """The pointer goes there and clicks; waits for what comes."""
        box = what.bounding_box()
        assert box is not None
        start, end = self.at, (box["x"] + min(box["width"], 160) / 2, box["y"] + min(box["height"], 40) / 2)
        for step in range(1, 7):
            self.at = tuple(a + (b - a) * step / 6 for a, b in zip(start, end, strict=True))  # type: ignore[assignment]
            self.page.evaluate(PLACED, self.at)
            self.camera(self.page, MOVE_S)
        self.camera(self.page, LOOK_S / 2)
        what.click()


def walk(page: Page, camera: Camera = unseen) -> None:
    """From the overview, which must be open, to what broke, for whom, one of its viewers, and what happens now."""
    page.evaluate(OVERLAY)
    on = Walk(page, camera)
    on.say(OVERVIEW)
    on.scroll(page.locator(".lower"))
    on.click(page.locator(".stories li").filter(has=page.locator(".critical")).locator("a").first)
    page.wait_for_selector("text=Summary")
    on.say(INCIDENT)
    on.click(page.get_by_role("link", name="Explore this slice"))
    page.wait_for_selector("#ex-metric")
    on.say(SLICE)
    on.scroll(page.locator("#ex-grid"))
    page.go_back()
    page.wait_for_selector(".ids")
    page.evaluate(SAID, INCIDENT)
    on.click(page.locator(".ids a").first)
    page.wait_for_selector(".legend")
    on.say(SESSION)
    on.scroll(page.locator(".two-one"))
    page.evaluate("() => scrollTo(0, 0)")
    on.click(page.get_by_role("link", name="Live", exact=True))
    page.wait_for_selector("#live-headline")
    on.say(LIVE)
    for _ in range(4):
        said = page.locator("#live-age").inner_text()
        expect(page.locator("#live-age")).not_to_have_text(said)
        camera(page, LOOK_S)


@dataclass
class Film:
    """Pictures and how long each stays, and the animation made of them."""

    folder: Path
    frames: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, page: Page, shown_s: float) -> None:
        """Another picture."""
        name = f"{len(self.frames):03}.png"
        page.screenshot(path=self.folder / name)
        self.frames.append((name, shown_s))

    def developed(self, path: Path) -> None:
        """One GIF with one palette, so that only what changes is stored again."""
        listed = "".join(f"file '{name}'\nduration {shown_s}\n" for name, shown_s in self.frames)
        (self.folder / "frames.txt").write_text(listed + f"file '{self.frames[-1][0]}'\n")
        palette = "split[a][b];[a]palettegen=stats_mode=diff[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"
        command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "concat", "-i", str(self.folder / "frames.txt"),
                   "-vf", palette, "-fps_mode", "vfr", "-loop", "0", str(path)]  # fmt: skip
        subprocess.run(command, check=True)


def main() -> None:
    """Walks through the demo that is up, and writes the recording."""
    settings = Settings()
    password = (settings.var / "secrets" / "console_demo.password").read_text().strip()
    url = f"http://127.0.0.1:{settings.console_port}"
    more = [sys.executable, "-m", "qoescope.cli.app", "generate", "live", "--seconds", "100", "--speed", "1"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*more, "--out", folder], stdout=subprocess.DEVNULL) as traffic,
        sync_playwright() as browsers,
    ):
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"{url}/sign-in")
        page.get_by_label("Name").fill("demo")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("main h1")
        page.goto(f"{url}/?t=6h")  # a demo's viewers live through an hour or two
        page.wait_for_selector("main h1")
        film = Film(Path(folder))
        walk(page, film)
        browser.close()
        traffic.terminate()
        film.developed(RECORDING)


if __name__ == "__main__":
    main()
