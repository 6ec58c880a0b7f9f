"""Agents: device, system and browser out of a user agent."""

import re
from functools import lru_cache

import ua_parser

LONGEST = 512
_TELEVISION = re.compile(
    r"smart-?tv|hbbtv|tizen|web0s|webos|roku|appletv|apple tv|aft[a-z]|bravia|googletv|android tv", re.I
)
_CONSOLE = re.compile(r"playstation|xbox|nintendo", re.I)
_TABLET = re.compile(r"ipad|tablet|kindle|silk(?!.*mobile)", re.I)
_SAYS_PHONE = re.compile(r"mobile", re.I)
_BROWSER = re.compile(r"applewebkit|gecko/|opera", re.I)
"""A browser on Android says `Mobile` on a phone and leaves it out on a tablet; an app's own agent says neither."""
_ANDROID_TABLET = re.compile(
    r"\b(?:SM-[TXP]\d|GT-P\d|SCH-I800|Nexus (?:7|9|10)\b|Pixel (?:Tablet|C)\b|MediaPad|MatePad|Lenovo (?:TB|YT|Tab)|"
    r"TB-?\w*\d|KF[A-Z]{2,}|Xoom|Tab\b|Pad\b|\w*Pad \d)",
    re.I,
)
_OS = {
    "mac_os_x": "macos",
    "tizen": "tizen",
    "webos": "webos",
    "web0s": "webos",
    "atv_os_x": "tvos",
    "chrome_os": "chromeos",
}


@lru_cache(8192)
def fields(user_agent: str) -> tuple[tuple[str, str], ...]:
    """(dimension, value) for what the user agent tells; nothing where it tells nothing."""
    text = user_agent[:LONGEST]
    read = ua_parser.parse(text)
    found: list[tuple[str, str]] = []
    system = _word(read.os.family) if read.os else None
    if _TELEVISION.search(text) and system == "android":
        system = "android_tv"
    if system:
        found.append(("os", system))
        if read.os and read.os.major:
            found.append(("os_version", ".".join(p for p in (read.os.major, read.os.minor) if p)))
    if read.user_agent and read.user_agent.family:
        found.append(("browser", _word(read.user_agent.family) or ""))
        if read.user_agent.major:
            found.append(("browser_version", read.user_agent.major))
    kind = _kind(text, system)
    if kind:
        found.append(("device_type", kind))
    return tuple((name, value) for name, value in found if value)


def _word(name: str | None) -> str | None:
    """A family's name as the catalog spells words."""
    if not name or name == "Other":
        return None
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return _OS.get(word, word)


def _kind(text: str, system: str | None) -> str | None:
    if _CONSOLE.search(text):
        return "console"
    if _TELEVISION.search(text) or system in ("tvos", "tizen", "webos", "android_tv"):
        return "smart_tv"
    if _TABLET.search(text) or (system == "android" and _is_android_tablet(text)):
        return "tablet"
    if system in ("ios", "android"):
        return "mobile"
    return "web" if system in ("windows", "macos", "linux", "ubuntu", "chromeos", "fedora") else None


def _is_android_tablet(text: str) -> bool:
    """Whether what runs Android is a tablet: by its model, or since its browser would call a phone one."""
    if _ANDROID_TABLET.search(text):
        return True
    return _BROWSER.search(text) is not None and _SAYS_PHONE.search(text) is None
