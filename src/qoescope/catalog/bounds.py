"""Bounds: what a number can mean, whoever sends it. Beyond them a value is unknown, whatever its type could hold.

Players fill what they do not know with sentinels: -1, 2^31-1, 2^32 s, 2^53-1, -2^63, NaN. A bound by meaning takes all
of them for what they are, and keeps sums over a session and over a mart's cell within 64 bits.
"""

EARLIEST_MS = 631_152_000_000
"""1990-01-01: no player is older."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01."""
DATES = (EARLIEST_MS, LATEST_MS)
"""Instants, as ms since the epoch."""
DEVICE_DATES = (-2_208_988_800_000, 2 * LATEST_MS)
"""What a device's own clock may say: 1900 to 2230. A clock that is wrong by decades can still be corrected."""

DAY_MS = 86_400_000
LONGEST_STATE_MS = DAY_MS
"""One state, one startup, one wait: a day."""
LONGEST_CONTENT_MS = 24 * DAY_MS
"""No content lasts longer: below 2^31-1 ms, the shortest of the lengths that players say of live."""
LONGEST_SESSION_MS = 30 * DAY_MS
"""No session lasts longer."""
LONGEST_REQUEST_MS = 3_600_000
"""A request that took longer than an hour was not timed."""

MOST_KBPS = 1_000_000
"""1 Gbps: thirty times what a film in 8K takes."""
MOST_THROUGHPUT_KBPS = 100_000_000
"""100 Gbps: what a cache on the same machine is measured at."""
MOST_PIXELS = 65_535
"""On one side of a picture or a wall of screens."""
MOST_DROPPED = 10_000_000
"""Frames dropped: a day's at 120 a second."""
MOST_EVENTS = 10_000_000
"""Events of one session: a month at four a second."""
MOST_STALLS = 10_000
"""Stalls of one session that a running total may tell."""
MOST_STALLS_TOLD = 100
"""Stalls that one report may tell of at once; each makes events."""

MOST_A_SESSION = 8_640_000_000_000
"""Greatest sum of bitrate × time of one session: 100 Mbit/s for a day."""
MOST_SESSIONS = 1_000_000
"""Sessions of one cell of a mart that may all be at their bounds at once before a sum leaves 64 bits."""
MOST_WINDOW_EVENTS = 30_000_000
"""The same of events in one live window."""
LARGEST_SUM = 2**63 - 1
