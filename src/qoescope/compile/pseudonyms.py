"""Pseudonyms: what a viewer is called in our tables. The key never leaves the installation."""

import hmac
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

BITS = 128


@lru_cache(16_384)
def pseudonym(key: bytes, version: int, property_name: str, viewer_id: str) -> str:
    """The viewer's name in our tables: HMAC-SHA-256 under the installation's key, cut to 128 bits.

    The same viewer has another one in another property and under another key version.
    """
    message = property_name.encode() + b"\0" + viewer_id.encode()
    return f"v{version}:{hmac.digest(key, message, 'sha256')[: BITS // 8].hex()}"


def of(secrets: Path, property_name: str, viewer_id: str) -> Iterator[str]:
    """All names of a viewer: under every key version that is kept, and as sent, for what never passed the door."""
    for path in sorted(secrets.glob("viewers.v*.key")):
        version = int(path.name.split(".")[1].removeprefix("v"))
        yield pseudonym(path.read_bytes(), version, property_name, viewer_id)
    yield viewer_id
