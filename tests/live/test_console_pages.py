"""The console in a real browser: each page answers its question, on a month of marts, however one looks at it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pictures
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import LARGEST_SHIFT, arrived, at_rest, settled, shown, signed_in, watched
from console_marts import Console
from playwright.sync_api import Browser, BrowserContext, Page, expect

from qoescope.serve.console.page_list import PAGES
from qoescope.settings import environment

pytestmark = pytest.mark.live

KEEP = "SCREENSHOTS" in environment({})
"""Whether the pictures are kept for README: not compared with those that were kept, then."""
TITLES = {page.module: page.title for page in PAGES}
ADDRESSES = {page.module: page.path for page in PAGES} | {
    "explore": "/explore?by=isp",
    "incident": "/incidents/one",
    "session": "/sessions/SESSION",
    "engagement": "/engagement?t=30d",
    "experiments": "/experiments?t=30d",
}
"""Each page's address, with something in it that shows."""


LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
GROUNDS = {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 22)"}


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def looked(
    request: pytest.FixtureRequest, browser: Browser, served: Console
) -> Iterator[tuple[BrowserContext, str, int]]:
    scheme, width = request.param
    context = signed_in(browser, served, scheme=scheme, width=width)
    yield context, scheme, width
    context.close()


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_answers_its_question_without_an_error_a_jump_or_a_barrier(
    looked: tuple[BrowserContext, str, int], served: Console, name: str, tmp_path: Path
) -> None:
    (context, scheme, width), path, title = looked, ADDRESSES[name], TITLES[name]
    with watched(context) as page:
        shown(page, served, path)
        expect(page.locator("main h1")).to_have_text(title)
        expect(page).to_have_title(title)
        expect(page.locator(".failure")).to_have_count(0)
        settled(page)
        at_rest(page)
        if (scheme, width) == ("light", 1280):
            pictured(page, name, tmp_path)
        elif KEEP and name in ("overview", "live"):
            page.screenshot(path=pictures.FOLDER / f"{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS[scheme]
        assert page.evaluate("window.shifted") < LARGEST_SHIFT
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def test_the_door_is_open_to_everybody(browser: Browser, served: Console, look: tuple[str, int]) -> None:
    scheme, width = look
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 900}
    )
    with watched(context) as page:
        page.goto(served.url + "/sign-in")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def pictured(page: Page, name: str, folder: Path) -> None:
    """The page looks like the picture of it that docs/ shows, or makes it."""
    picture = (pictures.FOLDER if KEEP else folder) / f"{name}.png"
    page.screenshot(path=picture, full_page=True)
    texts = sorted(re.sub(r"\d[\d.,:]*", "#", text) for text in page.locator("main h1, main h2").all_inner_texts())
    if KEEP:
        pictures.TEXTS.write_text(json.dumps(pictures.texts() | {name: texts}, indent=1) + "\n")
    (width, height), (kept_width, kept_height) = pictures.size(picture), pictures.size(pictures.FOLDER / f"{name}.png")
    assert pictures.texts()[name] == texts, "docs/screenshots shows another page: SCREENSHOTS=1 makes it again"
    assert width == kept_width
    assert 0.5 < height / kept_height < 2  # as much of the page as comes late, and as the hour gives


NUMBERED = """() => {
  const seen = (e) => e.checkVisibility({visibilityProperty: true}) && !e.closest('.grid, [inert]');
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')];
  return all.filter((e) => !e.disabled && e.tabIndex >= 0 && e.type !== 'hidden' && seen(e))
    .map((e, i) => { e.dataset.stop = i; return e.outerHTML.slice(0, 120); });
}"""
FOCUSED = "() => document.activeElement.dataset.stop ?? (document.activeElement.closest('.grid') ? 'grid' : '')"
MOST_STOPS = 400


@pytest.mark.parametrize("name", ADDRESSES)
def test_everything_that_a_mouse_reaches_a_keyboard_reaches(page: Page, served: Console, name: str) -> None:
    shown(page, served, ADDRESSES[name])
    settled(page)
    if name == "live":  # a page that is drawn anew has other stops, and a slow machine comes to few of them before
        page.evaluate("dash_clientside.set_props('live-tick', {disabled: true})")
        arrived(page)
    at_rest(page)
    stops, reached = page.evaluate(NUMBERED), set[str]()
    wanted = {str(i) for i in range(len(stops))} | ({"grid"} if page.locator(".grid").count() else set())
    assert stops
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
        if wanted <= reached:
            break
    assert [name if name == "grid" else stops[int(name)] for name in wanted - reached] == []
