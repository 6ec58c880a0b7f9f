"""Device, operating system and browser from a user agent."""

import re
from functools import lru_cache

import ua_parser

LONGEST = 512
_TELEVISION = re.compile(
    r"smart-?tv|hbbtv|tizen|web0s|webos|roku|appletv|apple ?tv|(?-i:\bAFT[A-Z])|bravia|google ?tv|android ?tv|crkey|"
    r"chromecast|vidaa|\btvos\b",
    re.I,
)
_CONSOLE = re.compile(r"playstation|xbox|nintendo", re.I)
_TABLET = re.compile(r"ipad|tablet|kindle|silk(?!.*mobile)", re.I)
_PHONE = re.compile(r"mobile", re.I)
_BROWSER = re.compile(r"applewebkit|gecko/|opera", re.I)
"""Browsers on Android say `Mobile` on phones and leave it out on tablets; apps' own agents say neither."""
_ANDROID_TABLET = re.compile(
    r"\b(?:SM-[TXP]\d|GT-P\d|SCH-I800|Nexus (?:7|9|10)\b|Pixel (?:Tablet|C)\b|MediaPad|MatePad|Lenovo (?:TB|YT|Tab)|"
    r"TB-?\w*\d|KF[A-Z]{2,}|Xoom|Tab\b|Pad\b|\w*Pad \d)",
    re.I,
)
_FROZEN = re.compile(r"Windows NT 10\.0|Intel Mac OS X 10[_.]15(?:_7)?[;)]")
"""What browsers say on every newer version, too."""
_SYSTEM_VERSION = re.compile(r"(?:tvOS|web0?OS|Android TV) (\d+(?:\.\d+)?)")
_APP = re.compile(r"(?!Mozilla/|Opera/)[^\s/()]+/(\d+(?:\.\d+)?)?")
"""An agent that begins with its own name, not with a browser's."""
_LIBRARY = re.compile(r"AppleCoreMedia|Dalvik|ExoPlayer|AndroidXMedia3|okhttp|CFNetwork|stagefright|Lavf|VLC", re.I)
"""What plays inside an app that does not say its name."""
_BROWSERS = {"headlesschrome": "headless_chrome", "samsung_internet": "samsung_browser"}
_BY_MINOR = ("safari", "mobile_safari", "samsung_browser")
"""Browsers that come with a system: each minor version is one of its own. Others raise the major one each month."""
_OS = {
    "mac_os_x": "macos",
    "tizen": "tizen",
    "webos": "webos",
    "web0s": "webos",
    "atv_os_x": "tvos",
    "chrome_os": "chromeos",
}


@lru_cache(8192)
def device_fields(user_agent: str) -> tuple[tuple[str, str], ...]:
    """(dimension, value) for what the user agent tells; nothing where it tells nothing.

    A version that browsers have frozen in their agents, whatever the system's own is, is not told.
    """
    text = user_agent[:LONGEST]
    read = ua_parser.parse(text)
    system = _catalog_word(read.os.family) if read.os else None
    if _TELEVISION.search(text) and system == "android":
        system = "android_tv"
    found = {"os": system, "os_version": _system_version(text, read.os) if system else None}
    found |= _browser(text, read.user_agent, system)
    found["device_type"] = _kind(text, system)
    return tuple((name, value) for name, value in found.items() if value)


def _system_version(text: str, system: ua_parser.OS | None) -> str | None:
    if _FROZEN.search(text):
        return None
    written = _SYSTEM_VERSION.search(text)
    if written:
        return written[1]
    return _version(system.major, system.minor) if system else None


def _browser(text: str, read: ua_parser.UserAgent | None, system: str | None) -> dict[str, str | None]:
    """Name and version of the browser; of an app, `app` and its own."""
    app = _APP.match(text)
    if app and system:
        return {"browser": "app", "browser_version": None if _LIBRARY.match(text) else app[1]}
    if read is None:
        return {}
    if system == "webos" and read.family == "Chrome":
        return {"browser": "webos_browser", "browser_version": read.major}
    name = _catalog_word(read.family)
    name = _BROWSERS.get(name or "", name)
    return {"browser": name, "browser_version": _version(read.major, read.minor if name in _BY_MINOR else None)}


def _version(major: str | None, minor: str | None) -> str | None:
    return ".".join(part for part in (major, minor) if part) or None


def _catalog_word(name: str | None) -> str | None:
    """A family's name in the catalog's spelling."""
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
    """Whether an Android device is a tablet: by its model, or by a browser that does not say `Mobile`."""
    if _ANDROID_TABLET.search(text):
        return True
    return _BROWSER.search(text) is not None and _PHONE.search(text) is None
