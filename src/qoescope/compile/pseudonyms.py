"""Pseudonyms of viewers. The key never leaves the installation."""

import hmac
import re
from collections.abc import Mapping
from functools import lru_cache

BITS = 128
ViewerKeys = Mapping[int, bytes]
"""All versions of the installation's key."""
_FORM = re.compile(rf"v\d+:[0-9a-f]{{{BITS // 4}}}")


@lru_cache(16_384)
def pseudonym(key: bytes, version: int, property_id: str, viewer_id: str) -> str:
    """The viewer's pseudonym: HMAC-SHA-256 under the installation's key, truncated to 128 bits.

    It differs by property and by version of the key.
    """
    message = property_id.encode() + b"\0" + viewer_id.encode("utf-8", "surrogatepass")
    return f"v{version}:{hmac.digest(key, message, 'sha256')[: BITS // 8].hex()}"


def all_pseudonyms(keys: ViewerKeys, property_id: str, viewer_id: str) -> tuple[str, ...]:
    """The viewer's pseudonyms under each version of the key, the newest last."""
    return tuple(pseudonym(keys[version], version, property_id, viewer_id) for version in sorted(keys))


def is_pseudonym(name: str) -> bool:
    """Whether the name has a pseudonym's form; others are ids as sent."""
    return _FORM.fullmatch(name) is not None
