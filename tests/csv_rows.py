"""Rows of the data set's CSV as tests write them."""

import csv
from io import StringIO

from qoescope.catalog.data_set import COLUMNS

PLAIN = {
    "session_id": "a", "user_id": "user_1", "timestamp": "2025-10-12 13:08:53.966590", "device_type": "smart_tv",
    "os_version": "Mozilla/5.0 (X11; Linux, x86_64)", "app_version": "v16.2.1", "content_id": "content_7",
    "startup_time_ms": "1200", "rebuffer_count": "2", "rebuffer_duration_ms": "3001", "bitrate_kbps": "4500",
    "resolution": "1080p", "frames_dropped": "3", "session_duration_sec": "600", "network_type": "wifi",
    "country_code": "KR", "isp": "orange", "cdn_pop": "KR-5", "hour": "13", "day_of_week": "6",
}  # fmt: skip
NEVER_STARTED = PLAIN | {
    "session_id": "b", "startup_time_ms": "", "bitrate_kbps": "", "resolution": "", "rebuffer_count": "0",
    "rebuffer_duration_ms": "0", "frames_dropped": "0", "session_duration_sec": "9",
}  # fmt: skip


def file(*rows: dict[str, str]) -> StringIO:
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return StringIO(out.getvalue())


def lines(*agents: str) -> StringIO:
    """A file of a row for each agent, written without quoting."""
    rows = [
        ",".join((PLAIN | {"session_id": f"q-{n}", "os_version": agent}).values()) for n, agent in enumerate(agents)
    ]
    return StringIO("\n".join([",".join(COLUMNS), *rows]) + "\n")
