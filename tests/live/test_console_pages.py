"""The console in a real browser: each page answers its question, on marts, in both schemes and both widths.

Long because every page is opened on the same marts, filled once.
"""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pictures
import pyarrow as pa
import pytest
import tour
from axe_playwright_python.sync_playwright import Axe
from console_marts import Console, console
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from qoescope.catalog.watch import NOTIFICATIONS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.postgres import Write
from qoescope.settings import environment

pytestmark = pytest.mark.live

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SLOW_MS = 30_000
expect.set_options(timeout=SLOW_MS)  # a loaded machine is not an error
KEEP = "SCREENSHOTS" in environment({})
"""Whether the pictures are kept for README: of more viewers, then, and not compared with those that were kept."""
PAGES = {
    "overview": ("/", "How are viewers doing?"),
    "live": ("/live", "What is happening right now?"),
    "explore": ("/explore?by=isp", "Where is it different?"),
    "incidents": ("/incidents", "What broke, for whom, since when?"),
    "incident": ("/incidents/one", "What broke, for whom, since when?"),
    "sessions": ("/sessions", "What did this viewer live through?"),
    "session": ("/sessions/SESSION", "What did this viewer live through?"),
    "engagement": ("/engagement?t=7d", "Does quality cost watch time?"),
    "experiments": ("/experiments?t=7d", "Did the new version help?"),
    "health": ("/health", "Can I trust these numbers?"),
    "rules": ("/rules", "When should an alarm ring?"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with console(tmp_path_factory.mktemp("console"), *((25_000, 6) if KEEP else ())) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "Chromium is not installed: make setup"
    with sync_playwright() as browsers:
        started = browsers.chromium.launch(executable_path=chromium, args=SWITCHES)
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
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=bypass_csp,
    )
    context.set_default_timeout(SLOW_MS)
    page = context.new_page()
    page.goto(served.url + "/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"{name}'s password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("main h1")
    page.wait_for_load_state("networkidle")
    page.close()
    return context


@pytest.fixture(scope="module")
def ada(browser: Browser, served: Console) -> Iterator[BrowserContext]:
    context = signed_in(browser, served)
    yield context
    context.close()


@pytest.fixture
def page(ada: BrowserContext) -> Iterator[Page]:
    opened = ada.new_page()
    seen = Seen(opened)
    yield opened
    wrong = list(seen.wrong)  # what closing aborts is not an error of the page
    opened.close()
    assert wrong == []


def shown(page: Page, served: Console, path: str) -> None:
    page.goto(served.url + path.replace("SESSION", served.session_id))
    page.wait_for_selector("main h1", timeout=SLOW_MS)
    page.wait_for_function("() => !document.querySelector('[data-dash-is-loading]')")


def settled(page: Page) -> None:
    """Charts are drawn: as many as have a place."""
    page.wait_for_function(
        "() => document.querySelectorAll('.graph .main-svg').length >= document.querySelectorAll('.graph').length",
        timeout=SLOW_MS,
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_page_answers_its_question_without_a_single_error(
    page: Page, served: Console, name: str, tmp_path: Path
) -> None:
    path, question = PAGES[name]
    shown(page, served, path)
    expect(page.locator("main h1")).to_have_text(question)
    expect(page).to_have_title(question)
    expect(page.locator(".failure")).to_have_count(0)
    settled(page)
    picture = (pictures.FOLDER if KEEP else tmp_path) / f"{name}.png"
    page.screenshot(path=picture, full_page=True)
    texts = sorted(re.sub(r"\d[\d.,:]*", "#", text) for text in page.locator("main h1, main h2").all_inner_texts())
    if KEEP:
        pictures.TEXTS.write_text(json.dumps(pictures.texts() | {name: texts}, indent=1) + "\n")
    (width, height), (kept_width, kept_height) = pictures.size(picture), pictures.size(pictures.FOLDER / f"{name}.png")
    assert pictures.texts()[name] == texts, "docs/screenshots shows another page: SCREENSHOTS=1 makes it again"
    assert width == kept_width
    assert 0.5 < height / kept_height < 2  # as much of the page as comes late, and as the hour gives


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_the_screen_and_each_scheme_has_its_ground(
    browser: Browser, served: Console, scheme: str, width: int, tmp_path: Path
) -> None:
    context = signed_in(browser, served, scheme=scheme, width=width)
    page, grounds = context.new_page(), {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 22)"}
    for name, (path, _) in PAGES.items():
        shown(page, served, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[scheme]
        if KEEP and name in ("overview", "live") and (scheme, width) != ("light", 1280):
            settled(page)
            page.screenshot(path=pictures.FOLDER / f"{name}-{scheme}-{width}.png", full_page=True)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_say(browser: Browser, served: Console, scheme: str) -> None:
    context = signed_in(browser, served, scheme=scheme, bypass_csp=True)
    page, axe = context.new_page(), Axe()
    for name, (path, _) in PAGES.items():
        shown(page, served, path)
        settled(page)
        found = axe.run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    context.close()


def test_a_number_tells_on_focus_what_it_is_made_of(page: Page, served: Console) -> None:
    shown(page, served, "/")
    mark = page.get_by_role("button", name="What is Rebuffering?")
    mark.focus()
    box = page.get_by_role("tooltip").filter(has_text="rebuffer_ratio = stall_ms / watched_ms")
    expect(box).to_be_visible()
    expect(box).to_contain_text("lower is better")


def test_a_country_narrows_the_page_and_the_address_says_so(page: Page, served: Console) -> None:
    shown(page, served, "/")
    page.locator("main table").get_by_role("link", name="US", exact=True).first.click()
    expect(page.locator(".chip")).to_have_text(re.compile("Country: US"))
    assert "f=country_code:US" in page.url
    page.reload()
    expect(page.locator(".chip")).to_have_text(re.compile("Country: US"))
    page.locator(".chip a").click()
    expect(page.locator(".chip")).to_have_count(0)


def test_a_filter_is_added_by_keyboard(page: Page, served: Console) -> None:
    shown(page, served, "/explore")
    page.locator("#filter-open").focus()
    page.keyboard.press("Enter")
    page.locator("#filter-name").focus()
    page.keyboard.type("Device")
    expect(page.get_by_role("option").first).to_have_text("Device")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#filter-name")).to_have_value("Device")
    page.locator("#filter-values").focus()
    page.keyboard.type("mobile")
    expect(page.get_by_role("option")).to_have_text(re.compile("^mobile"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    apply = page.get_by_role("button", name="Apply")
    expect(apply).to_be_visible()
    apply.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_text(re.compile("Device: mobile"))


def test_exploring_goes_by_metric_and_dimension_and_a_table_is_saved(page: Page, served: Console) -> None:
    shown(page, served, "/explore")
    page.locator("#ex-metric").click()
    page.get_by_role("option", name="Startup, median").click()
    expect(page.get_by_role("heading", name="Startup, median by Device")).to_be_visible()
    assert "m=startup_p50_ms" in page.url
    expect(page.locator(".companions")).to_contain_text("Exits before start")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").first.click()
    assert saved.value.suggested_filename == "qoescope-startup_p50_ms-by-device_type.csv"


def test_live_numbers_go_on_by_themselves(page: Page, served: Console) -> None:
    shown(page, served, "/live")
    age = page.locator("#live-age")
    before = age.inner_text()
    expect(page.locator(".age.good")).to_be_visible()
    expect(age).not_to_have_text(before, timeout=SLOW_MS)
    page.get_by_role("link", name="Country", exact=True).click()
    expect(page.locator("#live-breakdown th").first).to_have_text("Country")


def test_an_operator_takes_on_an_incident_and_a_reader_may_only_look(
    page: Page, browser: Browser, served: Console
) -> None:
    shown(page, served, "/incidents")
    page.get_by_role("link", name=re.compile("31 % of plays on web")).click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#in-told")).to_have_text("ada has taken it on, just now")
    context = signed_in(browser, served, "ravi")
    other = context.new_page()
    shown(other, served, "/incidents/one")
    expect(other.locator("#in-told")).to_contain_text("ada has taken it on")
    expect(other.get_by_role("button", name="Dismiss")).to_be_disabled()
    context.close()


def test_a_webhook_that_never_took_an_incident_is_told_on_its_page_and_by_health(page: Page, served: Console) -> None:
    now = datetime.now(UTC)
    row = {"property": "demo", "incident_id": "one", "state": "confirmed", "target": "webhook", "status": "dead",
           "attempts": 8, "next_at": None, "detail": "answered 500", "payload": "{}", "created_at": now,
           "sent_at": None}  # fmt: skip
    with postgres.connect(served.settings, "writer") as connection, connection.transaction():
        postgres.upsert(connection, Write(NOTIFICATIONS, pa.Table.from_pylist([row], arrow.schema(NOTIFICATIONS))))
    shown(page, served, "/incidents/one")
    expect(page.get_by_role("region", name="Notifications")).to_contain_text("never arrived answered 500, 8 tries")
    shown(page, served, "/health")
    expect(page.locator("main")).to_contain_text("otifications to webhook never arrived (1)")


def test_an_operator_adds_and_deletes_a_rule_and_is_told_what_is_wrong_with_one(page: Page, served: Console) -> None:
    shown(page, served, "/rules")
    expect(page.locator("#ru-list")).to_contain_text("No rules")
    page.get_by_label("Only of").fill("device_typ:smart_tv")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.locator("#ru-told")).to_contain_text("did you mean 'device_type'?")
    page.get_by_label("Only of").fill("device_type:smart_tv")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.locator("#ru-told")).to_have_text("Added.")
    expect(page.locator("#ru-list tbody tr")).to_contain_text("device_type smart_tv")
    page.get_by_role("button", name="Delete the rule").click()
    expect(page.locator("#ru-list")).to_contain_text("No rules")


def test_health_shows_what_other_parts_hold_and_an_operator_replays(page: Page, served: Console) -> None:
    shown(page, served, "/health")
    expect(page.locator("#he-schemas")).to_contain_text("as declared")
    expect(page.locator("#he-schemas tbody tr").filter(has_text="quality_hour")).to_contain_text("as declared")
    expect(page.locator("#he-runs")).to_contain_text("Airflow does not answer")
    page.get_by_role("button", name="Replay the letters of reason malformed").click()
    expect(page.locator("#he-replayed")).to_have_text(re.compile(r"\w"))


def test_a_session_is_found_by_its_id_and_opens_with_its_states(page: Page, served: Console) -> None:
    shown(page, served, f"/sessions?t=7d&q={served.session_id}")
    page.locator("#se-grid a").first.click()
    expect(page.locator(".legend")).to_contain_text("stalled")
    expect(page.get_by_role("heading", name="Measures, and how they are made")).to_be_visible()
    expect(page.locator("#se-events .ag-row").first).to_be_visible()


def test_a_viewer_is_found_by_a_whole_id_with_all_that_was_lived_through(page: Page, served: Console) -> None:
    shown(page, served, f"/sessions?t=7d&q={served.session_id}")
    expect(page.get_by_role("heading", name="This viewer's days")).to_have_count(0)
    page.locator("#se-grid .ag-cell[col-id=viewer] a").first.click()
    expect(page.get_by_role("heading", name="This viewer's days")).to_be_visible()
    expect(page.get_by_role("table", name="What this viewer lived through")).to_contain_text("1")


def test_the_walk_that_readme_shows_leads_from_what_broke_to_one_of_its_viewers(page: Page, served: Console) -> None:
    shown(page, served, "/")
    tour.walk(page)


def test_an_experiment_ends_in_a_sentence(page: Page, served: Console) -> None:
    shown(page, served, "/experiments?t=7d")
    expect(page.locator(".story").nth(0)).to_have_text(re.compile("better|worse|No difference|Too early|Do not read"))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/?f=devce_type:web", "did you mean 'device_type'"),
        ("/explore?m=rebufer_ratio", "did you mean 'rebuffer_ratio'"),
        ("/?from=2020-01-01&to=2020-01-02", "Nobody pressed play in this range"),
        ("/sessions?q=nobody", "No session matches"),
        ("/sessions/nobody", "There is no such session"),
        ("/?p=else", "not among yours|Nobody pressed|No session"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(page: Page, served: Console, path: str, says: str) -> None:
    shown(page, served, path)
    expect(page.locator(".empty").first).to_have_text(re.compile(says))


def test_a_view_is_saved_under_a_name_and_leads_back(page: Page, served: Console) -> None:
    shown(page, served, "/explore?t=7d&by=isp")
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Name of this view").fill("Providers, a week")
    page.get_by_role("button", name="Save this view").click()
    expect(page.locator("#view-told")).to_have_text("Saved as Providers, a week.")
    shown(page, served, "/")
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("link", name="Providers, a week").click()
    expect(page.locator("main h1")).to_have_text("Where is it different?")
    assert "by=isp" in page.url


def test_any_table_is_saved_as_csv(page: Page, served: Console) -> None:
    shown(page, served, "/")
    table = page.locator(".saved").filter(has=page.get_by_text("Countries with most attempts"))
    table.hover()
    with page.expect_download() as saved:
        table.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "qoescope-countries-with-most-attempts.csv"
    assert saved.value.path().read_text().startswith("Country,Attempts,Experience")
