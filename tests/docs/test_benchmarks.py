"""The page of benchmarks: every figure has its peer, and every measurement of bench/ is on it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text()
LINES = [
    dict(
        zip(
            ("what", "unit", "ours", "peer", "ratio", "beside"), (c.strip() for c in line.split("|")[1:-1]), strict=True
        )
    )
    for line in re.findall(r"^\| .+ \|$", PAGE.split("## How cost grows")[0], re.MULTILINE)[2:]
]
NOT_MEASUREMENTS = {"all", "ingest_load", "root_causes", "servers"}
"""`servers` is run by whoever decides anew (docs/decisions/0015): its figures are of one choice, not of a release.

`root_causes` is run by whoever changes the search: the published methods take half an hour."""


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["what"])
def test_every_figure_stands_beside_a_peer_or_a_limit(line: dict[str, str]) -> None:
    assert line["beside"]
    ours, peer, ratio = (float(line[name].replace(",", "")) for name in ("ours", "peer", "ratio"))
    assert min(abs(ours / peer - ratio), abs(peer / ours - ratio)) < 0.02 + 0.01 * ratio


def test_every_measurement_of_the_folder_is_on_the_page() -> None:
    scripts = {path.stem for path in (ROOT / "bench").glob("*.py")} - NOT_MEASUREMENTS
    assert scripts == set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
