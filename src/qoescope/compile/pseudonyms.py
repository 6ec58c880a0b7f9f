"""Pseudonyms of viewers, always of the id as the collector stores it. The key never leaves the installation."""

import hmac
import re
from collections.abc import Mapping
from functools import lru_cache

from qoescope.catalog.dimensions import UNKNOWN
from qoescope.compile.texts import tidy_id

BITS = 128
ViewerKeys = Mapping[int, bytes]
"""All versions of the installation's key."""
_NOBODY = frozenset(("", UNKNOWN))
_FORM = re.compile(rf"v\d+:[0-9a-f]{{{BITS // 4}}}")


@lru_cache(16_384)
def pseudonym(key: bytes, version: int, property_id: str, viewer_id: str) -> str:
    """The viewer's pseudonym: HMAC-SHA-256 under the installation's key, truncated to 128 bits.

    It differs by property and by version of the key. The id may come from anywhere: a player, a file, an operator.
    """
    message = property_id.encode() + b"\0" + tidy_id(viewer_id).encode()
    return f"v{version}:{hmac.digest(key, message, 'sha256')[: BITS // 8].hex()}"


def all_pseudonyms(keys: ViewerKeys, property_id: str, viewer_id: str) -> tuple[str, ...]:
    """The viewer's pseudonyms under each version of the key, the newest last."""
    return tuple(pseudonym(keys[version], version, property_id, viewer_id) for version in sorted(keys))


def is_unknown(viewer_id: str) -> bool:
    """Whether the collector takes the id for an unknown one, which has no pseudonym."""
    return tidy_id(viewer_id) in _NOBODY


def is_pseudonym(name: str) -> bool:
    """Whether the name has a pseudonym's form; others are ids as sent."""
    return _FORM.fullmatch(name) is not None
