"""The collector's own counters, and their Prometheus exposition."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from qoescope.compile.wire import Counts

MINUTE_MS = 60_000
OUTCOMES = ("accepted", "duplicate", "invalid", "filtered")
GAUGES = {
    "ready": "1 while Kafka acknowledges.",
    "requests_in_flight": "Requests not answered yet.",
    "bytes_in_flight": "Bytes that Kafka has not acknowledged.",
    "bytes_ahead": "Bytes of requests that wait for the one before them on their connection.",
    "connections": "Connections that are open.",
    "tasks": "Tasks of the event loop.",
}
"""Gauges by name, with their help texts."""
BUCKET_LIMITS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class CollectorCounters:
    """Counters of one process, for monitoring. The books that the ledger checks travel in Kafka's records."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.unknown: Counter[tuple[str, str]] = Counter()
        self.waits = [0] * (len(BUCKET_LIMITS_S) + 1)
        self.wait_s = 0.0
        self.worker = ""
        """This process' number, where there are several."""
        self.failures = 0
        """Requests that ended in an unexpected exception."""
        self.gauges: dict[str, float] = {}
        """Current values, by the names of `GAUGES`."""
        self._refused: Counter[tuple[str, int]] = Counter()

    def count(self, property_id: str, counts: Counts) -> None:
        """Counts one beacon's outcomes."""
        if counts.accepted == counts.received:
            self.events[property_id, "accepted"] += counts.accepted
            return
        for outcome in OUTCOMES:
            self.events[property_id, outcome] += getattr(counts, outcome)

    def count_unknown(self, property_id: str, unknown: Mapping[str, int]) -> None:
        """Counts values that cannot be meant, by field."""
        for name, count in unknown.items():
            self.unknown[property_id, name] += count

    def refuse(self, property_id: str, events: int, received_at: int) -> None:
        """Counts events over the key's budget; the next tick carries them to Kafka."""
        self.events[property_id, "rate_limited"] += events
        self._refused[property_id, received_at - received_at % MINUTE_MS] += events

    def take_refused(self) -> list[tuple[str, int, int]]:
        """(property, minute, events over budget) since the last call."""
        taken, self._refused = self._refused, Counter()
        return [(property_id, minute, events) for (property_id, minute), events in taken.items()]

    def restore_refused(self, take_refused: list[tuple[str, int, int]]) -> None:
        """Adds what a tick could not deliver, for the next one."""
        for property_id, minute, events in take_refused:
            self._refused[property_id, minute] += events

    def observe_wait(self, seconds: float) -> None:
        """Adds one request's time until its answer."""
        self.wait_s += seconds
        self.waits[bisect_left(BUCKET_LIMITS_S, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """The counters as Prometheus families; with several processes each is labelled with its own number."""
        names, values = (("worker",), (self.worker,)) if self.worker else ((), ())
        events = CounterMetricFamily(
            "qoescope_door_events", "Events by what became of them.", labels=("property", "outcome", *names)
        )
        for (property_id, outcome), count in list(self.events.items()):
            events.add_metric((property_id, outcome, *values), count)
        requests = CounterMetricFamily(
            "qoescope_door_requests", "Requests by answer.", labels=("route", "status", *names)
        )
        for (route, status), count in list(self.requests.items()):
            requests.add_metric((route, str(status), *values), count)
        unknown = CounterMetricFamily(
            "qoescope_door_unknown_values", "Values that could not be meant.", labels=("property", "field", *names)
        )
        for (property_id, field), count in list(self.unknown.items()):
            unknown.add_metric((property_id, field, *values), count)
        failed = CounterMetricFamily(
            "qoescope_door_failures", "Requests that ended in what nobody foresaw; each is in the log.", labels=names
        )
        failed.add_metric(values, self.failures)
        yield from (events, requests, unknown, failed, self._histogram(dict(zip(names, values, strict=True))))
        for name, doc in GAUGES.items():
            gauge = GaugeMetricFamily(f"qoescope_door_{name}", doc, labels=names)
            gauge.add_metric(values, self.gauges.get(name, 0.0))
            yield gauge

    def _histogram(self, labels: dict[str, str]) -> Metric:
        name = "qoescope_door_wait_seconds"
        family = Metric(name, "Time until a beacon is answered.", "histogram")
        running = 0
        for upper, waits in zip((*map(str, BUCKET_LIMITS_S), "+Inf"), self.waits, strict=True):
            running += waits
            family.add_sample(f"{name}_bucket", {**labels, "le": upper}, running)
        family.add_sample(f"{name}_count", labels, running)
        family.add_sample(f"{name}_sum", labels, self.wait_s)
        return family


def exposition(books: CollectorCounters) -> bytes:
    """The counters in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(books)
    return generate_latest(registry)
