"""Keeps everything under `var/` private to the user who runs it."""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qoescope.stack import processes

log = logging.getLogger(__name__)
UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@contextmanager
def restrict_umask() -> Iterator[None]:
    """While the block runs, files that this process and its children create are private."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def secure(var: Path) -> int:
    """Creates the folder and closes its content to other users; returns how many entries were open.

    Where root runs the stack, Postgres runs as nobody and has to pass through: then the folder may be entered, but not
    listed, and nothing in it is open. Files of other users stay as they are.
    """
    var.mkdir(parents=True, exist_ok=True)
    _set_mode(var, 0o711 if processes.is_root() else 0o700)
    count = sum(_close(path) for path in _walk(var))
    if count:
        log.warning("%d files and folders of %s were open to other users: they are closed now", count, var)
    return count


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All entries below, a folder before its content; skips what is deleted meanwhile."""
    try:
        with os.scandir(folder) as entries:
            here = list(entries)
    except (FileNotFoundError, PermissionError):
        return
    for entry in here:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))


def _close(entry: os.DirEntry[str]) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or not mode & OTHERS:
        return False
    return _set_mode(Path(entry.path), mode & ~OTHERS)


def _set_mode(path: Path, mode: int) -> bool:
    """Sets the mode; False where the file is another user's, such as a mounted volume, or gone."""
    try:
        path.chmod(mode)
    except (FileNotFoundError, PermissionError):
        return False
    return True
