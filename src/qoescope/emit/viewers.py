"""Viewers: who presses play, where and on what, each choice depending on the ones before it."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from dataclasses import dataclass, fields
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from qoescope.catalog import networks as n
from qoescope.catalog import population as p
from qoescope.catalog.devices import DEVICES, Device
from qoescope.catalog.faults import Fault
from qoescope.emit import draws
from qoescope.emit.draws import Bits, Floats
from qoescope.emit.scenario import DAY_MS, HOUR_MS, Load, Scenario, Times, by_hour, hold, local_hours

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

SESSION, VIEWER, HOUSEHOLD = 1, 2, 3
"""Streams of random numbers."""

REGIONS = tuple((c, country, region) for c, country in enumerate(p.COUNTRIES) for region in country.regions)
REGION_COUNTRY = np.array([c for c, _, _ in REGIONS])
REGION_OFFSET_MS = np.array([round(r.utc_offset_hours * HOUR_MS) for _, _, r in REGIONS])
_PEOPLE = np.cumsum([0.0] + [c.share * r.share for _, c, r in REGIONS])
REGION_BASE = (_PEOPLE[:-1] / _PEOPLE[-1] * p.VIEWERS).astype(np.int64)
REGION_SIZE = np.diff(np.append(REGION_BASE, p.VIEWERS))

ISPS = tuple((c, isp) for c, country in enumerate(p.COUNTRIES) for isp in country.isps)
POPS = tuple(
    (c, cdn, f"{country.code}-{number}")
    for c, country in enumerate(p.COUNTRIES)
    for cdn in range(3)
    for number in country.pops[cdn]
)
POP_FIRST = np.array(
    [[next(i for i, x in enumerate(POPS) if x[:2] == (c, d)) for d in range(3)] for c in range(len(p.COUNTRIES))]
)
POP_COUNT = np.array([[len(c.pops[d]) for d in range(3)] for c in p.COUNTRIES])
NETWORK_TYPES = tuple(n.NETWORKS)
DEVICE_TYPES = tuple(p.DEVICE_SHARES)
ARMS = p.EXPERIMENTS[0][1]
APP_VERSIONS = tuple(f"v{a}.{b}.{c}" for a in p.VERSION_MAJORS for b in range(10) for c in range(10))


@dataclass(frozen=True, slots=True)
class Software:
    """A device with one combination of versions."""

    device: Device
    os_version: str
    browser_version: str
    player_version: str
    share: float

    @property
    def user_agent(self) -> str:
        """As the device sends it."""
        return self.device.agent.format(os=self.os_version, browser=self.browser_version)


SOFTWARE = tuple(
    Software(d, o, b, v, d.share * so * sb * sv)
    for d in DEVICES
    for (o, so), (b, sb), (v, sv) in product(d.os_versions, d.browser_versions, d.player_versions)
)
FIRST_SOFTWARE = np.array([next(i for i, s in enumerate(SOFTWARE) if s.device.device_type == t) for t in DEVICE_TYPES])
UPDATED = {
    i: next((j for j, o in enumerate(SOFTWARE) if o.device is s.device and o.os_version == "15.2"), i)
    for i, s in enumerate(SOFTWARE)
    if s.os_version == "15.3"
}
"""Software that arrives by an OS update during the period, and what was there before."""
UPDATE_FROM, UPDATE_OVER = 0.45, 0.15
"""The OS update goes out from this share of the period on, over that share of it."""


@dataclass(frozen=True)
class Viewing:
    """Who pressed play: an entry a session in each array; text is a number into the tables above."""

    number: Times
    key: Bits
    started_ms: Times
    region: Codes
    country: Codes
    isp: Codes
    cdn: Codes
    pop: Codes
    device_type: Codes
    software: Codes
    network: Codes
    line: Codes
    content: Codes
    live: Mask
    app: Codes
    arm: Codes
    viewer: Codes
    tolerance: Floats
    with_ads: Mask
    local_load: Floats

    def __len__(self) -> int:
        return len(self.number)

    @staticmethod
    def joined(parts: list["Viewing"]) -> "Viewing":
        """The sessions of all parts, one after the other."""
        return Viewing(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Viewing)})

    def take(self, rows: Codes | Mask) -> "Viewing":
        """Some of the sessions."""
        return Viewing(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@cache
def _tables() -> dict[str, NDArray[np.int16]]:
    """Weighted choices as look-ups, 4096 entries each."""

    def small(shares: list[float]) -> NDArray[np.int16]:
        return draws.picks(shares)[8::16]

    first = {c: next(i for i, (k, _) in enumerate(ISPS) if k == c) for c in range(len(p.COUNTRIES))}
    ranks = np.arange(1, p.TITLES - p.LIVE_TITLES + 1) ** -p.ZIPF_EXPONENT
    lines = [(net, s) for net in NETWORK_TYPES for s in n.NETWORKS[net]]
    start = {net: next(i for i, (k, _) in enumerate(lines) if k == net) for net in NETWORK_TYPES}
    return {
        "fixed": np.stack([small([i.fixed for i in c.isps]) + first[k] for k, c in enumerate(p.COUNTRIES)]),
        "mobile": np.stack([small([i.mobile for i in c.isps]) + first[k] for k, c in enumerate(p.COUNTRIES)]),
        "cdn": np.stack([small(list(i.cdns)) for _, i in ISPS]),
        "device": draws.picks(list(p.DEVICE_SHARES.values())),
        "software": np.stack([small([s.share for s in SOFTWARE if s.device.device_type == t]) for t in DEVICE_TYPES]),
        "rank": draws.picks(list(ranks)),
        "arm": small(list(p.EXPERIMENTS[0][2])),
        "line": np.stack([small([s.share for s in n.NETWORKS[net]]) + start[net] for net in NETWORK_TYPES]),
    }


def viewings(run: Scenario, load: Load, numbers: Times) -> Viewing:
    """The sessions of these numbers: a function of the run and each number alone."""
    t = _tables()
    key = draws.keys(run.seed, SESSION, numbers)
    started = load.times((numbers + draws.uniform(key, 1)) / run.sessions)
    slot = load.slots(started)
    region = _shifted(run, started, key, load.region(slot, draws.uniform(key, 2)))
    country = REGION_COUNTRY[region]
    x = REGION_BASE[region] + (REGION_SIZE[region] * draws.uniform(key, 3) ** 1.7).astype(np.int64)
    viewer_key, home = draws.keys(run.seed, VIEWER, x), draws.keys(run.seed, HOUSEHOLD, x // 2)
    word, own, house = draws.bits(key, 4), draws.bits(viewer_key, 1), draws.bits(home, 1)
    mine = draws.part(word, 0) < 49152
    device_type = t["device"][np.where(mine, draws.part(own, 0), draws.part(word, 1))].astype(np.int64)
    network, cellular = _network(device_type, country, draws.part(word, 2), draws.part(house, 0))
    mobile, fixed = t["mobile"][country, draws.part(own, 1) >> 4], t["fixed"][country, draws.part(house, 1) >> 4]
    isp = np.where(cellular, mobile, fixed).astype(np.int64)
    cdn = t["cdn"][isp, draws.part(word, 3) >> 4].astype(np.int64)
    more, at_home = draws.bits(key, 5), draws.bits(home, 2)
    word_of_line = np.where(cellular, draws.part(more, 2), draws.part(at_home, 0)) >> 4
    pop = POP_FIRST[country, cdn] + (draws.UNIT16[draws.part(house, 2)] * POP_COUNT[country, cdn]).astype(np.int64)
    machine = draws.part(draws.mixed(home + device_type.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)), 0) >> 4
    software = t["software"][device_type, machine] + FIRST_SOFTWARE[device_type]
    content, live = _content(load.crowd[slot], more)
    return Viewing(
        number=numbers,
        key=key,
        started_ms=started,
        region=region,
        country=country,
        isp=isp,
        cdn=cdn,
        pop=pop,
        device_type=device_type,
        software=_before_update(run, started, software.astype(np.int64), draws.UNIT16[draws.part(house, 3)]),
        network=network,
        line=t["line"][network, word_of_line].astype(np.int64),
        content=content,
        live=live,
        app=_app(run, started, own, viewer_key),
        arm=t["arm"][draws.part(own, 3) >> 4].astype(np.int64),
        viewer=(x * 387_077 + 123_457) % p.VIEWERS,
        tolerance=draws.lognormal(home, 3, 0.5),
        with_ads=draws.part(at_home, 1) < 22_000,
        local_load=by_hour(started + REGION_OFFSET_MS[region]) / max(p.LOAD_BY_LOCAL_HOUR),
    )


def redirected(run: Scenario, fault: Fault, started: Times, key: Bits) -> Mask:
    """Sessions that a shift of traffic brings from another country."""
    window = hold(run, fault)
    return (started >= window.onset_ms) & (started < window.end_ms) & (draws.uniform(key, 90) < fault.by)


def _shifted(run: Scenario, started: Times, key: Bits, region: Codes) -> Codes:
    for fault in run.faults:
        if fault.cause == "traffic":
            there = np.array([i for i, (_, c, _) in enumerate(REGIONS) if c.code == dict(fault.slice)["country_code"]])
            where = there[(draws.uniform(key, 91) * len(there)).astype(np.int64)]
            region = np.where(redirected(run, fault, started, key), where, region)
    return region


def _network(device_type: Codes, country: Codes, away: Codes, house: Codes) -> tuple[Codes, Mask]:
    shares = [p.NETWORK_SHARES[d] for d in DEVICE_TYPES]
    cellular = draws.UNIT16[away] < np.array([s.get("cellular", 0.0) for s in shares])[device_type]
    wired = draws.UNIT16[house] < np.array([s.get("ethernet", 0.0) for s in shares])[device_type]
    four = draws.UNIT16[(away * 40_503) & 0xFFFF] < np.array([c.four_g for c in p.COUNTRIES])[country]
    code = {name: i for i, name in enumerate(NETWORK_TYPES)}
    network = np.where(wired, code["ethernet"], code["wifi"])
    return np.where(cellular, np.where(four, code["cellular_4g"], code["cellular_5g"]), network), cellular


def _content(crowd: Mask, word: Bits) -> tuple[Codes, Mask]:
    titles = p.TITLES - p.LIVE_TITLES
    rank = _tables()["rank"][draws.part(word, 0)].astype(np.int64)
    u = draws.UNIT16[draws.part(word, 1)]
    live = u < np.where(crowd, 0.33, 0.07)
    channel = np.where(crowd & (u > 0.07), 0, (draws.UNIT16[draws.part(word, 3)] ** 2 * p.LIVE_TITLES).astype(np.int64))
    return np.where(live, titles + 1 + channel, ((rank + p.FIRST_RANK_OFFSET) * 389) % titles + 1), live


def _before_update(run: Scenario, started: Times, software: Codes, u: Floats) -> Codes:
    at = run.begin_ms + run.length_ms * (UPDATE_FROM + UPDATE_OVER * u)
    for after, before in UPDATED.items():
        software = np.where((software == after) & (started < at), before, software)
    return software


def _app(run: Scenario, started: Times, own: Bits, viewer_key: Bits) -> Codes:
    """The app's version: releases come in order, viewers install them days later, some never."""
    u = draws.UNIT16[draws.part(own, 2)]
    last = len(APP_VERSIONS) - 1
    age = np.where(
        u < p.LAGGARDS,
        u / p.LAGGARDS * last * p.DAYS_BETWEEN_RELEASES,
        p.UPDATE_DAYS * draws.exponential(viewer_key, 2),
    )
    days_to_end = (run.end_ms - started) / DAY_MS
    return np.clip(last - ((days_to_end + age) / p.DAYS_BETWEEN_RELEASES).astype(np.int64), 0, last)


def local_clock(v: Viewing) -> tuple[Floats, Codes]:
    """Hour and weekday where each viewer is."""
    return local_hours(v.started_ms + REGION_OFFSET_MS[v.region])
