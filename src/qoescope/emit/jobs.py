"""Jobs of emit: the data set's CSV, its events in files, live traffic over HTTP, and the report.

Long because each door of the simulator is here, and this is the stage's only module that reads and writes.
"""

# ruff: noqa: PLR0913 - what can be asked for at the command line is an argument here

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from qoescope.catalog import faults as f
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.emit import chunks, connection, counterfactual, drawn, feed, files, pool, rows, traffic
from qoescope.emit import key as answers
from qoescope.emit.chunks import Part, Tally
from qoescope.emit.counterfactual import Effect
from qoescope.emit.scenario import CHUNK, DEFAULT_END, Scenario, over_days
from qoescope.emit.traffic import Sent
from qoescope.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

CSV_NAME, KEY_NAME, KEY_TABLE_NAME = "streaming_telemetry.csv", "answer_key.json", "answer_key.csv"
MOST_DAYS, MOST_SESSIONS = 366.0, 1_000_000_000
START_IN_S = 1.0


@dataclass
class Summary:
    """What was made, for a person to read."""

    paths: list[Path]
    run: Scenario
    tally: Tally
    key: dict[str, Any]
    sample: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0


def chosen(names: Sequence[str]) -> tuple[f.Fault, ...]:
    """The faults of these names; `all` and `none` are names too."""
    known = {fault.name: fault for fault in (*f.FAULTS, *f.DEMO)}
    wanted = [name.strip() for given in names for name in given.split(",") if name.strip()]
    if "all" in wanted:
        return f.FAULTS
    if "demo" in wanted:
        return f.DEMO
    for name in wanted:
        if name not in known and name != "none":
            raise UnknownName("fault", name, [*known, "all", "demo", "none"])
    return tuple(known[name] for name in dict.fromkeys(wanted) if name != "none")


def scenario(sessions: int, days: float, seed: int, end: date, faults: Sequence[str], random_faults: int) -> Scenario:
    """A checked scenario; what cannot be is said in one line."""
    if not 1 <= sessions <= MOST_SESSIONS:
        raise Mistake(f"--sessions must be between 1 and {MOST_SESSIONS:,}, not {sessions:,}")
    if not 0 < days <= MOST_DAYS:
        raise Mistake(f"--days must be above 0 and at most {MOST_DAYS:g}, not {days:g}")
    if not 0 <= seed < 2**63:
        raise Mistake(f"--seed must be between 0 and 2^63 - 1, not {seed}")
    if not 0 <= random_faults <= 200:  # noqa: PLR2004 - distinct slices run out beyond
        raise Mistake(f"--random-faults must be between 0 and 200, not {random_faults}")
    if not date(1990, 1, 1) <= end <= date(2200, 1, 1):
        raise Mistake(f"--end must be between 1990 and 2200, not {end}")
    run = over_days(sessions, days, seed, end, chosen(faults) if not random_faults or tuple(faults) != ("all",) else ())
    return over_days(sessions, days, seed, end, run.faults + drawn.drawn(run, random_faults))


def csv(
    out: Path = Path("output"),
    *,
    sessions: int = 100_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Summary:
    """Writes `streaming_telemetry.csv`, a row a session, and the answer key beside it; whole or not at all."""
    run = scenario(sessions, days, seed, end, faults, random_faults)
    folder = files.folder(out)
    with (
        files.tidy_when_ended(),
        files.whole(folder / KEY_NAME) as key,
        files.whole(folder / KEY_TABLE_NAME) as table,
        files.whole(folder / CSV_NAME) as file,
    ):
        file.write(rows.HEADER)
        summary = _summed(
            run,
            pool.parts(run, partial(chunks.csv_part, run), workers, progress),
            lambda _, part: file.write(part.data),
        )
        _write_key(summary.key, key, table)
    summary.paths = [folder / CSV_NAME, folder / KEY_NAME, folder / KEY_TABLE_NAME]
    return summary


def events(
    out: Path = Path("output"),
    *,
    format: Literal["ndjson", "parquet"] = "ndjson",
    sessions: int = 10_000,
    days: float = 30.0,
    seed: int = 42,
    end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",),
    random_faults: int = 0,
    device_clocks: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Summary:
    """Writes the sessions' events: `events.ndjson`, a beacon a line, or the folder `events.parquet`, as in the lake."""
    if format not in ("ndjson", "parquet"):
        raise UnknownName("format", format, ["ndjson", "parquet"])
    run = scenario(sessions, days, seed, end, faults, random_faults)
    folder = files.folder(out)
    with (
        files.tidy_when_ended(),
        files.whole(folder / KEY_NAME) as key,
        files.whole(folder / KEY_TABLE_NAME) as table,
    ):
        if format == "ndjson":
            path = folder / "events.ndjson"
            with files.whole(path) as file, files.scratch(path) as place:
                job = partial(_part, chunks.ndjson_part, run, device_clocks, str(place))
                parts = pool.parts(run, job, workers, progress)
                summary = _summed(run, parts, lambda n, _: files.moved_into(file, place / f"part-{n:05d}"))
        else:
            path = folder / "events.parquet"
            with files.whole_folder(path) as place:
                job = partial(_part, chunks.parquet_part, run, device_clocks, str(place))
                summary = _summed(run, pool.parts(run, job, workers, progress), lambda _, __: None)
        _write_key(summary.key, key, table)
    summary.paths = [path, folder / KEY_NAME, folder / KEY_TABLE_NAME]
    return summary


def _part(
    make: Callable[[Scenario, int, bool, str], Part], run: Scenario, clocks: bool, place: str, chunk: int
) -> Part:
    suffix = ".parquet" if make is chunks.parquet_part else ""
    return make(run, chunk, clocks, f"{place}/part-{chunk:05d}{suffix}")


def _summed(run: Scenario, parts: Iterable[Part], keep: Callable[[int, Part], object]) -> Summary:
    """The parts together, each kept as it comes."""
    total: Tally | None = None
    effects: dict[str, Effect] = {}
    sample: list[dict[str, Any]] = []
    count = 0
    for number, part in enumerate(parts):
        keep(number, part)
        total = part.tally if total is None else total + part.tally
        count += part.events
        sample += part.sample
        for name, effect in part.effects.items():
            effects[name] = effects[name] + effect if name in effects else effect
    if total is None:
        raise Mistake("nothing to simulate")
    return Summary([], run, total, answers.answer_key(run, effects), sample, count)


def _write_key(answer: dict[str, Any], key: IO[bytes], table: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    key.write(json.dumps(answer, indent=1).encode() + b"\n")
    lines = [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in answers.table(answer)
    ]
    arrow_csv.write_csv(pa.Table.from_pylist(lines), table)
    for file in (key, table):
        file.flush()  # a full disk is told before any of the files takes its name


@dataclass
class Live:
    """A finished live run."""

    run: Scenario
    sent: Sent
    key: dict[str, Any]
    paths: list[Path]


def live(
    url: str,
    key: str,
    *,
    rate: float = 500.0,
    duration: float = 90.0,
    speed: float = 10.0,
    seed: int = 42,
    faults: Sequence[str] = ("demo",),
    random_faults: int = 0,
    out: Path = Path("output"),
    book: Path | None = None,
    property: str = "demo",
    connections: int = 32,
    patience: float = 30.0,
    progress: bool = True,
    told: Callable[[Sent], None] | None = None,
    stop: threading.Event | None = None,
    device_clocks: bool = True,
) -> Live:
    """Sends live traffic to POST {url}/v1/beacons: about `rate` events a second for `duration` seconds.

    The simulated clock runs `speed` times as fast and ends at the wall's now. Some devices' clocks are wrong, unless
    `device_clocks` is false: sped up, events of a clock that is ahead come before their time. Beacons are sent again on
    429, 503 and lost connections. The answer key goes to `out`, and each beacon with its answer into `book` (Parquet).
    """
    for name, value, most in (("rate", rate, 1e6), ("duration", duration, 7 * 86_400), ("speed", speed, 1000.0)):
        if not 0 < value <= most:
            raise Mistake(f"--{name} must be above 0 and at most {most:g}, not {value:g}")
    to = connection.door(url, key)
    length = round(duration * speed * 1000)
    start_s = time.time() + START_IN_S
    begin = round((start_s + duration) * 1000) - length
    run = Scenario(1, begin, length, seed, chosen(faults) if not random_faults or tuple(faults) != ("demo",) else ())
    run = replace(run, sessions=feed.sessions_for(run, rate * duration))
    run = replace(run, faults=run.faults + drawn.drawn(run, random_faults))
    start_s = max(start_s, time.time())
    folder = files.folder(out)
    with files.half_book(book) as half:
        pages = traffic.Book(half, property)
        with _live_bar(duration, progress) as shown:
            try:
                end = stop or threading.Event()
                result = asyncio.run(
                    traffic.sent(
                        run, to, speed, start_s, pages, connections, patience, told or shown, end, device_clocks
                    )
                )
            finally:
                pages.close()
    answer = answers.answer_key(run, result.effects)
    with files.whole(folder / KEY_NAME) as file, files.whole(folder / KEY_TABLE_NAME) as table:
        _write_key(answer, file, table)
    paths = [folder / KEY_NAME, folder / KEY_TABLE_NAME, *([book] if book else [])]
    return Live(run, result, answer, paths)


@contextmanager
def _live_bar(duration: float, shown: bool) -> Iterator[Callable[[Sent], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("sending"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("", total=duration)

        def told(sent: Sent) -> None:
            words = f"{sent.events:,} events, {sent.acknowledged:,} acknowledged, {sent.retries:,} sent again"
            bar.update(task, completed=min(sent.seconds, duration), description=words)

        yield told


def report(
    out: Path = Path("output"), *, sessions: int = 20_000, days: float = 30.0, seed: int = 42, end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",), random_faults: int = 0,
) -> Path:  # fmt: skip
    """Writes `report.html`: the data set on one page that needs nothing else. Shows at most one chunk of sessions."""
    if sessions > CHUNK:
        raise Mistake(f"the report shows at most {CHUNK:,} sessions, not {sessions:,}; use --sessions {CHUNK}")
    try:
        from qoescope.emit import report as pages
    except ImportError as error:
        raise Mistake(f"the report needs plotly ({error}); run `make setup`") from error
    run = scenario(sessions, days, seed, end, faults, random_faults)
    s, m, effects = counterfactual.with_and_without(run, chunks.load_of(run), run.numbers(0))
    path = files.folder(out) / "report.html"
    with files.whole(path) as file:
        file.write(pages.page(run, s, m, answers.answer_key(run, effects)).encode())
    return path


def to_lake(
    settings: Settings, *, sessions: int = 1_000_000, days: float = 30.0, seed: int = 42, end: date = DEFAULT_END,
    faults: Sequence[str] = ("all",), random_faults: int = 0,
) -> Scenario:  # fmt: skip
    """Adds the sessions' events to the lake as a Spark job; each chunk of sessions is a task. Again changes nothing.

    The rows are those of `events`: a chunk is a function of the seed and its number. Every event is written once, as
    the streams would have left it; a day comes to the marts once it is restated.
    """
    from pyspark.sql import functions as F

    from qoescope.catalog.tables import EVENTS
    from qoescope.compile.records import spark_bucket
    from qoescope.compile.spark import schema
    from qoescope.connect import spark
    from qoescope.connect.lake.schema import ensure_tables
    from qoescope.connect.lake.tables import table_uri

    run = scenario(sessions, days, seed, end, faults, random_faults)
    ensure_tables(settings, (EVENTS,))
    written_before = {"txnAppId": f"generate-{hashlib.sha256(repr(run).encode()).hexdigest()[:16]}", "txnVersion": "1"}
    job = spark.session(settings, "qoescope generate")
    try:
        told = job.range(0, run.chunks, 1, numPartitions=run.chunks).mapInArrow(partial(_told_by, run), schema(EVENTS))
        bucket = F.expr(spark_bucket("session_id", settings.lake_buckets)).cast("bigint")
        out = told.withColumn("bucket", bucket).write.format("delta").mode("append").options(**written_before)
        out.partitionBy(*EVENTS.partition).save(table_uri(settings, EVENTS))
    finally:
        job.stop()
    return run


def _told_by(run: Scenario, numbers: Iterable["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
    for batch in numbers:
        for chunk in batch.column("id").to_pylist():
            for table in chunks.event_tables(run, chunk):
                yield from table.to_batches()


def show(summary: Summary, console: Console | None = None) -> None:
    """Prints what was made: a sample, the distributions, what was injected, and where it lies."""
    from qoescope.emit import summary as words

    console = console or Console()
    words.shown(console, summary.run, summary.tally, summary.key, summary.sample)
    for path in summary.paths:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
