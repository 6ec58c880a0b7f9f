"""Safety: the key that signs logins, and the refusal to listen in the clear."""

import ipaddress
import os
import secrets

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings


def cookie_key(settings: Settings) -> bytes:
    """The key that signs logins, made on first use; raises `Mistake` when others may read it."""
    path = settings.var / "secrets" / "console.key"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    if path.stat().st_mode & 0o077:
        raise Mistake(f"{path} may be read by others: chmod 600 {path}")
    return path.read_bytes()


def refuse_open_console(settings: Settings) -> None:
    """Raises `Mistake` when the console would listen beyond this machine without TLS or a named proxy."""
    try:
        local = ipaddress.ip_address(settings.console_address).is_loopback
    except ValueError:
        local = settings.console_address == "localhost"
    tls = settings.console_tls_certificate is not None and settings.console_tls_key is not None
    if not (local or tls or settings.console_proxy):
        raise Mistake(
            f"the console would listen on {settings.console_address} in the clear: "
            "set QOESCOPE_CONSOLE_TLS_CERTIFICATE and QOESCOPE_CONSOLE_TLS_KEY, "
            "or name the proxy that speaks TLS in QOESCOPE_CONSOLE_PROXY"
        )
