"""Secrets: created once per installation, in files that only this user can read."""

import base64
import secrets
from pathlib import Path

from qoescope.catalog.errors import Mistake
from qoescope.host.files import make_private_folder, read_private, write_private
from qoescope.settings import Settings


def folder(settings: Settings) -> Path:
    """The folder of secrets; created if missing."""
    path = settings.var / "secrets"
    make_private_folder(path)
    return path


def secret(settings: Settings, name: str, made: str = "") -> str:
    """The secret of this name; on first use `made`, else 32 random bytes as text.

    Raises `Mistake` where others can read it, and where it is missing and cannot be created.
    """
    path = folder(settings) / name
    if not path.exists():
        try:
            write(path, made or secrets.token_urlsafe(32))
        except OSError as error:
            raise Mistake(f"{path} is missing, and cannot be made here ({error.strerror})") from error
    return read_private(path).decode().strip()


def write(path: Path, text: str) -> None:
    """Writes the file, readable by this user only from the start."""
    write_private(path, text.encode())


def fernet_key() -> str:
    """A key for Fernet: 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def signing_key() -> str:
    """A signing key: 64 bytes in base64."""
    return base64.b64encode(secrets.token_bytes(64)).decode()
