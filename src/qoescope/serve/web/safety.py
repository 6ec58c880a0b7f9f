"""Safety: the key that signs logins, and the refusal to listen in the clear."""

import secrets

from qoescope.host.addresses import refuse_clear_text
from qoescope.host.files import create_private, make_private_folder, read_private
from qoescope.settings import Settings


def cookie_key(settings: Settings) -> bytes:
    """The key that signs logins, made on first use; raises `Mistake` when others may read it."""
    path = settings.var / "secrets" / "console.key"
    make_private_folder(path.parent)
    if not path.exists():
        create_private(path, secrets.token_bytes(32))
    return read_private(path)


def refuse_open_console(settings: Settings) -> None:
    """Raises `Mistake` when the console would listen beyond this machine without TLS or a named proxy."""
    refuse_clear_text(
        "console",
        settings.console_address,
        settings.console_tls_certificate,
        settings.console_tls_key,
        settings.console_proxy,
    )
