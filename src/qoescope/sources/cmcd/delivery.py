"""What CMCD tells of delivery: media requests, throughput, buffer and starvation, by session and host."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from qoescope.catalog.bounds import LARGEST_SUM, LONGEST_REQUEST_MS
from qoescope.catalog.cmcd import Rules
from qoescope.compile.texts import tidy_id
from qoescope.sources.cmcd.order import CmcdSession, Report, lost_reports

_VIDEO = ("v", "av")
_STARVED = ("v", "av", "i", None)
_SAME_FLAG_MS = 2000
_FIRST_ERROR = 400


def observation(session: CmcdSession, context: Mapping[str, str], *, tells_states: bool) -> dict[str, Any]:
    """The session's row of `cmcd_sessions`; null is what its records cannot tell."""
    records = session.records
    media = media_requests(session)
    status = [code for r in media if (code := _status(r)) is not None]
    video = _video(session.of("request") or media)
    durations = [r.reading.numbers["d"] for r in video if "d" in r.reading.numbers]
    weighed = _weighed(video)
    weights = sum(d for d, _ in weighed)
    requested = sum(d * kbps for d, kbps in weighed)
    throughput, buffer = _report(records, "mtp"), _report(records, "bl")
    latency = [r.reading.numbers["ltc"] for r in records if "ltc" in r.reading.numbers]
    return {
        "property": session.property,
        "session_id": session.session_id,
        "source": context["source"],
        "first_at": _instant(min(r.arrived for r in records)),
        "last_at": _instant(max(r.arrived for r in records)),
        "tells_states": tells_states,
        **{name: context[name] for name in ("content_id", "content_type", "stream_format", "cdn") if name in context},
        "startup_ms": next((r.reading.numbers["msd"] for r in records if "msd" in r.reading.numbers), None),
        "record_count": len(records),
        "request_count": len(media) or None,
        "request_errors": sum(map(_failed, status)) if status else None,
        "media_ms": sum(durations) if durations else None,
        "requested_kbps_ms": min(requested, LARGEST_SUM) if weights else None,
        "requested_ms": weights or None,
        "requested_kbps": (2 * requested + weights) // (2 * weights) if weights else None,
        "top_kbps": max(_report(records, "tb"), default=None),
        "throughput_kbps_sum": sum(throughput) if throughput else None,
        "throughput_count": len(throughput) or None,
        "buffer_ms_sum": sum(buffer) if buffer else None,
        "buffer_count": len(buffer) or None,
        "live_latency_ms_sum": sum(latency) if latency else None,
        "live_latency_count": len(latency) or None,
        "starvation_count": _starvations(session.of("request")),
        "lost_reports": lost_reports(records),
        "notes": " ".join(sorted({note for r in records for note in r.reading.notes})),
    }


def delivery(session: CmcdSession, rules: Rules) -> list[dict[str, Any]]:
    """The session's rows of `cmcd_requests`, one a host."""
    by_host: dict[str, list[Report]] = defaultdict(list)
    for record in media_requests(session):
        by_host[_host(record) or "unknown"].append(record)
    return [_sums(session, host, rules.hosts.get(host, "unknown"), media) for host, media in sorted(by_host.items())]


def media_requests(session: CmcdSession) -> list[Report]:
    """Each media request once: told by `rr` reports where the player sends them, else by the requests themselves."""
    return [r for r in session.of("event") if r.event == "rr"] or session.of("request")


def _sums(session: CmcdSession, host: str, cdn: str, media: Sequence[Report]) -> dict[str, Any]:
    status = [code for r in media if (code := _status(r)) is not None]
    last = [ms for r in media if (ms := r.reading.numbers.get("ttlb")) is not None]
    first = [ms for r in media if (ms := r.reading.numbers.get("ttfb")) is not None and ms <= _latest_first_byte(r)]
    weighed = _weighed(media)
    return {
        "property": session.property,
        "session_id": session.session_id,
        "host": host,
        "cdn": cdn,
        "last_at": _instant(max(r.arrived for r in media)),
        "request_count": len(media),
        "status_count": len(status),
        "error_count": sum(map(_failed, status)),
        "ttfb_ms_sum": sum(first),
        "ttfb_count": len(first),
        "ttlb_ms_sum": sum(last),
        "ttlb_count": len(last),
        "requested_kbps_ms": min(sum(d * kbps for d, kbps in weighed), LARGEST_SUM),
        "requested_ms": sum(d for d, _ in weighed),
    }


def _latest_first_byte(record: Report) -> int:
    """No first byte comes after the last one; a player that has none has been seen to send the time of day."""
    return record.reading.numbers.get("ttlb", LONGEST_REQUEST_MS)


def _host(record: Report) -> str | None:
    """The host as it is stored: what differs in characters that no table holds is one host, and one key."""
    try:
        host = record.host if record.event != "rr" else urlsplit(record.reading.texts.get("url", "")).hostname
    except ValueError:
        return None
    return host and tidy_id(host)


def _status(record: Report) -> int | None:
    return record.reading.numbers.get("rc", record.status)


def _failed(status: int) -> bool:
    return status == 0 or status >= _FIRST_ERROR


def _video(records: Sequence[Report]) -> list[Report]:
    """Requests for video; where no request says its type, all of them."""
    if all("ot" not in r.reading.texts for r in records):
        return list(records)
    return [r for r in records if r.reading.texts.get("ot") in _VIDEO]


def _weighed(records: Iterable[Report]) -> list[tuple[int, int]]:
    """Duration and bitrate of the objects that tell both."""
    return [
        (d, kbps)
        for r in records
        if (d := r.reading.numbers.get("d")) is not None and (kbps := r.reading.one("br")) is not None
    ]


def _report(records: Iterable[Report], key: str) -> list[int]:
    return [value for r in records if (value := r.reading.one(key)) is not None]


def _starvations(records: Sequence[Report]) -> int | None:
    """Starvation flags, within 2 s one; on video's requests, on audio's only where there are no others."""
    eligible = [r for r in records if r.reading.texts.get("ot") in _STARVED]
    eligible = eligible or [r for r in records if r.reading.texts.get("ot") == "a"]
    if not eligible:
        return None
    count, last = 0, None
    for record in eligible:
        if record.reading.flags.get("bs"):
            count += last is None or record.arrived - last > _SAME_FLAG_MS
            last = record.arrived
    return count


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
