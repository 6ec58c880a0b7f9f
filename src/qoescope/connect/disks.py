"""Disks that a process writes to or depends on, and how much room they have."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from qoescope.connect.causes import Cause
from qoescope.settings import Settings

DEPENDENCY_FOLDERS = ("kafka", "log", "postgres")
"""Folders of `var` that may be on disks of their own and that everything depends on."""
_PATH = re.compile(r"(?:^|[\s'\"(:])/\w")


def free_bytes(settings: Settings) -> Iterator[tuple[str, int]]:
    """Free bytes of each disk that the process writes to or depends on."""
    folders = (str(settings.var), settings.lake, settings.checkpoints)
    mounted = [str(path) for path in (settings.var / name for name in DEPENDENCY_FOLDERS) if path.is_mount()]
    for place in dict.fromkeys((*folders, *mounted)):
        if place and "://" not in place and Path(place).exists():
            yield place, shutil.disk_usage(place).free


def name_full_disk(cause: Cause, settings: Settings) -> Cause:
    """The cause with the folder that has the least room, where it tells of a full disk and names no path."""
    rooms = sorted((free, place) for place, free in free_bytes(settings))
    if cause.anchor != "disk-full" or _PATH.search(cause.sentence) or not rooms:
        return cause
    free, place = rooms[0]
    return replace(cause, sentence=f"{cause.sentence}; under {place} {free / 1e6:,.0f} MB are left")
