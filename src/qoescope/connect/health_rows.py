"""Health in Postgres, for readers that share no disk with the process."""

import json
import logging
from threading import Event
from typing import LiteralString

import psycopg

from qoescope.connect import health, postgres
from qoescope.connect.causes import explain
from qoescope.connect.health import HealthBoard, PartHealth
from qoescope.connect.postgres import Connection
from qoescope.settings import Settings

log = logging.getLogger("qoescope.health")
EVERY_S = 5.0
SAVE: LiteralString = """
insert into part_health (part, written_at, report) values (%s, now(), %s)
on conflict (part) do update set written_at = excluded.written_at, report = excluded.report
"""
READ: LiteralString = "select report, extract(epoch from now() - written_at)::float8 from part_health"


def publish(settings: Settings, board: HealthBoard, stopping: Event) -> None:
    """Saves the board's health every few seconds until told to stop; blocks. Without Postgres only the file has it."""
    while not stopping.wait(EVERY_S):
        try:
            with postgres.connect(settings, "writer") as connection:
                while not stopping.wait(EVERY_S):
                    save(connection, board.snapshot())
        except psycopg.Error as error:
            log.info("health is not in Postgres: %s", explain(error))


def save(connection: Connection, part: PartHealth) -> None:
    """Writes the health into the part's row."""
    connection.execute(SAVE, (part.part, health.dump(part)))


def read(settings: Settings, connection: Connection, now: float) -> list[PartHealth]:
    """The latest health of every part: from its row, or from its file where that is local and newer.

    A row's age is measured by Postgres' clock, so that machines' clocks need not agree.
    """
    parts_by_name = {part.part: part for part in health.read(settings)}
    for report, age in connection.execute(READ).fetchall():
        part = health.load(json.dumps(report))
        shifted = health.shift_times(part, now - max(0.0, age) - part.written_at)
        if part.part not in parts_by_name or parts_by_name[part.part].written_at < shifted.written_at - 2 * EVERY_S:
            parts_by_name[part.part] = shifted
    return sorted(parts_by_name.values(), key=lambda part: part.part)
