"""User agents: what real devices send, and what the simulator's own mean by theirs."""

import pytest

from qoescope.compile import agents
from qoescope.emit.viewers import SOFTWARE, Software

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
REAL = (
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
     "Mobile/15E148 Safari/604.1", "mobile", "ios", "17.2", "mobile_safari", "17.2"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/120.0.0.0 Mobile Safari/537.36",
     "mobile", "android", "10", "chrome_mobile", "120"),
    (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/120.0.0.0 Safari/537.36",
     "tablet", "android", "10", "chrome", "120"),
    ("StreamApp/9.4 (Linux; Android 13; moto g54 5G) ExoPlayerLib/2.19", "mobile", "android", "13", "app", "9.4"),
    ("Dalvik/2.1.0 (Linux; U; Android 13; SM-X700 Build/TP1A)", "tablet", "android", "13", "app", None),
    ("Dalvik/2.1.0 (Linux; U; Android 9; AFTMM Build/PS7633)", "smart_tv", "android_tv", None, "app", None),
    ("Kino/3.2.1 (Linux;Android 12;SHIELD Android TV) AndroidXMedia3/1", "smart_tv", "android_tv", None, "app", "3.2"),
    (f"Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7285) {WEBKIT} Silk/120.1 like Chrome/120.0 Safari/537.36",
     "smart_tv", "android_tv", None, None, None),
    (f"Mozilla/5.0 (Linux; Android 11; BRAVIA 4K VH2) {WEBKIT} Chrome/90.0.4430.210 Safari/537.36",
     "smart_tv", "android_tv", None, "chrome", "90"),
    (f"Mozilla/5.0 (Linux; Android 12.0; Build/STTE.230319) {WEBKIT} Chrome/112.0.0.0 Safari/537.36 CrKey/1.56.500000",
     "smart_tv", None, None, None, None),
    (f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
     "smart_tv", "webos", None, "webos_browser", "94"),
    (f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.5) {WEBKIT} 85.0.4183.93/6.5 TV Safari/537.36",
     "smart_tv", "tizen", "6.5", None, None),
    ("Roku/DVP-12.5 (12.5.5.4174-46)", "smart_tv", "roku", None, None, None),
    ("AppleCoreMedia/1.0.0.21K69 (Apple TV; U; CPU OS 17_0 like Mac OS X; en_us)", "smart_tv", None, None, "app", None),
    ("Mozilla/5.0 (PlayStation; PlayStation 5/5.10) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
     "console", None, None, None, None),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) {WEBKIT} Chrome/120.0.0.0 Safari/537.36 "
     "Edge/44.18363.8131", "console", None, None, None, None),
    (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
     "web", "windows", None, "edge", "120"),
    ("Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0", "web", "windows", "7", "firefox", "52"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0",
     "web", "macos", None, "firefox", "121"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.2 "
     "Safari/605.1.15", "web", "macos", "10.13", "safari", "13.1"),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/120.0.0.0 Safari/537.36",
     "web", "chromeos", None, "chrome", "120"),
    (f"Mozilla/5.0 (Linux; Android 11; KFTRWI) {WEBKIT} Silk/120.2.1 like Chrome/120.0.6099.43 Safari/537.36",
     "tablet", "android", None, None, None),
    ("Kino/42 CFNetwork/1474 Darwin/23.0.0", "mobile", "ios", None, "app", "42"),
    ("curl/8.5.0", None, None, None, None, None),
    ("Minecraft/1.20", None, None, None, None, None),
    ("", None, None, None, None, None),
)  # fmt: skip
"""(agent, device_type, os, os_version, browser, browser_version); None where the agent alone does not decide it."""


@pytest.mark.parametrize(("agent", "device_type", "os", "os_version", "browser", "browser_version"), REAL)
def test_real_agents_are_what_they_are(
    agent: str,
    device_type: str | None,
    os: str | None,
    os_version: str | None,
    browser: str | None,
    browser_version: str | None,
) -> None:
    found = dict(agents.device_fields(agent))
    assert found.get("device_type") == device_type
    meant = {"os": os, "os_version": os_version, "browser": browser, "browser_version": browser_version}
    assert {name: found.get(name) for name, value in meant.items() if value} == {n: v for n, v in meant.items() if v}


@pytest.mark.parametrize("software", SOFTWARE, ids=lambda s: f"{s.device.model} {s.os_version} {s.browser_version}")
def test_every_agent_of_the_simulator_comes_back_as_it_was_meant(software: Software) -> None:
    found, device = dict(agents.device_fields(software.user_agent)), software.device
    names = ("device_type", "os", "browser", "browser_version")
    meant = (device.device_type, device.os, device.browser, software.browser_version)
    assert tuple(found.get(name) for name in names) == meant
    written = software.os_version in software.user_agent and device.os not in ("windows", "macos", "linux")
    assert found.get("os_version") == (software.os_version if written else None)
