"""The console in a real browser: what people do there, with the mouse and the keyboard, on a month of marts.

Long because every act is done on the same marts, filled once.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
import tour
from browsing import SLOW_MS, settled, shown, signed_in
from console_marts import LONG, Console, Marts, console
from playwright.sync_api import Browser, Page, expect

from qoescope.catalog.bounds import LONGEST_CONTENT_MS
from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.catalog.watch import NOTIFICATIONS
from qoescope.compile import arrow, pseudonyms
from qoescope.connect import postgres, viewer_keys
from qoescope.connect.ask import ask
from qoescope.connect.postgres import Write
from qoescope.serve.display import words

pytestmark = pytest.mark.live
TODAY = datetime.combine(datetime.now(UTC), time(), UTC)
WEEK = (TODAY - timedelta(days=7), TODAY)
WEEK_QUERY = f"from={WEEK[0]:%Y-%m-%dT%H:%M}&to={WEEK[1]:%Y-%m-%dT%H:%M}"


@pytest.fixture(scope="module")
def served(marts: Marts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Beside it Kafka, and the limit that one dead letter broke is raised."""
    with console(marts, tmp_path_factory.mktemp("console"), "kafka", text_bytes=8_192) as running:
        yield running


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


def test_exploring_goes_by_metric_and_dimension_and_the_table_is_saved_with_the_numbers_of_ask(
    page: Page, served: Console
) -> None:
    shown(page, served, f"/explore?{WEEK_QUERY}")
    page.locator("#ex-metric").click()
    page.get_by_role("option", name="Startup, median").click()
    expect(page.get_by_role("heading", name="Startup, median by Device")).to_be_visible()
    page.locator("#ex-by").click()
    page.get_by_role("option", name="ISP", exact=True).click()
    expect(page.get_by_role("heading", name="Startup, median by ISP")).to_be_visible()
    assert "m=startup_p50_ms" in page.url
    expect(page.locator(".companions")).to_contain_text("Exits before start")
    expect(page.locator("#ex-grid .ag-header-cell[col-id=slice]")).to_have_text("ISP")
    settled(page)
    with page.expect_download() as saved:
        page.locator("button[data-grid=ex-grid]").click()
    assert saved.value.suggested_filename == "qoescope-startup_p50_ms-by-isp.csv"
    with saved.value.path().open(encoding="utf-8-sig", newline="") as file:
        lines = {row["ISP"]: row for row in csv.DictReader(file)}
    with postgres.pool(served.settings, "reader", 1) as reader:
        asked = ask(reader, "demo", ["attempts", "startup_p50_ms"], WEEK, ["isp"]).rows
    assert len(asked) > 10
    assert {name: (float(row["Attempts"]), float(row["Startup, median"])) for name, row in lines.items()} == {
        row["isp"]: (row["attempts"], row["startup_p50_ms"]) for row in asked
    }


def test_a_drill_leads_from_the_overview_by_a_slice_to_its_sessions_and_one_session_s_states(
    page: Page, served: Console
) -> None:
    shown(page, served, "/?t=6h")
    worst = (
        page.locator("table", has=page.get_by_text("Slices with the most excess bad sessions"))
        .locator(".slice a")
        .first
    )
    value = worst.inner_text()
    worst.click()
    expect(page.locator(".chip")).to_contain_text(value)
    attempts = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Explore")
    attempts.click()
    page.wait_for_selector("#ex-metric")
    expect(page.locator(".chip")).to_contain_text(value)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sessions").click()
    page.wait_for_selector("#se-grid .ag-row")
    expect(page.locator(".chip")).to_contain_text(value)
    page.get_by_role("link", name="Stalled", exact=True).click()
    expect(page.get_by_role("link", name="Stalled", exact=True)).to_have_class("on")
    page.wait_for_selector("#se-grid .ag-row")
    page.locator("#se-grid .ag-cell[col-id=session] a").first.click()
    expect(page.locator(".legend")).to_contain_text("stalled")
    expect(page.get_by_role("table", name="Dimensions of the session")).to_contain_text(value)
    bars = page.locator(".graph .barlayer .bars path")
    expect(bars.first).to_be_visible()
    assert bars.count() >= 3
    assert len({bar.evaluate("e => getComputedStyle(e).fill") for bar in bars.all()}) >= 3


def test_two_versions_of_the_app_are_compared(page: Page, served: Console) -> None:
    shown(page, served, f"/explore?{WEEK_QUERY}&by=app_version&m=play_failure_ratio")
    page.locator("#ex-grid .ag-cell[col-id=slice] a", has_text="v18.9.6").click()
    expect(page.locator(".chip")).to_have_text(re.compile("App version: v18.9.6"))
    page.locator("#ex-vs").click()
    page.get_by_role("option", name="other filter").click()
    other = page.get_by_label("Other filter")
    other.fill("app_version:v18.9.5")
    other.press("Enter")
    expect(page.locator(".graph .legendtext").first).to_have_text("app_version:v18.9.5")
    with postgres.pool(served.settings, "reader", 1) as reader:
        one, two = (
            ask(reader, "demo", ["play_failure_ratio"], WEEK, where={"app_version": [version]}).rows[0][
                "play_failure_ratio"
            ]
            for version in ("v18.9.6", "v18.9.5")
        )
    assert one > two, "v18.9.6 crashes on televisions: the simulator says so"
    metric = METRIC_BY_NAME["play_failure_ratio"]
    expect(page.locator(".headline")).to_have_text(words.number(one, metric.unit))
    expect(page.locator(".headline-line .delta")).to_contain_text(words.change(metric, one, two).text)
    expect(page.locator(".headline-line .delta")).to_have_class("delta bad")


def test_dragging_over_a_chart_narrows_the_range_and_going_back_widens_it(page: Page, served: Console) -> None:
    shown(page, served, f"/?{WEEK_QUERY}")  # which midnight does not move
    settled(page)
    subject, plays = page.locator(".subject").inner_text(), page.locator(".tile-value").first.inner_text()
    box = page.locator(".zooms .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60)
    page.wait_for_selector(".zooms .nsewdrag.cursor-ew-resize")
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 64, steps=4)
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 64, steps=4)
    page.mouse.up()
    expect(page.locator(".subject")).not_to_have_text(subject)
    query = parse_qs(urlsplit(page.url).query)
    start, end = (datetime.fromisoformat(query[name][0]).replace(tzinfo=UTC) for name in ("from", "to"))
    assert timedelta(hours=20) < end - start < timedelta(hours=48)
    with postgres.pool(served.settings, "reader", 1) as reader:
        (row,) = ask(reader, "demo", ["plays"], (start, end)).rows
    expect(page.locator(".tile-value").first).to_have_text(f"{row['plays']:,}")
    page.go_back()
    expect(page.locator(".subject")).to_have_text(subject)
    expect(page.locator(".tile-value").first).to_have_text(plays)


def test_dragging_over_a_few_hours_narrows_them_to_the_minute(page: Page, served: Console) -> None:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    shown(page, served, f"/?from={end - timedelta(hours=2):%Y-%m-%dT%H:%M}&to={end:%Y-%m-%dT%H:%M}")
    settled(page)
    box = page.locator(".zooms .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 60)
    page.wait_for_selector(".zooms .nsewdrag.cursor-ew-resize")
    page.mouse.down()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 64, steps=4)
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 64, steps=4)
    page.mouse.up()
    expect(page.locator("#range-open")).not_to_contain_text(f"{end - timedelta(hours=2):%H:%M}")
    query = parse_qs(urlsplit(page.url).query)
    since, until = (datetime.fromisoformat(query[name][0]).replace(tzinfo=UTC) for name in ("from", "to"))
    assert timedelta(minutes=8) < until - since < timedelta(minutes=18)


def test_a_range_is_chosen_by_the_minute(page: Page, served: Console) -> None:
    day = datetime.now(UTC).date() - timedelta(days=1)
    shown(page, served, f"/explore?from={day}T19:00&to={day}T21:00")
    expect(page.locator("#range-open")).to_have_text(f"{day:%d %b} 19:00 – 21:00")
    page.locator("#range-open").click()
    for name, hour, minute in (("#range-from", "20", "14"), ("#range-to", "20", "31")):
        page.locator(name).click()
        spins = page.locator("#range-open ~ .adder").get_by_role("spinbutton")
        spins.nth(0).fill(hour)
        spins.nth(1).fill(minute)
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Show this range").click()
    expect(page.locator("#range-open")).to_have_text(f"{day:%d %b} 20:14 – 20:31")
    expect(page.locator(".subject")).to_contain_text("20:14")
    with postgres.pool(served.settings, "reader", 1) as reader:
        start, end = (datetime.fromisoformat(f"{day}T20:{minute}").replace(tzinfo=UTC) for minute in (14, 31))
        rows = ask(reader, "demo", ["attempts"], (start, end), every="minute").rows
    assert 5 < len(rows) <= 17


def test_a_range_is_chosen_in_words_and_a_bad_one_says_what_to_write(page: Page, served: Console) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    shown(page, served, "/explore")
    page.locator("#range-open").click()
    page.get_by_label("or in words").fill("yesterday 20:00 to yesterday 21:30")
    page.get_by_role("button", name="Show this range").click()
    expect(page.locator("#range-open")).to_have_text(f"{yesterday:%d %b} 20:00 – 21:30")
    shown(page, served, "/explore?from=someday")
    expect(page.get_by_role("alert")).to_contain_text("use 2026-01-31T20:00 (UTC), 24h, now or 'yesterday 20:00'")


def test_a_grid_is_read_and_its_links_are_followed_by_keyboard(page: Page, served: Console) -> None:
    shown(page, served, "/explore?by=isp")
    page.wait_for_selector("#ex-grid .ag-cell[col-id=slice] a")
    page.locator("button[data-grid=ex-grid]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    cell = page.locator("#ex-grid .ag-cell-focus")
    expect(cell).to_have_attribute("col-id", "slice")
    value = cell.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text(value)


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
    expect(page.locator("#in-told")).to_have_text("ada acknowledged it, just now")
    context = signed_in(browser, served, "ravi")
    other = context.new_page()
    shown(other, served, "/incidents/one")
    expect(other.locator("#in-told")).to_contain_text("ada acknowledged it")
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
    page.get_by_label("Applies to").fill("device_typ:smart_tv")
    page.get_by_role("button", name="Create rule").click()
    expect(page.locator("#ru-told")).to_contain_text("did you mean 'device_type'?")
    page.get_by_label("Applies to").fill("device_type:smart_tv")
    page.get_by_role("button", name="Create rule").click()
    expect(page.locator("#ru-told")).to_have_text("Added.")
    expect(page.locator("#ru-list tbody tr")).to_contain_text("device_type smart_tv")
    page.get_by_role("button", name="Delete the rule").click()
    expect(page.locator("#ru-list")).to_contain_text("No rules")


def test_health_shows_what_other_parts_hold_and_an_operator_replays_what_is_understood_now(
    page: Page, served: Console
) -> None:
    shown(page, served, "/health")
    expect(page.locator("#he-schemas")).to_contain_text("as declared")
    expect(page.locator("#he-schemas tbody tr").filter(has_text="quality_hour")).to_contain_text("as declared")
    expect(page.locator("#he-runs")).to_contain_text("Airflow does not answer")
    page.get_by_role("button", name="Replay the letters of reason malformed").click()
    expect(page.locator("#he-replayed")).to_contain_text("0 replayed with 0 events accepted; 1 left: not JSON")
    page.get_by_role("button", name=f"Replay the letters of reason {LONG}").click()
    expect(page.locator("#he-replayed")).to_contain_text("1 replayed with 1 events accepted")
    shown(page, served, "/health")
    letters = page.get_by_role("table", name="Dead letters by reason").locator("tbody tr")
    expect(letters.filter(has_text=LONG).locator("td").nth(4)).to_have_text("0")
    expect(letters.filter(has_text=LONG).get_by_role("button")).to_have_count(0)
    expect(letters.filter(has_text="malformed").locator("td").nth(4)).to_have_text("1")


def test_health_says_which_fields_hold_what_nobody_can_mean_and_what_to_do(page: Page, served: Console) -> None:
    told = page.get_by_role("table", name="Unknown values by field").locator("tbody tr")
    shown(page, served, "/health?t=7d")
    assert told.locator("td:nth-child(-n+2)").all_inner_texts() == [
        "content_duration_ms", "55", "cmcd:msd", "33", "of_an_older_version", "11",
    ]  # fmt: skip
    expect(told.nth(0)).to_contain_text("length of the content; null when live or not known")
    expect(told.nth(0)).to_contain_text(f"integer, 1 to {LONGEST_CONTENT_MS:,}")
    expect(told.nth(0)).to_contain_text("leave the field out instead")
    expect(told.nth(1)).to_contain_text("CMCD's ms from starting to playing")
    expect(told.nth(2)).to_contain_text("not in the catalog")
    with postgres.connect(served.settings, "writer") as connection:
        (newest,) = connection.execute("select max(minute_at) at time zone 'UTC' from unknown_fields").fetchall()[0]
    ends = {"from": newest - timedelta(hours=1), "to": newest + timedelta(minutes=1)}
    shown(page, served, "/health?" + "&".join(f"{n}={at:%Y-%m-%dT%H:%M}" for n, at in ends.items()))
    assert told.locator("td:nth-child(2)").all_inner_texts() == ["50", "30", "10"]
    shown(page, served, "/health?from=2026-01-01T00:00&to=2026-01-02T00:00")
    section = page.locator("section").filter(has=page.get_by_role("heading", name="Unknown values"))
    expect(section).to_contain_text("None in this range")


def test_a_session_is_found_by_its_id_and_opens_with_its_states(page: Page, served: Console) -> None:
    shown(page, served, f"/sessions?t=7d&q={served.marts.session_id}")
    page.locator("#se-grid a").first.click()
    expect(page.locator(".legend")).to_contain_text("stalled")
    expect(page.get_by_role("heading", name="Measures and their formulas")).to_be_visible()
    expect(page.locator("#se-events .ag-row").first).to_be_visible()


def test_a_viewer_is_found_by_a_whole_id_with_all_that_was_lived_through(page: Page, served: Console) -> None:
    shown(page, served, f"/sessions?t=7d&q={served.marts.session_id}")
    expect(page.get_by_role("heading", name="This viewer's days")).to_have_count(0)
    page.locator("#se-grid .ag-cell[col-id=viewer] a").first.click()
    expect(page.get_by_role("heading", name="This viewer's days")).to_be_visible()
    expect(page.get_by_role("table", name="This viewer's days by device")).to_contain_text("1")


def test_an_operator_finds_a_viewer_by_their_own_id_which_no_address_holds(page: Page, served: Console) -> None:
    viewer_keys.ensure(served.settings)
    (name,) = pseudonyms.all_pseudonyms(viewer_keys.read(served.settings), "demo", "ada@example.com")
    with postgres.connect(served.settings, "writer") as connection:
        connection.execute(
            "update sessions set viewer_id = %s where property = 'demo' and session_id = %s",
            (name, served.marts.session_id),
        )
    shown(page, served, "/sessions?t=7d")
    page.locator("#se-q").fill("ada@example.com")
    expect(page.locator("#se-q")).to_have_value(name)
    expect(page.locator("#se-grid .ag-cell[col-id=viewer]")).to_have_count(1)
    assert "ada" not in page.url
    page.locator("#se-q").fill("nobody@example.com")
    expect(page.locator("#se-none")).to_contain_text("Viewers are stored by a pseudonym")
    assert "nobody" not in page.url


def test_the_walk_that_readme_shows_leads_from_what_broke_to_one_of_its_viewers(page: Page, served: Console) -> None:
    shown(page, served, "/")
    tour.walk(page)


def test_an_experiment_ends_in_a_verdict(page: Page, served: Console) -> None:
    shown(page, served, "/experiments?t=30d")
    cautious = page.locator("section").filter(has=page.get_by_role("heading", name="cautious against"))
    expect(cautious.locator(".story .badge")).to_have_text("worse")
    bitrate = cautious.get_by_role("row").filter(has_text="Bitrate")
    expect(bitrate.locator(".badge")).to_have_text("worse")
    expect(page.get_by_role("table", name="Viewers by arm").locator("tbody tr")).to_have_count(3)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/?f=devce_type:web", "did you mean 'device_type'"),
        ("/explore?m=rebufer_ratio", "did you mean 'rebuffer_ratio'"),
        ("/?from=2020-01-01&to=2020-01-02", "Nobody pressed play in this range"),
        ("/sessions?q=nobody", "No session matches"),
        ("/sessions/nobody", "Session not found"),
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


def test_a_list_of_sessions_is_saved_as_data(page: Page, served: Console) -> None:
    """Whole ids, ISO times with their zone, one fact a column: the rows of the database, not what is shown."""
    shown(page, served, f"/sessions?{WEEK_QUERY}")
    page.wait_for_selector("#se-grid .ag-cell")
    with page.expect_download() as saved:
        page.locator("button[data-grid=se-grid]").click()
    with saved.value.path().open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 100
    with postgres.connect(served.settings, "writer") as connection:
        for line in lines[:5]:
            (row,) = connection.execute(
                "select started_at, viewer_id, country_code, isp, watched_ms from sessions "
                "where property = 'demo' and session_id = %s", (line["session_id"],)
            ).fetchall()  # fmt: skip
            assert datetime.fromisoformat(line["started_at"]) == row[0]
            assert tuple(line[n] for n in ("viewer_id", "country_code", "isp", "watched_ms")) == tuple(
                map(str, row[1:])
            )


def test_any_table_is_saved_as_csv(page: Page, served: Console) -> None:
    shown(page, served, "/")
    table = page.locator(".saved").filter(has=page.get_by_text("Countries with the most attempts"))
    table.hover()
    with page.expect_download() as saved:
        table.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "qoescope-countries-with-the-most-attempts.csv"
    assert saved.value.path().read_text().startswith("Country,Attempts,Experience")
