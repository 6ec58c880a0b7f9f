"""Secrets: made once per installation, in files that only this user may read."""

import base64
import os
import secrets
from pathlib import Path

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings


def folder(settings: Settings) -> Path:
    """Where secrets lie."""
    path = settings.var / "secrets"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def secret(settings: Settings, name: str, made: str = "") -> str:
    """The secret of this name; on first use `made`, else 32 random bytes as text.

    Raises `Mistake` where others may read it, and where it is missing and its folder cannot be written to.
    """
    path = folder(settings) / name
    if not path.exists():
        try:
            write(path, made or secrets.token_urlsafe(32))
        except OSError as error:
            raise Mistake(f"{path} is missing, and cannot be made here ({error.strerror})") from error
    if path.stat().st_mode & 0o077:
        raise Mistake(f"{path} may be read by others: chmod 600 {path}")
    return path.read_text().strip()


def write(path: Path, text: str) -> None:
    """The file with this text, readable by this user only from its first moment on."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def fernet_key() -> str:
    """A key for Fernet: 32 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def signing_key() -> str:
    """64 bytes for signatures, in base64."""
    return base64.b64encode(secrets.token_bytes(64)).decode()
