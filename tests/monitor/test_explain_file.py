"""What explain reads from files as people have them, and what it says of those it cannot read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from qoescope.catalog.errors import Mistake
from qoescope.monitor.jobs.explain_file import explain_file

HEADER = ("isp", "cdn", "sessions", "failures", "base_sessions", "base_failures")
COUNTS = {"n": "sessions", "k": "failures", "base_n": "base_sessions", "base_k": "base_failures"}


def rows(bad: str = "b", scale: int = 1) -> list[tuple[str, ...]]:
    """Four ISPs by three CDNs; 40 of 100 fail at `bad`, 2 of 100 elsewhere and before."""
    counts = ((isp, cdn, 100, 40 if isp == "b" else 2, 900, 18) for isp in "abcd" for cdn in "xyz")
    return [(bad if isp == "b" else isp, cdn, *(str(n * scale) for n in numbers)) for isp, cdn, *numbers in counts]


def text(
    delimiter: str = ",", end: str = "\n", header: tuple[str, ...] = HEADER, bad: str = "b", scale: int = 1
) -> str:
    return "".join(delimiter.join(row) + end for row in (header, *rows(bad, scale)))


@pytest.mark.parametrize(
    ("content", "isp"),
    [
        (text(), "b"),
        ("\ufeff" + text(), "b"),
        (text(";"), "b"),
        (text("\t"), "b"),
        (text("|"), "b"),
        (text(end="\r\n"), "b"),
        (text(end="\n\n"), "b"),
        (text(header=tuple(f" {name} " for name in HEADER)), "b"),
        (text(bad='"b\nof two lines, quoted"'), "b\nof two lines, quoted"),
        (text(bad="텔레콤 🎬"), "텔레콤 🎬"),
        (text(bad="007"), "007"),
        (text(bad="true"), "true"),
        (text(bad=""), None),
        (text(bad='""'), ""),
        (text(scale=10**16), "b"),
    ],
)
def test_a_csv_is_read_as_it_comes(tmp_path: Path, content: str, isp: str | None) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(content, encoding="utf-8", newline="")
    assert [dict(one.slice) for one in explain_file(path, ["isp", "cdn"], **COUNTS)] == [{"isp": isp}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("\n", "cannot be read"),
        (text() + "b,x,3\n", "Expected 6 columns, got 3"),
        (text().replace(",40,", ",-1,", 1), "'failures', row 4: -1 is below zero"),
        (text().replace(",40,", ",400,", 1), "row 4: 'failures' .* greater than 'sessions'"),
        (text().replace(",40,", ",NA,", 1), "'failures' must hold numbers"),
        (text().replace(",40,", ",inf,", 1), "'failures', row 4: inf is no count"),
        (text(header=(*HEADER[:5], "sessions")), "'sessions' is there twice"),
        (text(header=("isp", "isp", *HEADER[2:])), "'isp' is there twice"),
        (text(header=(*HEADER[:4], "before", "base_failures")), "base_sessions"),
    ],
)
def test_a_csv_that_cannot_be_judged_is_refused_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(Mistake, match=says):
        explain_file(path, ["isp"], **COUNTS)


def test_a_dimension_of_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.parquet"
    columns = {name: [1, 2] for name in COUNTS.values()}
    pyarrow.parquet.write_table(pa.table({"tags": [["a"], ["b"]], **columns}), path)
    with pytest.raises(Mistake, match="'tags' holds list"):
        explain_file(path, ["tags"], **COUNTS)
