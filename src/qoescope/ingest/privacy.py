"""Privacy: what of a person passes the door."""

import ipaddress

NO_TRACKING = ("dnt", "sec-gpc")
"""Request headers by which a browser asks not to be followed, when they are `1`."""


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
