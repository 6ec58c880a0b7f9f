"""Key files of viewers' pseudonyms, in all their versions."""

import contextlib
import secrets

from qoescope.catalog.errors import Mistake
from qoescope.host.files import create_private, make_private_folder, read_private
from qoescope.settings import Settings

SECRET_BYTES = 32


def ensure(settings: Settings) -> None:
    """Creates the first version where there is none; only the collector does, since all pseudonyms come from it."""
    folder = settings.var / "secrets"
    if any(folder.glob("viewers.v*.key")):
        return
    make_private_folder(folder)
    with contextlib.suppress(FileExistsError):
        create_private(folder / "viewers.v1.key", secrets.token_bytes(SECRET_BYTES))


def read(settings: Settings) -> dict[int, bytes]:
    """All versions of the key; a file `viewers.v2.key` beside the first adds one.

    Raises `Mistake` when there is none, or others may read one.
    """
    folder = settings.var / "secrets"
    keys = {}
    for path in folder.glob("viewers.v*.key"):
        keys[int(path.name.split(".")[1].removeprefix("v"))] = read_private(path)
    if not keys:
        raise Mistake(
            f"no viewers.v1.key in {folder}: the collector makes it when it first starts; bring it from there"
        )
    return keys
