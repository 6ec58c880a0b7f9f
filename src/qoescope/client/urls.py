"""The collector's endpoint for beacons."""

from urllib.parse import urlsplit

from qoescope.catalog.errors import Mistake


def beacons_url(url: str) -> str:
    """The URL of the collector's endpoint for beacons; raises `Mistake` for an invalid URL."""
    parts = urlsplit(url)
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number
        valid = False
    if not valid:
        raise Mistake(f"the collector's URL must look like http://127.0.0.1:8460, not '{url}'")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/v1/beacons"
