"""Slices: what the codes of a session say, dimension by dimension, and which sessions lie in a fault's slice."""

import numpy as np

from qoescope.catalog import population as p
from qoescope.catalog.faults import Fault
from qoescope.emit.viewers import (
    APP_VERSIONS,
    ARMS,
    ISPS,
    NETWORK_TYPES,
    POPS,
    REGIONS,
    SOFTWARE,
    Mask,
    Software,
    Viewing,
)


def _by_software(value: str) -> list[str]:
    def of(s: Software) -> str:
        d = s.device
        return {
            "device_type": d.device_type,
            "device_model": d.model,
            "os": d.os,
            "os_version": s.os_version,
            "browser": d.browser,
            "browser_version": s.browser_version,
            "user_agent": s.user_agent,
            "player_name": d.player,
            "player_version": s.player_version,
            "stream_format": d.stream_format,
            "drm": d.drm,
            "video_codec": d.codec,
        }[value]

    return [of(s) for s in SOFTWARE]


DIMENSIONS: dict[str, tuple[str, list[str]]] = {
    **{
        name: ("software", _by_software(name))
        for name in (
            "device_type",
            "device_model",
            "os",
            "os_version",
            "browser",
            "browser_version",
            "user_agent",
            "player_name",
            "player_version",
            "stream_format",
            "drm",
            "video_codec",
        )
    },
    "app_version": ("app", list(APP_VERSIONS)),
    "network_type": ("network", list(NETWORK_TYPES)),
    "country_code": ("country", [c.code for c in p.COUNTRIES]),
    "region": ("region", [r.code for _, _, r in REGIONS]),
    "isp": ("isp", [i.name for _, i in ISPS]),
    "asn": ("isp", [str(i.asn) for _, i in ISPS]),
    "cdn": ("cdn", list(p.CDNS)),
    "cdn_pop": ("pop", [name for _, _, name in POPS]),
    "content_id": ("content", [f"content_{i}" for i in range(p.TITLES + 1)]),
    "content_type": ("live", ["vod", "live"]),
    "experiment": ("arm", [p.EXPERIMENTS[0][0]] * len(ARMS)),
    "variant": ("arm", list(ARMS)),
}
"""Each dimension of a session: the array of `Viewing` that holds its codes, and what the codes say."""


def in_slice(fault: Fault, v: Viewing) -> Mask:
    """Which sessions lie in the fault's slice, at any time."""
    mask = np.ones(len(v), dtype=bool)
    for name, value in fault.slice:
        array, said = DIMENSIONS[name]
        mask &= (np.array(said) == value)[getattr(v, array).astype(np.int64)]
    return mask
