"""Rows of the data set become sessions, measured by the fold; one that breaks a rule is kept aside with its line."""

import csv
from io import StringIO

import pytest

from qoescope.catalog.data_set import COLUMNS
from qoescope.catalog.errors import Mistake
from qoescope.sources.csv.rules import MOST
from qoescope.sources.csv.sessions import csv_sessions

PLAIN = {
    "session_id": "a", "user_id": "user_1", "timestamp": "2025-10-12 13:08:53.966590", "device_type": "smart_tv",
    "os_version": "Mozilla/5.0 (X11; Linux, x86_64)", "app_version": "v16.2.1", "content_id": "content_7",
    "startup_time_ms": "1200", "rebuffer_count": "2", "rebuffer_duration_ms": "3001", "bitrate_kbps": "4500",
    "resolution": "1080p", "frames_dropped": "3", "session_duration_sec": "600", "network_type": "wifi",
    "country_code": "KR", "isp": "orange", "cdn_pop": "KR-5", "hour": "13", "day_of_week": "6",
}  # fmt: skip
NEVER_STARTED = PLAIN | {
    "session_id": "b", "startup_time_ms": "", "bitrate_kbps": "", "resolution": "", "rebuffer_count": "0",
    "rebuffer_duration_ms": "0", "frames_dropped": "0", "session_duration_sec": "9",
}  # fmt: skip


def file(*rows: dict[str, str]) -> StringIO:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return StringIO(out.getvalue())


def test_a_row_keeps_what_it_says() -> None:
    (row,) = csv_sessions(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["startup_ms"], row["stall_count"], row["stall_ms"], row["bitrate_avg_kbps"]) == (1200, 2, 3001, 4500)
    assert (row["session_ms"], row["play_ms"], row["main_height"], row["dropped_frames"]) == (600_000, 595_799, 1080, 3)
    assert (row["start_outcome"], row["is_play"], row["hour"], row["day_of_week"]) == ("played", True, 13, 6)
    assert (row["property"], row["source"], row["user_agent"]) == ("archive", "import", PLAIN["os_version"])


def test_what_a_csv_cannot_tell_is_left_open() -> None:
    (row,) = csv_sessions(file(PLAIN), "archive", 8).sessions.to_pylist()
    assert (row["close_reason"], row["event_count"], row["lost_events"], row["is_complete"]) == (None, 0, 0, None)


def test_a_session_without_a_start_is_an_exit_before_the_first_frame() -> None:
    (row,) = csv_sessions(file(NEVER_STARTED), "archive", 8).sessions.to_pylist()
    assert (row["is_play"], row["start_outcome"], row["exit_wait_ms"]) == (False, "exited", 9000)
    assert (row["startup_ms"], row["bitrate_avg_kbps"], row["main_height"]) == (None, None, None)


def test_hours_of_playing_are_not_taken_for_a_sleeping_device() -> None:
    (row,) = csv_sessions(file(PLAIN | {"session_duration_sec": "20000"}), "archive", 8).sessions.to_pylist()
    assert (row["session_ms"], row["discarded_ms"]) == (20_000_000, 0)


def test_a_repeated_session_is_kept_once_and_counted() -> None:
    found = csv_sessions(file(PLAIN, NEVER_STARTED, PLAIN | {"rebuffer_count": "9"}), "archive", 8)
    assert (found.rows, len(found.sessions), found.repeated) == (3, 2, 1)
    assert {r["session_id"]: r["stall_count"] for r in found.sessions.to_pylist()} == {"a": 2, "b": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"session_id": " "}, "session_id is empty or too long"),
        ({"timestamp": "yesterday"}, "timestamp is not a time"),
        ({"startup_time_ms": "fast"}, "startup_time_ms is not a number"),
        ({"rebuffer_duration_ms": "-5"}, "rebuffer_duration_ms is negative"),
        ({"rebuffer_count": ""}, "rebuffer_count is empty"),
        ({"resolution": "8K"}, "resolution is unknown"),
        ({"hour": "14"}, "hour is another than in timestamp"),
        ({"day_of_week": "0"}, "day_of_week is another than in timestamp"),
        ({"session_duration_sec": "1e300"}, "session_duration_sec is beyond all reason"),
    ],
)
def test_a_row_that_breaks_a_rule_is_kept_aside_with_its_line(change: dict[str, str], reason: str) -> None:
    found = csv_sessions(file(NEVER_STARTED, PLAIN | change), "archive", 8)
    assert [(r["line"], r["reason"]) for r in found.quarantined.to_pylist()] == [(3, reason)]
    assert found.sessions["session_id"].to_pylist() == ["b"]


def test_a_row_with_too_few_cells_is_kept_aside() -> None:
    found = csv_sessions(StringIO(file(PLAIN).getvalue() + "a,b\r\n"), "archive", 8)
    assert [r["reason"] for r in found.quarantined.to_pylist()] == ["2 cells, not 20"]


def test_another_file_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(Mistake, match="must name user_id"):
        csv_sessions(StringIO("session_id\nx\n"), "archive", 8)


@pytest.mark.parametrize("name", [name for name in MOST if name != "session_duration_sec"])
@pytest.mark.parametrize(
    "cell", ["NaN", "nan", "inf", "-Infinity", "1e30", "-1e300", "1e400", "18446744073709551615", "x"]
)
def test_one_cell_that_is_no_number_keeps_its_row_aside_and_the_others_are_imported(name: str, cell: str) -> None:
    found = csv_sessions(file(PLAIN, PLAIN | {"session_id": "bad", name: cell}, NEVER_STARTED), "archive", 8)
    assert sorted(found.sessions["session_id"].to_pylist()) == ["a", "b"]
    assert [(row["line"], name in row["reason"]) for row in found.quarantined.to_pylist()] == [(3, True)]


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2025-10-12T00:30:00+02:00", "2025-10-11 22:30:00"),
        ("2025-10-12 22:30:00-05", "2025-10-13 03:30:00"),
        ("2025-10-12 22:30:00 -0330", "2025-10-13 02:00:00"),
        ("2025-10-12T10:00:00Z", "2025-10-12 10:00:00"),
        ("2025-10-12 10:00:00.5 UTC", "2025-10-12 10:00:00.500000"),
        ("2025-10-12", "2025-10-12 00:00:00"),
        ("1994-02-28 23:30:00+14:00", "1994-02-28 09:30:00"),
        ("2025-10-12T10:00+0530", "2025-10-12 04:30:00"),
        ("2025-10-12 10:00:00z", "2025-10-12 10:00:00"),
    ],
)
def test_a_time_is_utc_by_the_zone_that_it_names(told: str, utc: str) -> None:
    (row,) = csv_sessions(
        file(PLAIN | {"timestamp": told, "hour": "", "day_of_week": ""}), "archive", 8
    ).sessions.to_pylist()
    assert (str(row["started_at"].replace(tzinfo=None)), str(row["day"])) == (utc, utc[:10])


@pytest.mark.parametrize(
    "told",
    [
        "soon",
        "2025-13-01 10:00:00",
        "1970-01-01 00:00:00",
        "2500-01-01 00:00:00",
        "1e30",
        "2025-10-12 10:00:00 PST",
        "2025-10-12 10:00:00 Europe/Berlin",
        "2025-10-12 10:00:00 GMT+2",
        "2025-10-12 10:00:00+25:00",
        "2025-10-12T10:00:00+02:00:00",
        "2025-10-12 10:00:00+02:00[Europe/Berlin]",
    ],
)
def test_a_time_that_is_none_keeps_its_row_aside(told: str) -> None:
    found = csv_sessions(file(PLAIN | {"timestamp": told}, NEVER_STARTED), "archive", 8)
    assert [row["reason"] for row in found.quarantined.to_pylist()] == ["timestamp is not a time"]
    assert len(found.sessions) == 1


@pytest.mark.parametrize("hour", ["0", "22"])
def test_the_hour_beside_a_time_may_be_its_own_or_that_of_utc(hour: str) -> None:
    row = PLAIN | {"timestamp": "2025-10-12T00:30:00+02:00", "hour": hour, "day_of_week": ""}
    assert len(csv_sessions(file(row), "archive", 8).sessions) == 1


def test_time_in_stalls_of_which_none_is_counted_is_one_stall() -> None:
    found = csv_sessions(file(PLAIN | {"rebuffer_count": "0", "rebuffer_duration_ms": "4000"}), "archive", 8)
    (row,) = found.sessions.to_pylist()
    assert (row["stall_count"], row["stall_ms"]) == (1, 4000)
    assert len(found.quarantined) == 0


def lines(*agents: str) -> StringIO:
    """A file of a row for each agent, written without quoting."""
    rows = [
        ",".join((PLAIN | {"session_id": f"q-{n}", "os_version": agent}).values()) for n, agent in enumerate(agents)
    ]
    return StringIO("\n".join([",".join(COLUMNS), *rows]) + "\n")


@pytest.mark.parametrize("open_ones", [{1}, {0}, {8}, {1, 4}, {2, 3}, {0, 8}, set(range(9))])
def test_a_quote_that_is_never_closed_costs_its_row_alone(open_ones: set[int]) -> None:
    found = csv_sessions(lines(*('"Mozilla/5.0 (X11' if n in open_ones else "UA" for n in range(9))), "archive", 8)
    assert set(found.sessions["session_id"].to_pylist()) == {f"q-{n}" for n in range(9) if n not in open_ones}
    assert [row["line"] for row in found.quarantined.to_pylist()] == [n + 2 for n in sorted(open_ones)]


def test_a_cell_of_several_lines_and_a_quote_inside_a_cell_are_read() -> None:
    found = csv_sessions(lines('"two\nlines, ""quoted"""', '5" screen', "UA"), "archive", 8)
    told = sorted((row["session_id"], row["user_agent"]) for row in found.sessions.to_pylist())
    assert told == [("q-0", 'two\nlines, "quoted"'), ("q-1", '5" screen'), ("q-2", "UA")]


def imported(text: str) -> list[dict[str, object]]:
    found = csv_sessions(StringIO(text, newline=""), "archive", 8)
    assert found.quarantined.to_pylist() == []
    return sorted(found.sessions.to_pylist(), key=lambda row: row["session_id"])


AS_COMMAS = file(PLAIN, NEVER_STARTED).getvalue()


def delimited(delimiter: str) -> str:
    return "".join(delimiter.join(f'"{cell}"' for cell in row) + "\n" for row in csv.reader(StringIO(AS_COMMAS)))


@pytest.mark.parametrize(
    "text",
    [
        delimited(";"),
        delimited("\t"),
        delimited("|"),
        "sep=;\r\n" + delimited(";").replace("\n", "\r\n"),
        '"sep=|"\n' + delimited("|"),
        AS_COMMAS.replace("\r\n", "\r"),
        AS_COMMAS.replace("\r\n", "\n").rstrip("\n"),
        "\r\n" + AS_COMMAS + "\r\n\r\n",
        AS_COMMAS + "," * 19 + "\r\n",
        "\ufeff" + AS_COMMAS,
        AS_COMMAS.replace("session_id", "SESSION ID").replace("user_id", "UserId").replace("isp", " Isp "),
        AS_COMMAS.replace("rebuffer_count", '"Rebuffer-Count"'),
    ],
)
def test_a_file_is_read_however_it_was_saved(text: str) -> None:
    assert imported(text) == imported(AS_COMMAS)


def test_columns_may_lie_in_another_order_and_beside_others() -> None:
    order = sorted(COLUMNS, reverse=True)
    out = StringIO()
    writer = csv.DictWriter(out, ["notes", *order])
    writer.writeheader()
    writer.writerows([PLAIN | {"notes": "x, y"}, NEVER_STARTED | {"notes": ""}])
    assert imported(out.getvalue()) == imported(AS_COMMAS)


def test_a_column_that_is_there_twice_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="isp more than once"):
        csv_sessions(StringIO(AS_COMMAS.replace("cdn_pop,", "cdn_pop,ISP,")), "archive", 8)


def test_between_semicolons_a_comma_is_the_decimal_sign() -> None:
    cells = PLAIN | {"session_duration_sec": "600,5", "startup_time_ms": "1200,0", "os_version": "iOS 17,2"}
    text = ";".join(COLUMNS) + "\n" + ";".join(cells.values()) + "\n"
    (row,) = imported(text)
    assert (row["session_ms"], row["startup_ms"], row["user_agent"]) == (600_500, 1200, "iOS 17,2")


def each(changes: list[dict[str, str]], base: dict[str, str] = PLAIN) -> list[dict[str, object]]:
    """The rows that come of one changed in each of these ways, in their order; {"reason": …} for one kept aside."""
    given = [base | change | {"session_id": f"{n:03}"} for n, change in enumerate(changes)]
    found = csv_sessions(file(*given), "archive", 8)
    rows = {int(row["session_id"]): row for row in found.sessions.to_pylist()}
    rows |= {row["line"] - 2: {"reason": row["reason"]} for row in found.quarantined.to_pylist()}
    return [rows[n] for n in range(len(changes))]


def test_what_exporters_write_for_nothing_is_nothing() -> None:
    nothings = ["", " ", "NULL", "null", r"\N", "NA", "N/A", "#N/A", "<NA>", "None", "-"]
    rows = each([{"startup_time_ms": nothing, "bitrate_kbps": nothing} for nothing in nothings], NEVER_STARTED)
    assert [(row["is_play"], row["startup_ms"]) for row in rows] == [(False, None)] * len(nothings)


SPELLED = (
    ("device_type", "Smart TV", "smart_tv"),
    ("device_type", "fridge", "other"),
    ("network_type", "Cellular-5G", "cellular_5g"),
    ("country_code", "kr", "KR"),
    ("country_code", "NA", "NA"),
    ("country_code", "Korea", "unknown"),
    ("isp", "Orange", "orange"),
    ("isp", "None", "none"),
    ("user_id", "NULL", "unknown"),
    ("content_id", r"\N", "unknown"),
)


def test_a_text_is_spelled_as_everywhere_and_namibia_is_a_country() -> None:
    rows = each([{name: cell} for name, cell, _ in SPELLED])
    kept = [row["viewer_id" if name == "user_id" else name] for row, (name, _, _) in zip(rows, SPELLED, strict=True)]
    assert kept == [spelled for _, _, spelled in SPELLED]


def test_a_resolution_is_read_by_its_lines_or_keeps_its_row_aside() -> None:
    cells = ["1080P", "4k", "2160p", "576", "1280x720", "854 x 480", ""]
    assert [row["main_height"] for row in each([{"resolution": cell} for cell in cells])] == [
        1080, 2160, 2160, 576, 720, 480, None,
    ]  # fmt: skip
    odd = ["8K", "HD", "0p", "1080i", "x", "99999999"]
    assert [row["reason"] for row in each([{"resolution": cell} for cell in odd])] == ["resolution is unknown"] * 6


TIMES = (
    ("1760274533", "2025-10-12 13:08:53"),
    ("1760274533.5", "2025-10-12 13:08:53.500000"),
    ("1760274533966", "2025-10-12 13:08:53.966000"),
    ("1760274533966590", "2025-10-12 13:08:53.966590"),
    ("2025-10-12t13:08:53.966590123z", "2025-10-12 13:08:53.966590"),
    ("2025-10-12 13:08:53,966+00:00", "2025-10-12 13:08:53.966000"),
    ("2025-10-12 13:08:53 +00:00", "2025-10-12 13:08:53"),
    ("2025-10-12T02:08:53.5-11:00", "2025-10-12 13:08:53.500000"),
)


def test_a_time_is_read_as_exporters_write_it() -> None:
    rows = each([{"timestamp": told, "hour": "", "day_of_week": ""} for told, _ in TIMES])
    assert [str(row["started_at"])[:-6] for row in rows] == [utc for _, utc in TIMES]


ODD_CELLS = (
    ("rebuffer_count", "2.5", "rebuffer_count is not a whole number"),
    ("frames_dropped", "0.1", "frames_dropped is not a whole number"),
    ("rebuffer_duration_ms", "601001", "rebuffering is longer than the session"),
    ("session_duration_sec", "0", "rebuffering is longer than the session"),
    ("session_duration_sec", "NA", "session_duration_sec is empty"),
    ("bitrate_kbps", "4,500", "bitrate_kbps is not a number"),
    ("bitrate_kbps", "0x1194", "bitrate_kbps is not a number"),
    ("bitrate_kbps", "#REF!", "bitrate_kbps is not a number"),
    ("bitrate_kbps", "1_000", "bitrate_kbps is not a number"),
    ("frames_dropped", "-1", "frames_dropped is negative"),
    ("startup_time_ms", "1e999", "startup_time_ms is not a number"),
)


def test_a_cell_that_cannot_be_meant_keeps_its_row_aside() -> None:
    rows = each([{name: cell} for name, cell, _ in ODD_CELLS])
    assert [row.get("reason") for row in rows] == [reason for _, _, reason in ODD_CELLS]


def test_a_cell_that_is_rounded_is_read() -> None:
    rows = each([{"rebuffer_duration_ms": "600900"}, {"frames_dropped": "3.0"}, {"hour": "13.0"},
                 {"rebuffer_count": "2e0"}, {"bitrate_kbps": "4499.6"}])  # fmt: skip
    assert [row.get("reason") for row in rows] == [None] * 5


def test_a_quote_that_is_escaped_by_a_backslash_is_read() -> None:
    found = csv_sessions(lines(r'"the \"best\" TV, 55\" wide"', r'"C:\"', "UA"), "archive", 8)
    agents = sorted((row["session_id"], row["user_agent"]) for row in found.sessions.to_pylist())
    assert agents == [("q-0", 'the "best" TV, 55" wide'), ("q-1", "C:\\"), ("q-2", "UA")]


def test_what_an_agent_says_is_among_the_dimensions() -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:119.0) Gecko/20100101 Firefox/119.0"
    told, given = each([{"os_version": agent, "device_type": ""}, {"os_version": agent, "device_type": "console"}])
    names = ("device_type", "os", "os_version", "browser", "browser_version", "user_agent")
    assert [told[name] for name in names] == ["web", "windows", "10", "firefox", "119", agent]
    assert given["device_type"] == "console"
