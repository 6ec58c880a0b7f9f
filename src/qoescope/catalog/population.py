"""Population: who presses play, where, on what, and what there is to watch, as shares of the simulated service.

Shares, speeds and waits are assumptions of the simulation, chosen to look like a large service; names of countries,
providers and autonomous systems are real so that they read well, and say nothing about the companies that bear them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Isp:
    """An internet provider in its own country; `cdns` are the shares of the CDNs that its viewers are sent to."""

    name: str
    asn: int
    fixed: float
    """Share of the country's homes."""
    mobile: float
    """Share of the country's phones."""
    cdns: tuple[float, float, float]
    speed: float = 1.0
    """Throughput relative to the network class."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a country, ISO 3166-2, with its share of the country and its standard time (no daylight saving)."""

    code: str
    share: float
    utc_offset_hours: float


@dataclass(frozen=True, slots=True)
class Country:
    """A country the service sells in. `pops` are the POP numbers of each CDN, in the order of `CDNS`."""

    code: str
    share: float
    regions: tuple[Region, ...]
    isps: tuple[Isp, ...]
    pops: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    speed: float = 1.0
    four_g: float = 0.5
    """Of cellular sessions, how many are 4G; the rest is 5G."""


CDNS = ("aurora", "borealis", "cascade")
"""Content delivery networks of the simulation; invented names."""

COUNTRIES = (
    Country("US", 0.34, (Region("US-NY", 0.34, -5), Region("US-TX", 0.28, -6), Region("US-CO", 0.1, -7),
        Region("US-CA", 0.28, -8)), (
        Isp("comcast", 7922, 0.36, 0.0, (0.5, 0.3, 0.2), 1.1),
        Isp("charter", 20115, 0.24, 0.0, (0.4, 0.4, 0.2)),
        Isp("cox", 22773, 0.12, 0.0, (0.3, 0.5, 0.2)),
        Isp("verizon", 701, 0.13, 0.38, (0.5, 0.2, 0.3), 1.2),
        Isp("att", 7018, 0.15, 0.32, (0.3, 0.3, 0.4), 1.1),
        Isp("t_mobile", 21928, 0.0, 0.30, (0.4, 0.3, 0.3)),
    ), ((1, 2), (3, 4), (5, 6)), 1.2, 0.35),
    Country("BR", 0.13, (Region("BR-SP", 0.6, -3), Region("BR-RJ", 0.28, -3), Region("BR-AM", 0.12, -4)), (
        Isp("vivo", 27699, 0.33, 0.38, (0.5, 0.3, 0.2)),
        Isp("claro", 28573, 0.37, 0.34, (0.4, 0.4, 0.2), 1.05),
        Isp("oi", 7738, 0.18, 0.0, (0.5, 0.4, 0.1), 0.8),
        Isp("tim", 26615, 0.12, 0.28, (0.3, 0.4, 0.3), 0.95),
    ), ((1, 2), (3,), (4,)), 0.75, 0.7),
    Country("IN", 0.13, (Region("IN-MH", 0.45, 5.5), Region("IN-KA", 0.3, 5.5), Region("IN-DL", 0.25, 5.5)), (
        Isp("jio", 55836, 0.45, 0.55, (0.5, 0.3, 0.2), 0.95),
        Isp("airtel", 24560, 0.33, 0.35, (0.4, 0.4, 0.2), 1.05),
        Isp("bsnl", 9829, 0.14, 0.04, (0.6, 0.3, 0.1), 0.6),
        Isp("act", 24309, 0.08, 0.06, (0.3, 0.4, 0.3), 1.1),
    ), ((1, 2), (3,), (4,)), 0.6, 0.75),
    Country("GB", 0.10, (Region("GB-ENG", 0.85, 0), Region("GB-SCT", 0.15, 0)), (
        Isp("bt", 2856, 0.36, 0.30, (0.5, 0.3, 0.2), 1.05),
        Isp("sky", 5607, 0.28, 0.0, (0.4, 0.3, 0.3)),
        Isp("virgin_media", 5089, 0.26, 0.34, (0.3, 0.5, 0.2), 1.2),
        Isp("vodafone", 5378, 0.10, 0.36, (0.4, 0.3, 0.3), 0.95),
    ), ((1, 2), (3,), (4,)), 1.1, 0.45),
    Country("FR", 0.08, (Region("FR-IDF", 0.6, 1), Region("FR-ARA", 0.4, 1)), (
        Isp("orange", 3215, 0.42, 0.40, (0.5, 0.3, 0.2), 1.1),
        Isp("sfr", 15557, 0.22, 0.24, (0.4, 0.4, 0.2)),
        Isp("free", 12322, 0.24, 0.20, (0.2, 0.4, 0.4), 1.2),
        Isp("bouygues", 5410, 0.12, 0.16, (0.4, 0.3, 0.3)),
    ), ((1, 2), (3,), (4,)), 1.15, 0.45),
    Country("DE", 0.08, (Region("DE-NW", 0.55, 1), Region("DE-BY", 0.45, 1)), (
        Isp("telekom", 3320, 0.45, 0.42, (0.5, 0.3, 0.2), 1.1),
        Isp("vodafone", 3209, 0.33, 0.30, (0.3, 0.4, 0.3), 1.0),
        Isp("o2", 6805, 0.12, 0.28, (0.4, 0.4, 0.2), 0.85),
        Isp("1und1", 8881, 0.10, 0.0, (0.5, 0.3, 0.2), 0.95),
    ), ((1, 2), (3,), (4,)), 1.0, 0.5),
    Country("MX", 0.06, (Region("MX-CMX", 0.7, -6), Region("MX-BCN", 0.3, -8)), (
        Isp("telmex", 8151, 0.5, 0.0, (0.5, 0.3, 0.2), 0.9),
        Isp("telcel", 28403, 0.0, 0.66, (0.5, 0.3, 0.2)),
        Isp("izzi", 28548, 0.26, 0.0, (0.3, 0.5, 0.2)),
        Isp("totalplay", 17072, 0.24, 0.34, (0.4, 0.3, 0.3), 1.1),
    ), ((1,), (2,), (3,)), 0.75, 0.7),
    Country("JP", 0.05, (Region("JP-13", 0.65, 9), Region("JP-27", 0.35, 9)), (
        Isp("ntt", 4713, 0.5, 0.42, (0.4, 0.3, 0.3), 1.3),
        Isp("kddi", 2516, 0.28, 0.32, (0.4, 0.4, 0.2), 1.2),
        Isp("softbank", 17676, 0.22, 0.26, (0.3, 0.3, 0.4), 1.15),
    ), ((1, 2), (3,), (4,)), 1.25, 0.45),
    Country("KR", 0.03, (Region("KR-11", 0.7, 9), Region("KR-26", 0.3, 9)), (
        Isp("kt", 4766, 0.42, 0.34, (0.3, 0.4, 0.3), 1.3),
        Isp("sk_broadband", 9318, 0.34, 0.40, (0.3, 0.3, 0.4), 1.3),
        Isp("lg_uplus", 3786, 0.24, 0.26, (0.4, 0.3, 0.3), 1.2),
    ), ((1, 2), (3, 4), (5,)), 1.4, 0.3),
)  # fmt: skip
"""Countries with the shares of their viewers, and in each its own providers."""

LOAD_BY_LOCAL_HOUR = (
    0.42, 0.25, 0.15, 0.10, 0.08, 0.10, 0.18, 0.28, 0.34, 0.36, 0.40, 0.48,
    0.58, 0.58, 0.54, 0.54, 0.60, 0.74, 0.95, 1.25, 1.50, 1.48, 1.10, 0.70,
)  # fmt: skip
"""Presses of play by the viewer's own hour, relative; the evening is the peak."""

WEEKEND_LOAD = 1.25
WEEKEND_DAYTIME_LOAD = 1.35
"""Saturday and Sunday: more of it all, and more still between 10 and 17 o'clock."""

DEVICE_SHARES = {"smart_tv": 0.45, "mobile": 0.30, "web": 0.15, "tablet": 0.10}
"""Shares of sessions by device type, in every hour and country."""


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of machine with the software on it. `share` is within its device type."""

    device_type: str
    model: str
    share: float
    os: str
    os_versions: tuple[tuple[str, float], ...]
    browser: str
    browser_versions: tuple[tuple[str, float], ...]
    player: str
    player_versions: tuple[tuple[str, float], ...]
    agent: str
    """User agent; `{os}` and `{browser}` are the versions."""
    drm: str
    stream_format: str
    codec: str
    screen: tuple[int, int]
    top_kbps: int
    """The best rendition that it is offered."""
    start_ms: float
    """What its app needs before it asks for anything."""
    drops_a_minute: float
    """Frames dropped at its best rendition."""


_SHAKA = (("4.7.11", 0.35), ("4.10.6", 0.65))
_EXO = (("1.3.1", 0.4), ("1.4.1", 0.6))
_HLS = (("1.5.13", 0.4), ("1.5.17", 0.6))
_CHROME = "Mozilla/5.0 ({where}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{{browser}}.0.0.0 Safari/537.36"
_PHONE = "StreamApp/{browser} (Linux; Android {os}; "

DEVICES = (
    Device("smart_tv", "Samsung QN90", 0.27, "tizen", (("7.0", 0.4), ("8.0", 0.6)), "samsung_browser", (("6.0",
        1.0),), "shaka", _SHAKA,
           "Mozilla/5.0 (SMART-TV; LINUX; Tizen {os}) AppleWebKit/537.36 (KHTML, like Gecko) "
           "SamsungBrowser/{browser} Chrome/108.0 TV Safari/537.36",
           "playready", "dash", "hevc", (3840, 2160), 16000, 620, 0.6),
    Device("smart_tv", "Samsung TU7000", 0.13, "tizen", (("5.5", 1.0),), "samsung_browser", (("2.2", 1.0),), "shaka",
        (("3.3.19", 0.6), ("4.7.11", 0.4)),
           "Mozilla/5.0 (SMART-TV; LINUX; Tizen {os}) AppleWebKit/537.36 (KHTML, like Gecko) "
           "SamsungBrowser/{browser} Chrome/69.0 TV Safari/537.36",
           "playready", "dash", "avc", (1920, 1080), 5800, 1500, 6.0),
    Device("smart_tv", "LG C3", 0.22, "webos", (("7.4", 0.4), ("8.2", 0.6)), "webos_browser", (("94", 1.0),),
        "dash.js", (("4.7.4", 1.0),),
           "Mozilla/5.0 (Web0S; Linux/SmartTV; webOS {os}) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/{browser}.0 Safari/537.36",
           "playready", "dash", "hevc", (3840, 2160), 16000, 680, 0.6),
    Device("smart_tv", "LG UK6200", 0.08, "webos", (("4.1", 1.0),), "webos_browser", (("53", 1.0),), "dash.js",
        (("3.2.2", 1.0),),
           "Mozilla/5.0 (Web0S; Linux/SmartTV; webOS {os}) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/{browser}.0 Safari/537.36",
           "playready", "dash", "avc", (1920, 1080), 5800, 1700, 8.0),
    Device("smart_tv", "Sony Bravia XR", 0.18, "android_tv", (("10", 0.5), ("12", 0.5)), "app", (("9.4", 1.0),),
        "exoplayer", _EXO,
           "StreamApp/{browser} (Linux; Android TV {os}; BRAVIA XR) ExoPlayerLib", "widevine", "dash", "hevc", (3840,
           2160), 16000, 560, 0.5),
    Device("smart_tv", "Apple TV 4K", 0.12, "tvos", (("16.6", 0.4), ("17.2", 0.6)), "app", (("9.4", 1.0),),
        "avplayer", (("17.0", 1.0),),
           "StreamApp/{browser} (AppleTV; tvOS {os}) AppleCoreMedia/1.0.0", "fairplay", "hls", "hevc", (3840, 2160),
           16000, 380, 0.2),
    Device("mobile", "iPhone 13", 0.27, "ios", (("15.2", 0.36), ("15.3", 0.26), ("16.6", 0.38)), "app", (("9.4",
        1.0),), "avplayer", (("16.0", 1.0),),
           "StreamApp/{browser} (iPhone; CPU iPhone OS {os} like Mac OS X) AppleCoreMedia/1.0.0", "fairplay", "hls",
           "hevc", (2532, 1170), 4300, 420, 0.4),
    Device("mobile", "iPhone 15", 0.21, "ios", (("17.0", 0.5), ("17.2", 0.5)), "app", (("9.4", 1.0),), "avplayer",
        (("17.0", 1.0),),
           "StreamApp/{browser} (iPhone; CPU iPhone OS {os} like Mac OS X) AppleCoreMedia/1.0.0", "fairplay", "hls",
           "hevc", (2556, 1179), 5800, 340, 0.2),
    Device("mobile", "Galaxy S23", 0.24, "android", (("13", 0.5), ("14", 0.5)), "app", (("9.4", 1.0),), "exoplayer",
        _EXO,
           _PHONE + "SM-S911B) ExoPlayerLib", "widevine", "dash", "av1", (2340, 1080), 5800, 390, 0.4),
    Device("mobile", "Moto G54", 0.18, "android", (("12", 0.3), ("13", 0.7)), "app", (("9.4", 1.0),), "exoplayer", _EXO,
           _PHONE + "moto g54 5G) ExoPlayerLib", "widevine", "dash", "avc", (2400, 1080), 3000, 700, 4.0),
    Device("mobile", "Redmi 9A", 0.10, "android", (("10", 1.0),), "app", (("9.2", 1.0),), "exoplayer", (("1.1.0",
        1.0),),
           _PHONE + "M2006C3LG) ExoPlayerLib", "widevine", "dash", "avc", (1600, 720), 1750, 1300, 12.0),
    Device("tablet", "iPad Air", 0.58, "ios", (("15.3", 0.2), ("16.6", 0.3), ("17.2", 0.5)), "app", (("9.4", 1.0),),
        "avplayer", (("17.0", 1.0),),
           "StreamApp/{browser} (iPad; CPU OS {os} like Mac OS X) AppleCoreMedia/1.0.0", "fairplay", "hls", "hevc",
           (2360, 1640), 5800, 390, 0.2),
    Device("tablet", "Galaxy Tab S8", 0.42, "android", (("12", 0.4), ("13", 0.6)), "app", (("9.4", 1.0),),
        "exoplayer", _EXO,
           "StreamApp/{browser} (Linux; Android {os}; SM-X700) ExoPlayerLib", "widevine", "dash", "hevc", (2560,
           1600), 5800, 480, 0.8),
    Device("web", "Windows PC", 0.52, "windows", (("10", 0.55), ("11", 0.45)), "chrome", (("118", 0.3), ("119", 0.7)),
        "hls.js", _HLS,
           _CHROME.format(where="Windows NT 10.0; Win64; x64"), "widevine", "hls", "avc", (1920, 1080), 5800, 450, 1.5),
    Device("web", "Windows PC", 0.12, "windows", (("10", 0.5), ("11", 0.5)), "firefox", (("118", 0.5), ("119", 0.5)),
        "hls.js", _HLS,
           "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{browser}.0) Gecko/20100101 Firefox/{browser}.0",
           "widevine", "hls", "avc", (1920, 1080), 5800, 520, 2.0),
    Device("web", "Mac", 0.24, "macos", (("13.6", 0.5), ("14.1", 0.5)), "safari", (("16.6", 0.4), ("17.1", 0.6)),
        "hls.js", _HLS,
           "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
           "Version/{browser} Safari/605.1.15",
           "fairplay", "hls", "hevc", (2560, 1440), 8100, 380, 0.5),
    Device("web", "Linux PC", 0.12, "linux", (("6.1", 1.0),), "chrome", (("118", 0.4), ("119", 0.6)), "hls.js", _HLS,
           _CHROME.format(where="X11; Linux x86_64"), "widevine", "hls", "avc", (1920, 1080), 5800, 470, 1.5),
    Device(
        "web", "Headless browser", 0.006, "linux", (("6.1", 1.0),), "headless_chrome", (("119", 1.0),), "hls.js", _HLS,
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/{browser}.0.0.0 "
        "Safari/537.36",
        "none", "hls", "avc", (1280, 720), 1750, 300, 0.2,
    ),
)  # fmt: skip
"""Machines and their software, a few robots among them. Old televisions and the cheapest phone are always slower: that
is no fault."""

NETWORK_SHARES = {
    "smart_tv": {"wifi": 0.62, "ethernet": 0.38},
    "mobile": {"wifi": 0.56, "cellular": 0.44},
    "tablet": {"wifi": 0.84, "cellular": 0.16},
    "web": {"wifi": 0.66, "ethernet": 0.34},
}
"""How a device is connected; cellular is 4G or 5G by country."""

EXPERIMENTS = (("abr_tuning", ("control", "steady", "cautious"), (0.5, 0.25, 0.25)),)
"""Experiments: name, variants, shares of viewers. A viewer stays in his arm."""

TITLES = 1000
LIVE_TITLES = 50
"""content_1 … content_1000; the last ones are live channels."""
ZIPF_EXPONENT = 0.9
"""Popularity of a title falls with its rank to this power."""
FIRST_RANK_OFFSET = 467
"""Shifts ranks so that content_42 is the third most popular title."""

LADDER = (
    (235, 320, 240), (560, 640, 360), (1050, 854, 480), (1750, 960, 540), (3000, 1280, 720),
    (4300, 1920, 1080), (5800, 1920, 1080), (8100, 2560, 1440), (11600, 3840, 2160), (16000, 3840, 2160),
)  # fmt: skip
"""Renditions: kbps, width, height."""

VERSION_MAJORS = (15, 16, 17, 18)
DAYS_BETWEEN_RELEASES = 2.75
"""v15.0.0 … v18.9.9 in order, one each 2.75 days; the last one appears at the end of the period."""
UPDATE_DAYS = 4.0
LAGGARDS = 0.15
"""Viewers update some days after a release (exponential); laggards stay with any older version."""

VIEWERS = 1_000_000
