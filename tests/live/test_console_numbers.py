"""Numbers that a person reads in a page are those of the API, of `ask`, and of SQL that was written by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import duckdb
import httpx
import pytest
import recomputed
from browsing import settled, shown
from console_marts import Console, Marts
from playwright.sync_api import Page

from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.connect import postgres
from qoescope.connect.ask import ask
from qoescope.serve.display import words

pytestmark = pytest.mark.live

TODAY = datetime.combine(datetime.now(UTC), time(), UTC)
WEEK = (TODAY - timedelta(days=7), TODAY)
SPANS = {
    "whole days": WEEK,
    "whole hours": (TODAY - timedelta(hours=20), TODAY - timedelta(hours=7)),
    "minutes": (TODAY - timedelta(hours=8, minutes=35), TODAY - timedelta(hours=2, minutes=10)),
}
SQL = recomputed.RATIOS | {
    "plays": "count_if(is_play)",
    "watch_hours": "sum(watched_ms) / 3600000",
    "play_failure_ratio": "count_if(is_play and close_reason = 'failed' and error_class = 'technical') "
    "/ count_if(is_play)",
    "completion_ratio": "count_if(is_complete) / count(content_duration_ms) filter (is_play)",
}
NEAR = {
    "viewers": ("count(distinct viewer_id)", 0.03),
    "startup_p50_ms": ("quantile_cont(startup_ms, 0.5)", 0.07),
    "startup_p95_ms": ("quantile_cont(startup_ms, 0.95)", 0.07),
}
"""Sketches and histograms, with how far they may be from what they stand for."""
TILES = """() => Object.fromEntries([...document.querySelectorAll('.tile')].map(
  (t) => [t.querySelector('.tile-name').firstElementChild.innerText, t.querySelector('.tile-value').innerText]))"""
TABLE = """(name) => [...[...document.querySelectorAll('table')].find((t) => t.caption?.innerText.includes(name))
  .tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"""
GRID = """(id) => [...document.querySelectorAll(`#${id} .ag-center-cols-container .ag-row`)].map(
  (row) => Object.fromEntries([...row.querySelectorAll('.ag-cell')].map(
    (cell) => [cell.getAttribute('col-id'), cell.innerText.trim()])))"""


FILLED = """([id, least]) => {
  const rows = [...document.querySelectorAll(`#${id} .ag-center-cols-container .ag-row`)];
  return rows.length >= least && rows.every((row) => row.querySelector('.ag-cell')?.innerText.trim());
}"""


def grid(page: Page, name: str, least: int) -> list[dict[str, str]]:
    """The rows in sight, once there are so many and the link in the first cell of each is drawn: it comes last."""
    page.wait_for_function(FILLED, arg=[name, least])
    return list(page.evaluate(GRID, name))


@pytest.fixture(scope="module")
def engine(marts: Marts) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with every session as it was folded: no mart, no Postgres, none of our SQL."""
    with duckdb.connect() as opened:
        opened.execute("set timezone = 'UTC'")
        opened.read_parquet(str(marts.sessions)).to_view("sessions")
        yield opened


def ends(between: tuple[datetime, datetime]) -> dict[str, str]:
    return {"from": f"{between[0]:%Y-%m-%dT%H:%M}", "to": f"{between[1]:%Y-%m-%dT%H:%M}"}


def address(path: str, between: tuple[datetime, datetime], **more: str) -> str:
    return f"{path}?{httpx.QueryParams({**ends(between), **more})}"


def counted(
    engine: duckdb.DuckDBPyConnection, sql: dict[str, str], between: tuple[datetime, datetime], by: str = "'all'",
    where: str = "true",
) -> dict[str, dict[str, float]]:  # fmt: skip
    """The aggregates over attempts, by hand, one row a value."""
    said = ", ".join(f"{text} as {name}" for name, text in sql.items())
    found = engine.sql(
        f"select {by} as value, {said} from sessions where is_attempt and started_at >= ? and started_at < ? "
        f"and {where} group by 1", params=list(between),
    ).to_arrow_table()  # fmt: skip
    return {row.pop("value"): row for row in found.to_pylist()}


@pytest.mark.parametrize("device", ["", "smart_tv"])
@pytest.mark.parametrize("span", SPANS)
def test_the_overview(
    page: Page, served: Console, client: httpx.Client, engine: duckdb.DuckDBPyConnection, span: str, device: str
) -> None:
    between, names = SPANS[span], [*NEAR, *(n for n in SQL if n in METRIC_BY_NAME)]
    shown(page, served, address("/", between, **({"f": f"device_type:{device}"} if device else {})))
    tiles = page.evaluate(TILES)
    texts = tiles | dict(
        zip(("Experience", "Good sessions"), page.locator(".hero .headline").all_inner_texts(), strict=True)
    )
    params = {"metric": names, **ends(between), **({"filter": f"device_type:{device}"} if device else {})}
    (answer,) = client.get("/overall", params=params).raise_for_status().json()["rows"]
    with postgres.pool(served.settings, "reader", 1) as reader:
        (asked,) = ask(reader, "demo", names, between, where={"device_type": [device]} if device else None).rows
    by_hand = counted(engine, SQL | {n: sql for n, (sql, _) in NEAR.items()}, between,
                      where=f"device_type = '{device}'" if device else "true")["all"]  # fmt: skip
    assert len(tiles) == 10
    for name in names:
        metric, label = METRIC_BY_NAME[name], METRIC_BY_NAME[name].label
        assert answer["metrics"][name] == pytest.approx(float(asked[name]), rel=1e-12), name
        within = NEAR[name][1] if name in NEAR else 1e-9
        assert asked[name] == pytest.approx(float(by_hand[name]), rel=within), name
        if label in texts:
            assert texts.pop(label) == words.number(answer["metrics"][name], metric.unit)
            if name not in NEAR:
                assert words.number(answer["metrics"][name], metric.unit) == words.number(by_hand[name], metric.unit)
    assert texts == {}, "a number of the page was compared with nothing"


@pytest.mark.parametrize(("by", "metric"), [("isp", "failure_ratio"), ("app_version", "rebuffer_ratio"),
                                            ("os_version", "startup_avg_ms")])  # fmt: skip
def test_a_table_of_slices(
    page: Page, served: Console, client: httpx.Client, engine: duckdb.DuckDBPyConnection, by: str, metric: str
) -> None:
    shown(page, served, address("/explore", WEEK, by=by, m=metric, vs="none"))
    rows = grid(page, "ex-grid", 5)
    params = {"metric": ["attempts", metric], "by": by, **ends(WEEK)}
    answer = {r["dimensions"][by]: r["metrics"] for r in client.get("/breakdown", params=params).json()["rows"]}
    by_hand = counted(engine, {"attempts": "count(*)", metric: SQL[metric]}, WEEK, by)
    assert set(answer) == set(by_hand)
    for row in rows:
        there, ours = answer[row["slice"]], by_hand[row["slice"]]
        assert row["attempts"] == f"{ours['attempts']:,}" == f"{there['attempts']:,.0f}"
        assert row["value"] == words.number(there[metric], METRIC_BY_NAME[metric].unit)
        assert there[metric] == pytest.approx(ours[metric], rel=1e-9)


def test_the_arms_of_an_experiment(page: Page, served: Console, engine: duckdb.DuckDBPyConnection) -> None:
    shown(page, served, address("/experiments", WEEK))
    names = [
        n
        for n in SQL
        if METRIC_BY_NAME[n].label and n not in ("plays", "watch_hours", "connection_rebuffer_ratio", "failure_ratio")
    ]
    by_hand = counted(engine, {n: SQL[n] for n in names} | {"viewers": "count(distinct viewer_id)"}, WEEK, "variant")
    filled = {row[0]: row[1] for row in page.evaluate(TABLE, "Viewers by arm")}
    assert filled == {arm: f"{by_hand[arm]['viewers']:,}" for arm in filled}
    assert len(filled) >= 2
    compared = page.locator("section h2").filter(has_text=" against ").all_inner_texts()
    assert len(compared) == len(filled) - 1
    for title in compared:
        arm, base = title.split(" against ")
        said = {row[0]: row[1:3] for row in page.evaluate(TABLE, title)}
        for name in names:
            unit = METRIC_BY_NAME[name].unit
            assert said[METRIC_BY_NAME[name].label] == [
                words.number(by_hand[one][name], unit) for one in (base, arm)
            ], name


def test_content_by_watch_time(
    page: Page, served: Console, client: httpx.Client, engine: duckdb.DuckDBPyConnection
) -> None:
    shown(page, served, address("/engagement", WEEK))
    rows = grid(page, "en-grid", 5)
    names = [n for n in rows[0] if n not in ("content", "viewers")]
    params = {"metric": names, "by": "content_id", **ends(WEEK)}
    answer = {
        r["dimensions"]["content_id"]: r["metrics"] for r in client.get("/breakdown", params=params).json()["rows"]
    }
    by_hand = counted(engine, {n: SQL[n] for n in names}, WEEK, "content_id")
    for row in rows:
        for name in names:
            there, ours = answer[row["content"]][name], by_hand[row["content"]][name]
            assert (
                row[name]
                == words.number(there, METRIC_BY_NAME[name].unit)
                == words.number(ours, METRIC_BY_NAME[name].unit)
            )


def test_sessions_and_one_of_them(
    page: Page, served: Console, client: httpx.Client, engine: duckdb.DuckDBPyConnection
) -> None:
    shown(page, served, address("/sessions", WEEK))
    rows = grid(page, "se-grid", 10)
    newest = client.get("/sessions", params={"limit": 100, **ends(WEEK)}).json()["sessions"][: len(rows)]
    by_hand = engine.sql(
        "select session_id, started_at, startup_ms, watched_ms, device_type from sessions where started_at >= ? and "
        "started_at < ? order by started_at desc, session_id desc limit ?", params=[*WEEK, len(rows)],
    ).to_arrow_table().to_pylist()  # fmt: skip
    for row, there, ours in zip(rows, newest, by_hand, strict=True):
        assert there["session_id"] == ours["session_id"]
        assert row["session"] == f"{ours['started_at']:%d %b %H:%M:%S}"
        assert (row["startup"], row["device"]) == (words.number(ours["startup_ms"], "ms"), ours["device_type"])
        assert row["watched"] == words.milliseconds(ours["watched_ms"])
    shown(page, served, "/sessions/SESSION")
    measures = {row[0]: row[1] for row in page.evaluate(TABLE, "Measures of the session")}
    (ours,) = engine.sql(
        "select * from sessions where session_id = ?", params=[served.marts.session_id]
    ).to_arrow_table().to_pylist()  # fmt: skip
    for name in ("startup_ms", "watched_ms", "stall_ms", "play_ms", "stall_count"):
        assert measures[name] == f"{ours[name]:,}", name


def test_the_books(page: Page, served: Console) -> None:
    between = (TODAY - timedelta(days=1), TODAY + timedelta(days=1))
    shown(page, served, address("/health", between))
    books = {row[0]: row[1] for row in page.evaluate(TABLE, "Events received, by outcome")}
    with postgres.connect(served.settings, "writer") as connection:
        ours = connection.execute(
            "select sum(received), sum(accepted), sum(duplicate), sum(invalid), sum(lake) from outcomes "
            "where property = 'demo' and minute_at >= %s and minute_at < %s", between,
        ).fetchone()  # fmt: skip
    assert ours is not None
    assert [books[n] for n in ("received", "accepted", "duplicate", "invalid", "lake")] == [f"{n:,}" for n in ours]


def test_live(page: Page, served: Console, client: httpx.Client) -> None:
    shown(page, served, "/live")
    settled(page)
    said = page.evaluate(f"() => [document.querySelector('#live-age').innerText, ({TILES})()]")
    newest = datetime.strptime(said[0].split("window ")[1].removesuffix(" UTC"), "%H:%M:%S").time()  # noqa: DTZ007
    end = datetime.combine(datetime.now(UTC), newest, UTC)
    end -= timedelta(days=end > datetime.now(UTC) + timedelta(hours=12))
    names = ["live_rebuffer_ratio", "live_bitrate_avg_kbps", "live_stalls_per_minute"]
    between = (end - timedelta(minutes=5), end)
    span = {"from": f"{between[0]:%Y-%m-%dT%H:%M:%S}", "to": f"{between[1]:%Y-%m-%dT%H:%M:%S}"}
    (answer,) = client.get("/overall", params={"metric": names, **span}).json()["rows"]
    with postgres.connect(served.settings, "writer") as connection:
        ours = connection.execute(
            "select sum(live_stall_ms)::float / sum(live_watched_ms), "
            "sum(live_bitrate_kbps_ms)::float / sum(live_bitrate_known_ms), "
            "60000.0::float * sum(live_stalls) / sum(live_watched_ms) "
            "from live_window where grouping = '' and starts_at >= %s and starts_at < %s", between,
        ).fetchone()  # fmt: skip
    assert ours is not None
    for name, number in zip(names, ours, strict=True):
        assert answer["metrics"][name] == pytest.approx(number, rel=1e-9)
        assert said[1][METRIC_BY_NAME[name].label.removesuffix(" now")] == words.number(
            number, METRIC_BY_NAME[name].unit
        )
