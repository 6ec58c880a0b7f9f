"""The pictures in docs/: screenshots with the headings that they show, and the recording."""

import json
import struct
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "screenshots"
TEXTS = FOLDER / "texts.json"


def texts() -> dict[str, list[str]]:
    """The headings of each page when its picture was taken, by name, numbers left out."""
    return json.loads(TEXTS.read_text()) if TEXTS.exists() else {}


def size(png: Path) -> tuple[int, int]:
    """Width and height, from a PNG's own head."""
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return width, height


def frames(gif: Path) -> tuple[tuple[int, int], int]:
    """Width and height, and how many pictures follow each other."""
    data = gif.read_bytes()
    width, height = struct.unpack("<HH", data[6:10])
    return (width, height), data.count(b"\x21\xf9\x04")
