"""Data set: what its CSV holds, a row a session; the simulator writes it, and the import reads it."""

COLUMNS = (
    "session_id",
    "user_id",
    "timestamp",
    "device_type",
    "os_version",
    "app_version",
    "content_id",
    "startup_time_ms",
    "rebuffer_count",
    "rebuffer_duration_ms",
    "bitrate_kbps",
    "resolution",
    "frames_dropped",
    "session_duration_sec",
    "network_type",
    "country_code",
    "isp",
    "cdn_pop",
    "hour",
    "day_of_week",
)
"""In their order."""
HEIGHTS = {"480p": 480, "720p": 720, "1080p": 1080, "4K": 2160}
"""Resolutions by name, the lowest first, with their lines."""
