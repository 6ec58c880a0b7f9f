"""Viewer keys: the files by which viewers get their pseudonyms, each version that is kept."""

import contextlib
import os
import secrets

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings

SECRET_BYTES = 32


def ensure(settings: Settings) -> None:
    """Makes the first version where there is none: that is for the door, whose pseudonyms everything else goes by."""
    folder = settings.var / "secrets"
    if any(folder.glob("viewers.v*.key")):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        number = os.open(folder / "viewers.v1.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))


def read(settings: Settings) -> dict[int, bytes]:
    """Every version that is kept; a file `viewers.v2.key` beside the first begins a new one.

    Raises `Mistake` when there is none, or others may read one.
    """
    folder = settings.var / "secrets"
    found = {}
    for path in folder.glob("viewers.v*.key"):
        if path.stat().st_mode & 0o077:
            raise Mistake(f"{path} may be read by others: chmod 600 {path}")
        found[int(path.name.split(".")[1].removeprefix("v"))] = path.read_bytes()
    if not found:
        raise Mistake(
            f"no viewers.v1.key in {folder}: the collector makes it when it first starts; bring it from there"
        )
    return found
