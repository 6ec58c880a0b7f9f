"""Which addresses a service may listen on without TLS."""

import ipaddress
from pathlib import Path

from qoescope.catalog.errors import Mistake


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def refuse_clear_text(
    service: str, address: str, certificate: Path | None, key: Path | None, proxy: str | None
) -> None:
    """Raises `Mistake` when the service would listen beyond this machine without TLS or a named proxy.

    `service` is its name in messages and settings: `QOESCOPE_<SERVICE>_TLS_KEY`.
    """
    has_tls = certificate is not None and key is not None
    if is_loopback(address) or has_tls or proxy:
        return
    prefix = f"QOESCOPE_{service.upper()}"
    raise Mistake(
        f"the {service} would listen on {address} in the clear: set {prefix}_TLS_CERTIFICATE and {prefix}_TLS_KEY, "
        f"or name the proxy that speaks TLS in {prefix}_PROXY"
    )
