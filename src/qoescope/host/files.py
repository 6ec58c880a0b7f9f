"""Files: written whole or not at all, and private ones that nobody else on the machine may read."""

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
    """A hidden name in the same folder for what is not yet whole; another one for each process and thread."""
    return path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")


@contextmanager
def replacing(path: Path, mode: int = PUBLIC) -> Iterator[IO[bytes]]:
    """A file that takes the name once the block has written all of it: a reader sees the old one or the new one.

    A block that fails leaves the old one and nothing else.
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
    """Writes the file, private from its first moment on, in place of the one before."""
    with replacing(path, PRIVATE) as file:
        file.write(data)


def create_private(path: Path, data: bytes) -> None:
    """Makes the file, private from its first moment on; raises `FileExistsError` where there is one."""
    with _created(path, PRIVATE) as file:
        file.write(data)


def read_private(path: Path) -> bytes:
    """What the file holds; raises `Mistake` when others may read it too."""
    if path.stat().st_mode & OTHERS:
        raise Mistake(f"{path} may be read by others: chmod 600 {path}")
    return path.read_bytes()


def make_private_folder(folder: Path) -> None:
    """Makes the folder where it is missing, for this user only."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def _created(path: Path, mode: int) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
