"""The demo's film and players: made on the spot, and only what was pinned."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.stack.media import MANIFEST, PLAYLIST, RENDITIONS, Player, extract_player, ffmpeg_arguments, make_film


def packed(path: Path, name: str, text: bytes) -> str:
    """A package with one file, and its digest."""
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_a_player_is_taken_out_of_the_package_that_was_pinned(tmp_path: Path) -> None:
    integrity = packed(tmp_path / "p.tgz", "package/dist/p.js", b"play()")
    assert extract_player(tmp_path / "p.tgz", Player("p", "1", integrity, "package/dist/p.js", "p.js")) == b"play()"


def test_another_package_is_refused(tmp_path: Path) -> None:
    packed(tmp_path / "p.tgz", "package/dist/p.js", b"steal()")
    with pytest.raises(Mistake, match="p 1 is not what was pinned"):
        extract_player(tmp_path / "p.tgz", Player("p", "1", "sha512-other", "package/dist/p.js", "p.js"))


def test_each_rendition_has_a_constant_rate() -> None:
    said = ffmpeg_arguments(4)
    for n, (_, kbps) in enumerate(RENDITIONS):
        assert {said[said.index(f"-{rate}:v:{n}") + 1] for rate in ("b", "minrate", "maxrate")} == {f"{kbps}k"}


@pytest.mark.live
def test_the_film_is_hls_and_dash_of_the_same_segments(tmp_path: Path) -> None:
    made = make_film(tmp_path / "film", seconds=8)
    playlist, manifest = (made / PLAYLIST).read_text(), (made / MANIFEST).read_text()
    assert playlist.count("#EXT-X-STREAM-INF") == manifest.count('mimeType="video/mp4"') == len(RENDITIONS)
    assert len(list(made.glob("chunk-stream0-*.m4s"))) == 2
