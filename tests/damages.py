"""Damages: what a power cut or a full disk does to a file of a checkpoint."""

from collections.abc import Callable
from pathlib import Path


def cut(file: Path) -> None:
    """Leaves the first half."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def drop_last_line(file: Path) -> None:
    """Leaves all but the last line."""
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[:-1]))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": cut,
    "last line gone": drop_last_line,
}


def newest(folder: Path) -> Path:
    """The last file of offsets or commits; its checksum is gone, as after a power cut that lost both."""
    last = max((file for file in folder.iterdir() if file.name.isdecimal()), key=lambda file: int(file.name))
    last.with_name(f".{last.name}.crc").unlink(missing_ok=True)
    return last
