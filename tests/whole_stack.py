"""A whole stack as live tests use it: traffic with a book, the books of the door and the lake, commands beside it."""

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from until import until

from qoescope.catalog.operations import LATE, QUARANTINE
from qoescope.catalog.tables import EVENTS
from qoescope.connect import postgres
from qoescope.connect.lake.reading import read_table
from qoescope.emit.jobs.live import Live, send_live
from qoescope.emit.traffic import Sent
from qoescope.settings import Settings, environment
from qoescope.stack import demo, progress
from qoescope.stack.children import Children

SPEED = 12.0
"""Viewers live so much faster; a session of theirs is silent for 5 s instead of a minute before it closes."""
SETTLED_S = 600.0


@dataclass
class Traffic:
    """Live traffic under way, and its book when it is done."""

    book: Path
    sent: Sent = field(default_factory=Sent)
    done: Live | None = None
    thread: threading.Thread | None = None

    def told(self, sent: Sent) -> None:
        """How far it is."""
        self.sent = sent

    def finished(self) -> Live:
        """The run, once all of it is sent and answered."""
        return until(lambda: self.done, SETTLED_S, "the traffic ends")


@dataclass
class Stack:
    """The running stack as tests use it."""

    settings: Settings
    children: Children
    key: str
    folder: Path
    runs: int = 0

    @property
    def door(self) -> str:
        """Where beacons go."""
        return f"http://127.0.0.1:{self.settings.door_port}"

    @property
    def console(self) -> str:
        """Where people and programs ask."""
        return f"http://127.0.0.1:{self.settings.console_port}"

    def traffic(self, rate: float = 400, seconds: float = 15) -> Traffic:
        """Starts traffic of other viewers than before; it sends again what was not answered."""
        self.runs += 1
        going = Traffic(self.folder / f"traffic{self.runs}" / "book.parquet")

        def send() -> None:
            going.done = send_live(
                self.door, self.key, rate=rate, duration=seconds, speed=SPEED, seed=1000 + self.runs, faults=("none",),
                out=going.book.parent, book=going.book, property=demo.PROPERTY, patience=SETTLED_S, progress=False,
                told=going.told,
            )  # fmt: skip

        going.thread = threading.Thread(target=send, daemon=True)
        going.thread.start()
        return going

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of Postgres, of every property."""
        with postgres.connect(self.settings, "writer") as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def books(self) -> progress.EventTotals:
        """The demo's property in the books."""
        with postgres.connect(self.settings, "writer") as connection:
            return progress.event_totals(connection, demo.PROPERTY)

    def settled(self) -> progress.EventTotals:
        """The books once the log is read to its present end, live numbers hold it and every session has closed."""
        ends, received = progress.log_ends(self.settings), datetime.now(UTC)

        def read() -> bool:
            with postgres.connect(self.settings, "writer") as connection:
                return not progress.lag(ends, progress.lake_offsets(connection))

        def live() -> bool:
            with postgres.connect(self.settings, "writer") as connection:
                return (progress.live_until(connection) or received) > received

        until(read, SETTLED_S, "the lake reads the log to its end", every_s=1)
        until(live, SETTLED_S, "live numbers hold all of it", every_s=1)
        until(lambda: self.books().is_complete, SETTLED_S, "every session closes", every_s=1)
        return self.books()

    def missing(self, book: Path) -> list[tuple[Any, ...]]:
        """Acknowledged events of the book that the lake neither took nor kept aside, and identities taken twice."""
        events, *aside = (
            read_table(self.settings, table, columns=["session_id", "seq"]) for table in (EVENTS, LATE, QUARANTINE)
        )
        with duckdb.connect() as engine:
            engine.register("events", events)
            engine.register("aside", pa.concat_tables(aside))
            return engine.execute(
                f"""
            with there as (select session_id, seq, count(*) as times from events group by all),
            sent as (select session_id, unnest(range(first_seq, last_seq + 1)) as seq from '{book}' where acknowledged)
            select session_id, seq, coalesce(times, 0) as times from sent left join there using (session_id, seq)
            where times > 1 or (times is null and (session_id, seq) not in (from aside)) limit 10"""
            ).fetchall()

    def command(self, *arguments: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        """One of `qoescope`'s own commands, as a person would run it beside the stack; killed at a crash point."""
        return subprocess.run(
            [sys.executable, "-m", "qoescope.cli.app", *arguments], capture_output=True, text=True, check=False,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": environment({}).get("PYTHONPATH", ""),
                 "QOESCOPE_VAR": str(self.settings.var), "QOESCOPE_CRASH_AT": crash_at}, timeout=SETTLED_S,
        )  # fmt: skip
