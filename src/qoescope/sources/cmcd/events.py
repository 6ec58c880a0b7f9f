"""Our events as CMCD records make them, and what holds between records."""

from dataclasses import dataclass

from qoescope.catalog.cmcd import Rules
from qoescope.sources.cmcd.order import Report


@dataclass(slots=True)
class CmcdEvent:
    """One of our events; fields as in the catalog, `row` is the record that it was made of."""

    row: int
    at: int
    type: str
    state: str
    state_ms: int
    ad: bool = False
    hidden: bool = False
    rate: float = 1.0
    bitrate_kbps: int | None = None
    event_cdn: str | None = None
    dropped_frames: int = 0
    playhead_ms: int | None = None
    startup_ms: int | None = None
    next_bitrate_kbps: int | None = None
    next_cdn: str | None = None
    error_code: str | None = None
    error_class: str | None = None
    reason: str | None = None
    clock_adjusted: bool = False


@dataclass(slots=True)
class Context:
    """What holds from its record on; it outlives a play."""

    on_screen: int | None = None
    selected: int | None = None
    combined: int | None = None
    rate: float = 1.0
    hidden: bool = False
    cdn: str | None = None
    tells_visibility: bool = False
    """The session sends `e=b`; else an absent `bg` is false."""
    live: bool = False

    @property
    def bitrate(self) -> int | None:
        """On screen, else of the selected rendition, else of the combination of tracks."""
        if self.on_screen is not None:
            return self.on_screen
        return self.selected if self.selected is not None else self.combined

    def take(self, record: Report, cdn: str | None) -> None:
        """The record's own values; an absent rate is 1."""
        reading = record.reading
        self.cdn = cdn or self.cdn
        self.rate = 1.0 if reading.rate is None else int(reading.rate * 100 + 0.5) / 100
        about = reading.texts.get("ot")
        if record.event is not None or about in (None, "v", "av"):
            lists = reading.lists
            self.on_screen = reading.one("pb") if "pb" in lists else self.on_screen
            self.selected = reading.one("br") if "br" in lists else self.selected
            self.combined = reading.one("ab") if "ab" in lists else self.combined
        background = reading.flags.get("bg")
        if background is not None:
            self.hidden = background
        elif record.event == "b" or not self.tells_visibility:
            self.hidden = False


def cdn_of(record: Report, rules: Rules) -> str | None:
    """The CDN that the record names, itself or by its host."""
    texts = record.reading.texts
    return texts.get("cdn") or rules.hosts.get(texts.get("h", "")) or rules.hosts.get(record.host or "")
