"""Drawn faults: what random faults are made of: causes with their sizes, and dimensions of their slices."""

from qoescope.catalog.faults import Cause

DRAWN_CAUSES: dict[Cause, tuple[float, float, str, float]] = {
    "startup_wait": (2.0, 3.5, "startup_avg_ms", 1.5),
    "connect_ms": (2500.0, 6000.0, "startup_avg_ms", 1.3),
    "connect_chance": (0.15, 0.6, "start_failure_ratio", 3.0),
    "throughput": (0.08, 0.2, "rebuffer_ratio", 1.5),
    "failures_a_minute": (0.02, 0.08, "play_failure_ratio", 3.0),
    "abr_target": (0.25, 0.4, "bitrate_avg_kbps", 1.15),
}
"""Causes that random faults are drawn from: least and greatest size, KPI, and the factor it gets worse by."""

DRAWN_DIMENSIONS = (
    "device_type",
    "os",
    "country_code",
    "isp",
    "cdn",
    "network_type",
    "player_name",
    "cdn_pop",
    "app_version",
)
"""Dimensions that random faults are drawn over."""
