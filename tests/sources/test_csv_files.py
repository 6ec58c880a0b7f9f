"""A CSV of sessions is read however spreadsheets and exporters saved it, cell by cell."""

import csv
from io import BytesIO, StringIO

import pytest
from csv_rows import NEVER_STARTED, PLAIN, file, lines

from qoescope.catalog.data_set import COLUMNS
from qoescope.catalog.errors import Mistake
from qoescope.sources import packing
from qoescope.sources.csv.sessions import csv_sessions


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
    agent = "Mozilla/5.0 (Windows NT 6.1; WOW64; rv:115.0) Gecko/20100101 Firefox/115.0"
    told, given = each([{"os_version": agent, "device_type": ""}, {"os_version": agent, "device_type": "console"}])
    names = ("device_type", "os", "os_version", "browser", "browser_version", "user_agent")
    assert [told[name] for name in names] == ["web", "windows", "7", "firefox", "115", agent]
    assert given["device_type"] == "console"


@pytest.mark.parametrize("filler", ["x", ",", '"', "\0", '""', "a,"])
@pytest.mark.parametrize("before", ["", '"an open quote\r\n'])
def test_an_overlong_line_is_kept_aside_and_those_around_it_are_imported(filler: str, before: str) -> None:
    names, first, second = AS_COMMAS.splitlines(keepends=True)
    overlong = filler * (1 + packing.LONGEST_LINE // len(filler)) + "\r\n"
    saved = BytesIO((names + first + before + overlong + second).encode())
    found = csv_sessions(packing.text_lines(saved, "table"), "archive", 8)
    assert sorted(found.sessions["session_id"].to_pylist()) == ["a", "b"]
    kept = [(row["line"], row["reason"], len(row["content"]) <= 4096) for row in found.quarantined.to_pylist()]
    opened = [(3, "a quote is opened and never closed", True)] * bool(before)
    assert kept == [*opened, (3 + bool(before), "the line is longer than 1 MiB", True)]
