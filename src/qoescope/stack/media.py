"""The demo page's film, as HLS and DASH, and the players that show it."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from qoescope.catalog.errors import Mistake

SECONDS, SEGMENT_S, FRAMES = 60, 4, 25
RENDITIONS = ((240, 400), (480, 1200), (720, 2800))
"""(height, constant kbps), so that a throttle has a known effect."""
MANIFEST, PLAYLIST = "main.mpd", "master.m3u8"
DONE_MARKER = "done"


@dataclass(frozen=True, slots=True)
class Player:
    """A pinned player library: its package, the package's digest, and the file that is extracted from it."""

    package: str
    version: str
    integrity: str
    member: str
    file: str


PLAYERS = (
    Player(
        "hls.js",
        "1.7.4",
        "sha512-3GlxGdPvT2YHvQYOt+yOzT/DEior/qJVNIylHA77kgeoBTdQQqi70GwefNEUmHQeNGyjC8U62+bruqW/Tpm+tg==",
        "package/dist/hls.min.js",
        "hls.js",
    ),
    Player(
        "dashjs",
        "5.2.1",
        "sha512-axcJmLeJCTJMLUfQRErUJB1KOiU5iHF+DMLBc3FKeox1HPYtGUQlC6Xm5Mm6vhBUR3CHHLIPOqw0JDIqMtP+Dw==",
        "package/dist/modern/umd/dash.all.min.js",
        "dash.js",
    ),
    Player(
        "shaka-player",
        "5.2.12",
        "sha512-vEsuVDI3+oLh+yqpjXexQZlg2XMUBI0VrqatDuKWacPaxAud6Uph5uCowUPLhUgNG5XKWCpoM4l1r8qYzWH+zg==",
        "package/dist/shaka-player.compiled.js",
        "shaka.js",
    ),
)


def prepare(folder: Path) -> Path:
    """Fills `folder` with the film and the players; does nothing when they are there."""
    make_film(folder / "film")
    fetch_players(folder / "players")
    return folder


def make_film(folder: Path, seconds: int = SECONDS) -> Path:
    """Encodes the film into `folder` by ffmpeg, once; returns it. Raises `Mistake` without ffmpeg."""
    ffmpeg = _program("ffmpeg", "it makes the demo's film")
    if (folder / DONE_MARKER).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run([ffmpeg, *ffmpeg_arguments(seconds), MANIFEST], folder)
    (folder / DONE_MARKER).touch()
    return folder


def make_clip(path: Path, seconds: int) -> Path:
    """Encodes one small file that any browser plays."""
    ffmpeg = _program("ffmpeg", "it makes the tests' film")
    source = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={FRAMES}:duration={seconds}"]
    codec = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-g",
        str(FRAMES),
        "-movflags",
        "+faststart",
    ]
    _run([ffmpeg, "-hide_banner", "-loglevel", "error", "-y", *source, *codec, path.name], path.parent)
    return path


def ffmpeg_arguments(seconds: int) -> list[str]:
    """Ffmpeg's arguments, without the program and the manifest."""
    split = f"[0:v]split={len(RENDITIONS)}" + "".join(f"[in{n}]" for n in range(len(RENDITIONS)))
    scales = [f"[in{n}]scale=-2:{height}[v{n}]" for n, (height, _) in enumerate(RENDITIONS)]
    arguments = ["-hide_banner", "-loglevel", "error", "-y"]
    arguments += ["-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={FRAMES}:duration={seconds}"]
    arguments += ["-f", "lavfi", "-i", f"sine=frequency=330:sample_rate=48000:duration={seconds}"]
    arguments += ["-filter_complex", ";".join([split, *scales])]
    for n, (_, kbps) in enumerate(RENDITIONS):
        arguments += ["-map", f"[v{n}]"]
        arguments += [
            text for name in ("b", "minrate", "maxrate", "bufsize") for text in (f"-{name}:v:{n}", f"{kbps}k")
        ]
    every = str(SEGMENT_S * FRAMES)
    arguments += f"-map 1:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params nal-hrd=cbr -g {every}".split()
    arguments += f"-keyint_min {every} -sc_threshold 0 -c:a aac -b:a 64k -ac 2".split()
    arguments += ["-f", "dash", "-seg_duration", str(SEGMENT_S), "-use_template", "1", "-use_timeline", "0"]
    return [*arguments, "-adaptation_sets", "id=0,streams=v id=1,streams=a", "-hls_playlist", "1"]


def fetch_players(folder: Path, players: tuple[Player, ...] = PLAYERS) -> Path:
    """Fetches one file a player into `folder` by npm and checks digests; returns it. Raises `Mistake`."""
    folder.mkdir(parents=True, exist_ok=True)
    for player in players:
        if not (folder / player.file).exists():
            _fetch(player, folder)
    return folder


def _fetch(player: Player, folder: Path) -> None:
    npm = _program("npm", "it fetches the demo's players")
    with tempfile.TemporaryDirectory() as name:
        _run([npm, "pack", f"{player.package}@{player.version}", "--silent", "--ignore-scripts"], Path(name))
        (package,) = Path(name).glob("*.tgz")
        text = extract_player(package, player)
    made = folder / f"{player.file}.new"
    made.write_bytes(text)
    made.replace(folder / player.file)


def extract_player(package: Path, player: Player) -> bytes:
    """The player's one file; raises `Mistake` if the package is not the pinned one."""
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != player.integrity:
        raise Mistake(f"{player.package} {player.version} is not what was pinned: got sha512-{digest}")
    with tarfile.open(package) as archive:
        member = archive.extractfile(player.member)
        if member is None:
            raise Mistake(f"{player.package} {player.version} holds no {player.member}")
        return member.read()


def _program(name: str, why: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Mistake(f"{name} is not installed; {why}")
    return path


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  our own words
    if done.returncode:
        raise Mistake(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")
