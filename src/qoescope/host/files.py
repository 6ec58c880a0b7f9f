"""Atomic file replacement, and private files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import IO

from qoescope.catalog.errors import Mistake

PUBLIC, PRIVATE = 0o666, 0o600
"""Modes of files; the process' umask narrows them."""
PRIVATE_FOLDER = 0o700
OTHERS = 0o077


def beside(path: Path) -> Path:
    """A hidden name in the same folder for an incomplete file; unique to the process and thread."""
    return path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")


@contextmanager
def replacing(path: Path, mode: int = PUBLIC) -> Iterator[IO[bytes]]:
    """A file that replaces `path` once the block has written it: readers see the old or the new one.

    If the block raises, the old file stays and nothing else is left.
    """
    half = beside(path)
    half.unlink(missing_ok=True)
    try:
        with _created(half, mode) as file:
            yield file
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def write_private(path: Path, data: bytes) -> None:
    """Replaces the file atomically; it is private from the start."""
    with replacing(path, PRIVATE) as file:
        file.write(data)


def create_private(path: Path, data: bytes) -> None:
    """Creates the file, private from the start; raises `FileExistsError` where there is one."""
    with _created(path, PRIVATE) as file:
        file.write(data)


def read_private(path: Path) -> bytes:
    """The file's content; raises `Mistake` when others can read it too."""
    if path.stat().st_mode & OTHERS:
        raise Mistake(f"{path} may be read by others: chmod 600 {path}")
    return path.read_bytes()


def make_private_folder(folder: Path) -> None:
    """Creates the folder if it is missing, for this user only."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def _created(path: Path, mode: int) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
