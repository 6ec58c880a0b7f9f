"""Privacy: what of a person passes the door."""

import hmac
import ipaddress
from functools import lru_cache

PSEUDONYM_BITS = 128
NO_TRACKING = ("dnt", "sec-gpc")
"""Request headers by which a browser asks not to be followed, when they are `1`."""


@lru_cache(16_384)
def pseudonym(key: bytes, version: int, property_name: str, viewer_id: str) -> str:
    """The viewer's name in our tables: HMAC-SHA-256 under the installation's key, cut to 128 bits.

    The same viewer has another one in another property and under another key version.
    """
    message = property_name.encode() + b"\0" + viewer_id.encode()
    return f"v{version}:{hmac.digest(key, message, 'sha256')[: PSEUDONYM_BITS // 8].hex()}"


def network(address: str) -> str:
    """The address cut to its network, /24 or /48; empty for what is no address."""
    host = address.rpartition(":")[0] if address.count(":") == 1 else address.strip("[]")
    try:
        known: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped:
        known = known.ipv4_mapped
    bits = 24 if isinstance(known, ipaddress.IPv4Address) else 48
    return str(ipaddress.ip_network((known, bits), strict=False).network_address)


def without_query(text: str) -> str:
    """The text; a URL without its query and fragment, which may name people."""
    if "://" not in text:
        return text
    return text.partition("?")[0].partition("#")[0]
