"""Browsing: Chromium as a person at the console has it, and all that a page may not do meanwhile."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from console_marts import Console
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SLOW_MS = 120_000
expect.set_options(timeout=SLOW_MS)  # a loaded machine is not an error
SHIFTED = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) { if (!entry.hadRecentInput) { window.shifted += entry.value; } }
  }).observe({type: "layout-shift", buffered: true});
}"""
SETTLED = """() =>
  document.querySelectorAll('.graph .main-svg').length >= document.querySelectorAll('.graph').length &&
  [...document.querySelectorAll('.grid')].every((grid) => grid.querySelector('.ag-cell'))"""
LARGEST_SHIFT = 0.1
"""Layout shift of a page from its first paint on; what web.dev calls good."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is not installed: make setup"
    with sync_playwright() as browsers:
        started = browsers.chromium.launch(executable_path=program, args=SWITCHES)
        yield started
        started.close()


class Seen:
    """What went wrong in a page: its console's errors, failed requests, answers of 400 and above.

    What a page still loads while its reader goes on to another is broken off by the browser: no
    fault of either page.
    """

    def __init__(self, page: Page) -> None:
        self.wrong: list[str] = []
        self.leaving = False
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("domcontentloaded", lambda _: setattr(self, "leaving", False))
        page.on("response", lambda r: self.wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        self.leaving = self.leaving or request.is_navigation_request()
        if not request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
            self.wrong.append(f"elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        if not (self.leaving and request.failure == "net::ERR_ABORTED"):
            self.wrong.append(f"{request.url}: {request.failure}")


def signed_in(
    browser: Browser,
    served: Console,
    name: str = "ada",
    scheme: str = "light",
    width: int = 1280,
    bypass_csp: bool = False,
) -> BrowserContext:
    """A browser of its own in which this person has signed in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=bypass_csp,
    )
    context.set_default_timeout(SLOW_MS)
    context.add_init_script(f"({SHIFTED})()")
    page = context.new_page()
    page.goto(served.url + "/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"{name}'s password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("main h1")
    page.wait_for_load_state("networkidle")
    page.close()
    return context


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A page in which nothing goes wrong until its end."""
    opened = context.new_page()
    seen = Seen(opened)
    yield opened
    wrong = list(seen.wrong)  # what closing aborts is not an error of the page
    opened.close()
    assert wrong == []


def shown(page: Page, served: Console, path: str) -> None:
    """The page of this address is there."""
    page.goto(served.url + path.replace("SESSION", served.marts.session_id))
    arrived(page)


def arrived(page: Page) -> None:
    """The page is there, and nothing of it is still asked for."""
    page.wait_for_selector("main h1", timeout=SLOW_MS)
    page.wait_for_function("() => !document.querySelector('[data-dash-is-loading]')")


def settled(page: Page) -> None:
    """Charts are drawn and tables filled: as many as have a place."""
    page.wait_for_function(SETTLED, timeout=SLOW_MS)


def at_rest(page: Page) -> None:
    """Nothing more is on its way to the page; Live, which asks again every few seconds, is never at rest for long."""
    if urlsplit(page.url).path != "/live":
        page.wait_for_load_state("networkidle")
