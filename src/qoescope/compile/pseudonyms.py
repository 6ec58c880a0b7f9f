"""Pseudonyms: what a viewer is called in our tables. The key never leaves the installation."""

import hmac
import re
from collections.abc import Mapping
from functools import lru_cache

BITS = 128
Keys = Mapping[int, bytes]
"""Each version of the installation's key that is kept."""
_FORM = re.compile(rf"v\d+:[0-9a-f]{{{BITS // 4}}}")


@lru_cache(16_384)
def pseudonym(key: bytes, version: int, property_id: str, viewer_id: str) -> str:
    """The viewer's name in our tables: HMAC-SHA-256 under the installation's key, cut to 128 bits.

    The same viewer has another one in another property and under another key version.
    """
    message = property_id.encode() + b"\0" + viewer_id.encode("utf-8", "surrogatepass")
    return f"v{version}:{hmac.digest(key, message, 'sha256')[: BITS // 8].hex()}"


def of(keys: Keys, property_id: str, viewer_id: str) -> tuple[str, ...]:
    """All pseudonyms of a viewer, one under each version of the key, the newest last."""
    return tuple(pseudonym(keys[version], version, property_id, viewer_id) for version in sorted(keys))


def has_form(name: str) -> bool:
    """Whether a name looks like a pseudonym; what does not is an id as somebody sent it."""
    return _FORM.fullmatch(name) is not None
