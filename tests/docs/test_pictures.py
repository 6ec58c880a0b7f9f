"""The pictures that README shows are there, of the right size, and tell what README says."""

import re
from pathlib import Path

import pictures
import tour

README = Path(__file__).parents[2] / "README.md"


def test_the_recording_is_small_and_shows_what_readme_says_it_does() -> None:
    size, count = pictures.frames(tour.RECORDING)
    assert size == (tour.WIDTH, tour.HEIGHT)
    assert count > 40
    assert tour.RECORDING.stat().st_size < 3_000_000
    text = README.read_text()
    assert "(docs/recording.gif)" in text
    assert re.findall(r"^\d\. (.+)$", text.split("# Demo\n")[1].split("# Conclusion")[0], re.MULTILINE) == list(
        tour.CAPTIONS
    )


def test_every_page_of_the_console_has_its_picture() -> None:
    kept = {path.stem for path in pictures.FOLDER.glob("*.png")}
    assert set(pictures.texts()) <= kept
    assert {name.split("-")[0] for name in kept} == set(pictures.texts())
    assert all(pictures.size(pictures.FOLDER / f"{name}.png")[0] == 1280 for name in pictures.texts())
