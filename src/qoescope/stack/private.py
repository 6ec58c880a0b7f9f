"""Private: what lies under `var/` is for the user who runs it, from its first byte on."""

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
def masked() -> Iterator[None]:
    """While it lasts, files and folders that this process or a child of it makes are for this user only."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def secure(var: Path) -> int:
    """Makes the folder and closes what is in it to everybody else; how many files and folders were open.

    Where root runs the stack, Postgres runs as nobody and has to pass through: the folder itself may be entered then,
    while it cannot be listed and nothing in it is open. What belongs to another user is left to them.
    """
    var.mkdir(parents=True, exist_ok=True)
    _narrow(var, 0o711 if processes.is_root() else 0o700)
    count = sum(_close(path) for path in _below(var))
    if count:
        log.warning("%d files and folders of %s were open to other users: they are closed now", count, var)
    return count


def _below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below it, a folder before what it holds; what goes meanwhile is passed over."""
    try:
        with os.scandir(folder) as entries:
            here = list(entries)
    except (FileNotFoundError, PermissionError):
        return
    for entry in here:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


def _close(entry: os.DirEntry[str]) -> bool:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode) or not mode & OTHERS:
        return False
    return _narrow(Path(entry.path), mode & ~OTHERS)


def _narrow(path: Path, mode: int) -> bool:
    """Gives it this mode; False where it is another user's, such as a mounted volume, or gone."""
    try:
        path.chmod(mode)
    except (FileNotFoundError, PermissionError):
        return False
    return True
