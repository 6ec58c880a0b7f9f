"""Population: who presses play, where, on what, and what there is to watch, as shares of the simulated service.

Shares, speeds and waits are assumptions of the simulation, chosen to look like a large service; names of countries,
providers and autonomous systems are real so that they read well, and say nothing about the companies that bear them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from qoescope.catalog.text_tables import numbers, records


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

_ISPS = """
country | name         | asn   | fixed | mobile | cdns        | speed
US      | comcast      | 7922  | 0.36  | 0      | 0.5 0.3 0.2 | 1.1
US      | charter      | 20115 | 0.24  | 0      | 0.4 0.4 0.2 | 1
US      | cox          | 22773 | 0.12  | 0      | 0.3 0.5 0.2 | 1
US      | verizon      | 701   | 0.13  | 0.38   | 0.5 0.2 0.3 | 1.2
US      | att          | 7018  | 0.15  | 0.32   | 0.3 0.3 0.4 | 1.1
US      | t_mobile     | 21928 | 0     | 0.3    | 0.4 0.3 0.3 | 1
BR      | vivo         | 27699 | 0.33  | 0.38   | 0.5 0.3 0.2 | 1
BR      | claro        | 28573 | 0.37  | 0.34   | 0.4 0.4 0.2 | 1.05
BR      | oi           | 7738  | 0.18  | 0      | 0.5 0.4 0.1 | 0.8
BR      | tim          | 26615 | 0.12  | 0.28   | 0.3 0.4 0.3 | 0.95
IN      | jio          | 55836 | 0.45  | 0.55   | 0.5 0.3 0.2 | 0.95
IN      | airtel       | 24560 | 0.33  | 0.35   | 0.4 0.4 0.2 | 1.05
IN      | bsnl         | 9829  | 0.14  | 0.04   | 0.6 0.3 0.1 | 0.6
IN      | act          | 24309 | 0.08  | 0.06   | 0.3 0.4 0.3 | 1.1
GB      | bt           | 2856  | 0.36  | 0.3    | 0.5 0.3 0.2 | 1.05
GB      | sky          | 5607  | 0.28  | 0      | 0.4 0.3 0.3 | 1
GB      | virgin_media | 5089  | 0.26  | 0.34   | 0.3 0.5 0.2 | 1.2
GB      | vodafone     | 5378  | 0.1   | 0.36   | 0.4 0.3 0.3 | 0.95
FR      | orange       | 3215  | 0.42  | 0.4    | 0.5 0.3 0.2 | 1.1
FR      | sfr          | 15557 | 0.22  | 0.24   | 0.4 0.4 0.2 | 1
FR      | free         | 12322 | 0.24  | 0.2    | 0.2 0.4 0.4 | 1.2
FR      | bouygues     | 5410  | 0.12  | 0.16   | 0.4 0.3 0.3 | 1
DE      | telekom      | 3320  | 0.45  | 0.42   | 0.5 0.3 0.2 | 1.1
DE      | vodafone     | 3209  | 0.33  | 0.3    | 0.3 0.4 0.3 | 1
DE      | o2           | 6805  | 0.12  | 0.28   | 0.4 0.4 0.2 | 0.85
DE      | 1und1        | 8881  | 0.1   | 0      | 0.5 0.3 0.2 | 0.95
MX      | telmex       | 8151  | 0.5   | 0      | 0.5 0.3 0.2 | 0.9
MX      | telcel       | 28403 | 0     | 0.66   | 0.5 0.3 0.2 | 1
MX      | izzi         | 28548 | 0.26  | 0      | 0.3 0.5 0.2 | 1
MX      | totalplay    | 17072 | 0.24  | 0.34   | 0.4 0.3 0.3 | 1.1
JP      | ntt          | 4713  | 0.5   | 0.42   | 0.4 0.3 0.3 | 1.3
JP      | kddi         | 2516  | 0.28  | 0.32   | 0.4 0.4 0.2 | 1.2
JP      | softbank     | 17676 | 0.22  | 0.26   | 0.3 0.3 0.4 | 1.15
KR      | kt           | 4766  | 0.42  | 0.34   | 0.3 0.4 0.3 | 1.3
KR      | sk_broadband | 9318  | 0.34  | 0.4    | 0.3 0.3 0.4 | 1.3
KR      | lg_uplus     | 3786  | 0.24  | 0.26   | 0.4 0.3 0.3 | 1.2
"""

_COUNTRIES = """
code | share | pops          | speed | four_g | regions
US   | 0.34  | 1 2, 3 4, 5 6 | 1.2   | 0.35   | US-NY 0.34 -5, US-TX 0.28 -6, US-CO 0.1 -7, US-CA 0.28 -8
BR   | 0.13  | 1 2, 3, 4     | 0.75  | 0.7    | BR-SP 0.6 -3, BR-RJ 0.28 -3, BR-AM 0.12 -4
IN   | 0.13  | 1 2, 3, 4     | 0.6   | 0.75   | IN-MH 0.45 5.5, IN-KA 0.3 5.5, IN-DL 0.25 5.5
GB   | 0.1   | 1 2, 3, 4     | 1.1   | 0.45   | GB-ENG 0.85 0, GB-SCT 0.15 0
FR   | 0.08  | 1 2, 3, 4     | 1.15  | 0.45   | FR-IDF 0.6 1, FR-ARA 0.4 1
DE   | 0.08  | 1 2, 3, 4     | 1     | 0.5    | DE-NW 0.55 1, DE-BY 0.45 1
MX   | 0.06  | 1, 2, 3       | 0.75  | 0.7    | MX-CMX 0.7 -6, MX-BCN 0.3 -8
JP   | 0.05  | 1 2, 3, 4     | 1.25  | 0.45   | JP-13 0.65 9, JP-27 0.35 9
KR   | 0.03  | 1 2, 3 4, 5   | 1.4   | 0.3    | KR-11 0.7 9, KR-26 0.3 9
"""


def _isp(row: dict[str, str]) -> Isp:
    first, second, third = numbers(row["cdns"])
    shares = float(row["fixed"]), float(row["mobile"])
    return Isp(row["name"], int(row["asn"]), *shares, (first, second, third), float(row["speed"]))


def _region(cell: str) -> Region:
    code, share, utc_offset_hours = cell.split()
    return Region(code, float(share), float(utc_offset_hours))


def _country(row: dict[str, str], isps: Sequence[dict[str, str]]) -> Country:
    first, second, third = (tuple(map(int, cell.split())) for cell in row["pops"].split(","))
    return Country(
        row["code"],
        float(row["share"]),
        tuple(map(_region, row["regions"].split(","))),
        tuple(_isp(isp) for isp in isps if isp["country"] == row["code"]),
        (first, second, third),
        float(row["speed"]),
        float(row["four_g"]),
    )


COUNTRIES = tuple(_country(row, records(_ISPS)) for row in records(_COUNTRIES))
"""Countries with the shares of their viewers, and in each its own providers."""

LOAD_BY_LOCAL_HOUR = numbers("""
    0.42 0.25 0.15 0.10 0.08 0.10 0.18 0.28 0.34 0.36 0.40 0.48
    0.58 0.58 0.54 0.54 0.60 0.74 0.95 1.25 1.50 1.48 1.10 0.70
""")
"""Presses of play by the viewer's own hour, relative; the evening is the peak."""

WEEKEND_LOAD = 1.25
WEEKEND_DAYTIME_LOAD = 1.35
"""Saturday and Sunday: more of it all, and more still between 10 and 17 o'clock."""

DEVICE_SHARES = {"smart_tv": 0.45, "mobile": 0.30, "web": 0.15, "tablet": 0.10}
"""Shares of sessions by device type, in every hour and country."""

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
    (235, 320, 240),
    (560, 640, 360),
    (1050, 854, 480),
    (1750, 960, 540),
    (3000, 1280, 720),
    (4300, 1920, 1080),
    (5800, 1920, 1080),
    (8100, 2560, 1440),
    (11600, 3840, 2160),
    (16000, 3840, 2160),
)
"""Renditions: kbps, width, height."""

VERSION_MAJORS = (15, 16, 17, 18)
DAYS_BETWEEN_RELEASES = 2.75
"""v15.0.0 … v18.9.9 in order, one each 2.75 days; the last one appears at the end of the period."""
UPDATE_DAYS = 4.0
LAGGARDS = 0.15
"""Viewers update some days after a release (exponential); laggards stay with any older version."""

VIEWERS = 1_000_000
