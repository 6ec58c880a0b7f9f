"""Devices: the machines that simulated viewers watch on, and the software on them."""

from dataclasses import dataclass

from qoescope.catalog.text_tables import records, shares


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


_DEVICES = """
device_type | model | share | os | os_versions | browser | browser_versions | player | player_versions
    | drm | stream_format | codec | screen | top_kbps | start_ms | drops_a_minute | agent
smart_tv | Samsung QN90 | 0.27 | tizen | 7.0 0.4, 8.0 0.6 | samsung_browser | 6.0 1 | shaka | 4.7.11 0.35, 4.10.6 0.65
    | playready | dash | hevc | 3840 2160 | 16000 | 620 | 0.6
    | Mozilla/5.0 (SMART-TV; LINUX; Tizen {os}) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{browser}
    Chrome/108.0 TV Safari/537.36
smart_tv | Samsung TU7000 | 0.13 | tizen | 5.5 1 | samsung_browser | 2.2 1 | shaka | 3.3.19 0.6, 4.7.11 0.4
    | playready | dash | avc | 1920 1080 | 5800 | 1500 | 6
    | Mozilla/5.0 (SMART-TV; LINUX; Tizen {os}) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{browser}
    Chrome/69.0 TV Safari/537.36
smart_tv | LG C3 | 0.22 | webos | 7.4 0.4, 8.2 0.6 | webos_browser | 94 1 | dash.js | 4.7.4 1
    | playready | dash | hevc | 3840 2160 | 16000 | 680 | 0.6
    | Mozilla/5.0 (Web0S; Linux/SmartTV; webOS {os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser}.0
    Safari/537.36
smart_tv | LG UK6200 | 0.08 | webos | 4.1 1 | webos_browser | 53 1 | dash.js | 3.2.2 1
    | playready | dash | avc | 1920 1080 | 5800 | 1700 | 8
    | Mozilla/5.0 (Web0S; Linux/SmartTV; webOS {os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser}.0
    Safari/537.36
smart_tv | Sony Bravia XR | 0.18 | android_tv | 10 0.5, 12 0.5 | app | 9.4 1 | exoplayer | 1.3.1 0.4, 1.4.1 0.6
    | widevine | dash | hevc | 3840 2160 | 16000 | 560 | 0.5
    | StreamApp/{browser} (Linux; Android TV {os}; BRAVIA XR) ExoPlayerLib
smart_tv | Apple TV 4K | 0.12 | tvos | 16.6 0.4, 17.2 0.6 | app | 9.4 1 | avplayer | 17.0 1
    | fairplay | hls | hevc | 3840 2160 | 16000 | 380 | 0.2
    | StreamApp/{browser} (AppleTV; tvOS {os}) AppleCoreMedia/1.0.0
mobile | iPhone 13 | 0.27 | ios | 15.2 0.36, 15.3 0.26, 16.6 0.38 | app | 9.4 1 | avplayer | 16.0 1
    | fairplay | hls | hevc | 2532 1170 | 4300 | 420 | 0.4
    | StreamApp/{browser} (iPhone; CPU iPhone OS {os} like Mac OS X) AppleCoreMedia/1.0.0
mobile | iPhone 15 | 0.21 | ios | 17.0 0.5, 17.2 0.5 | app | 9.4 1 | avplayer | 17.0 1
    | fairplay | hls | hevc | 2556 1179 | 5800 | 340 | 0.2
    | StreamApp/{browser} (iPhone; CPU iPhone OS {os} like Mac OS X) AppleCoreMedia/1.0.0
mobile | Galaxy S23 | 0.24 | android | 13 0.5, 14 0.5 | app | 9.4 1 | exoplayer | 1.3.1 0.4, 1.4.1 0.6
    | widevine | dash | av1 | 2340 1080 | 5800 | 390 | 0.4
    | StreamApp/{browser} (Linux; Android {os}; SM-S911B) ExoPlayerLib
mobile | Moto G54 | 0.18 | android | 12 0.3, 13 0.7 | app | 9.4 1 | exoplayer | 1.3.1 0.4, 1.4.1 0.6
    | widevine | dash | avc | 2400 1080 | 3000 | 700 | 4
    | StreamApp/{browser} (Linux; Android {os}; moto g54 5G) ExoPlayerLib
mobile | Redmi 9A | 0.1 | android | 10 1 | app | 9.2 1 | exoplayer | 1.1.0 1
    | widevine | dash | avc | 1600 720 | 1750 | 1300 | 12
    | StreamApp/{browser} (Linux; Android {os}; M2006C3LG) ExoPlayerLib
tablet | iPad Air | 0.58 | ios | 15.3 0.2, 16.6 0.3, 17.2 0.5 | app | 9.4 1 | avplayer | 17.0 1
    | fairplay | hls | hevc | 2360 1640 | 5800 | 390 | 0.2
    | StreamApp/{browser} (iPad; CPU OS {os} like Mac OS X) AppleCoreMedia/1.0.0
tablet | Galaxy Tab S8 | 0.42 | android | 12 0.4, 13 0.6 | app | 9.4 1 | exoplayer | 1.3.1 0.4, 1.4.1 0.6
    | widevine | dash | hevc | 2560 1600 | 5800 | 480 | 0.8
    | StreamApp/{browser} (Linux; Android {os}; SM-X700) ExoPlayerLib
web | Windows PC | 0.52 | windows | 10 0.55, 11 0.45 | chrome | 118 0.3, 119 0.7 | hls.js | 1.5.13 0.4, 1.5.17 0.6
    | widevine | hls | avc | 1920 1080 | 5800 | 450 | 1.5
    | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser}.0.0.0
    Safari/537.36
web | Windows PC | 0.12 | windows | 10 0.5, 11 0.5 | firefox | 118 0.5, 119 0.5 | hls.js | 1.5.13 0.4, 1.5.17 0.6
    | widevine | hls | avc | 1920 1080 | 5800 | 520 | 2
    | Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{browser}.0) Gecko/20100101 Firefox/{browser}.0
web | Mac | 0.24 | macos | 13.6 0.5, 14.1 0.5 | safari | 16.6 0.4, 17.1 0.6 | hls.js | 1.5.13 0.4, 1.5.17 0.6
    | fairplay | hls | hevc | 2560 1440 | 8100 | 380 | 0.5
    | Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{browser}
    Safari/605.1.15
web | Linux PC | 0.12 | linux | 6.1 1 | chrome | 118 0.4, 119 0.6 | hls.js | 1.5.13 0.4, 1.5.17 0.6
    | widevine | hls | avc | 1920 1080 | 5800 | 470 | 1.5
    | Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{browser}.0.0.0 Safari/537.36
web | Headless browser | 0.006 | linux | 6.1 1 | headless_chrome | 119 1 | hls.js | 1.5.13 0.4, 1.5.17 0.6
    | none | hls | avc | 1280 720 | 1750 | 300 | 0.2
    | Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/{browser}.0.0.0
    Safari/537.36
"""


def _device(row: dict[str, str]) -> Device:
    width, height = map(int, row["screen"].split())
    return Device(
        device_type=row["device_type"],
        model=row["model"],
        share=float(row["share"]),
        os=row["os"],
        os_versions=shares(row["os_versions"]),
        browser=row["browser"],
        browser_versions=shares(row["browser_versions"]),
        player=row["player"],
        player_versions=shares(row["player_versions"]),
        agent=row["agent"],
        drm=row["drm"],
        stream_format=row["stream_format"],
        codec=row["codec"],
        screen=(width, height),
        top_kbps=int(row["top_kbps"]),
        start_ms=float(row["start_ms"]),
        drops_a_minute=float(row["drops_a_minute"]),
    )


DEVICES = tuple(map(_device, records(_DEVICES)))
"""Machines and their software, a few robots among them. Old televisions and the cheapest phone are always slower: that
is no fault."""
