"""Addresses: beyond loopback a service needs TLS or a proxy that speaks it."""

from pathlib import Path

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.host.addresses import refuse_clear_text

PEM = Path("door.pem")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_tls(address: str) -> None:
    refuse_clear_text("door", address, None, None, None)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.7", "collector.example"])  # noqa: S104
def test_other_addresses_need_both_files_of_tls_or_a_proxy(address: str) -> None:
    for certificate, key in ((None, None), (PEM, None), (None, PEM)):
        with pytest.raises(Mistake, match="set QOESCOPE_DOOR_TLS_CERTIFICATE and QOESCOPE_DOOR_TLS_KEY"):
            refuse_clear_text("door", address, certificate, key, "")
    refuse_clear_text("door", address, PEM, PEM, None)
    refuse_clear_text("door", address, None, None, "10.0.0.1")
