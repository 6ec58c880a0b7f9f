"""Bench of the streams: events a second from the log to Delta and on through live windows, on real Kafka and Postgres.

Needs a broker and a Postgres of the settings with the catalog's tables in it: an own folder, never a working stack's.
usage: python bench/streams.py [events]
"""

import contextlib
import sys
import time
from threading import Event
from typing import Any

import msgspec
import psutil
from pyspark.sql import SparkSession

from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.connect import kafka, postgres, spark
from qoescope.connect.spark import Stream
from qoescope.settings import Settings
from qoescope.stack.streaming import parts

SESSIONS, BEACON = 20_000, 5


def beacons(events: int, name: str) -> list[tuple[bytes, bytes]]:
    """(key, record): heartbeats of many sessions, five in a beacon."""
    now = int(time.time() * 1000)
    found = []
    for i in range(events // BEACON):
        number, turn = i % SESSIONS, i // SESSIONS
        context: dict[str, Any] = {
            "session_id": f"{name}{number:031x}", "viewer_id": f"v1:{number:032x}", "started_at": now - 600_000,
            "content_duration_ms": 3_600_000, "device_type": ("smart_tv", "mobile", "web")[number % 3], "os": "tizen",
            "os_version": f"{number % 5}.0", "app_version": f"v16.{number % 6}.1", "player_name": "shaka",
            "network_type": "wifi", "country_code": ("KR", "DE", "US")[number % 3], "isp": ("kt", "cox")[number % 2],
            "cdn": ("a", "b")[number % 2], "cdn_pop": f"KR-{number % 5}", "content_id": f"t{number % 300}",
            "content_type": "vod", "drm": "widevine", "source": "simulator",
        }  # fmt: skip
        told = [
            {"seq": turn * BEACON + k + 1, "at": now - 5000 + k * 1000, "type": "heartbeat", "state": "playing",
             "state_ms": 1000, "bitrate_kbps": 4500, "width": 1920, "height": 1080, "player_width": 1920,
             "player_height": 1080, "cdn": "a", "playhead_ms": 61_000}
            for k in range(BEACON)
        ]  # fmt: skip
        counts = {"received": BEACON, "accepted": BEACON, "duplicate": 0, "invalid": 0, "filtered": 0}
        record = {"property": "bench", "received_at": now, "sent_at": now, "counts": counts, "session": context,
                  "events": told}  # fmt: skip
        found.append((context["session_id"].encode(), msgspec.json.encode(record)))
    return found


def sent(settings: Settings, records: list[tuple[bytes, bytes]]) -> None:
    """Writes the records to the log and waits for their acknowledgement."""
    log = kafka.RecordProducer(settings)
    for key, value in records:
        while not log.send(BEACONS_TOPIC.name, value, lambda *_: None, key):
            log.poll(0.1)
        log.poll()
    if log.flush(120):
        raise SystemExit("the broker did not take all records")


def processor_seconds() -> float:
    """Of this process and all that it started: Spark and its Python workers."""
    used = 0.0
    for one in (me := psutil.Process(), *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            used += sum(one.cpu_times()[:2])
    return used


def seconds(settings: Settings, stream: Stream, question: str, wanted: int) -> tuple[float, float]:
    """(wall, processor) from the first batch to the one in which the number is there; start-up is not counted."""
    stopping = Event()
    query = stream.start()
    began = (0.0, 0.0)
    try:
        with postgres.connect(settings, "writer") as connection:
            while not stopping.wait(0.05):
                if query.exception():
                    raise SystemExit(str(query.exception()))
                if not began[0] and query.status["isTriggerActive"]:
                    began = time.perf_counter(), processor_seconds()
                ((there,),) = connection.execute(question.encode()).fetchall()
                if there >= wanted:
                    return time.perf_counter() - began[0], processor_seconds() - began[1]
    finally:
        query.stop()
    return 0.0, 0.0


def measured(session: SparkSession, settings: Settings, events: int) -> None:
    """Prints events a second of both streams, each alone, after a round that warms up."""
    stopping, warm = Event(), 2 * settings.batch_records * BEACON  # one batch for each task that is started
    known = {s.name: s for s in parts(session, settings, stopping)[0]}
    told = {
        "events": ("log to Delta and live windows, repeats looked for", "select coalesce(sum(lake), 0) from outcomes"),
    }
    for name, size, wanted in (("a", warm, warm), ("b", events, warm + events)):
        sent(settings, beacons(size, name))
        for stream, (what, question) in told.items():
            wall, processor = seconds(settings, known[stream], question, wanted)
            if name == "b":
                print(f"{what}: {size / wall:,.0f} events/s, {size / processor:,.0f} a processor second")


def main() -> None:
    """Runs it on the settings of the environment."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    settings = Settings().model_copy(update={"events_every_s": 0.0})
    kafka.ensure_topics(settings)
    session = spark.open_session(settings, "bench")
    try:
        measured(session, settings, events)
    finally:
        session.stop()


if __name__ == "__main__":
    main()
