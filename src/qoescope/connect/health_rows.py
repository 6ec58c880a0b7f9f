"""Health in Postgres: what each part last told, for readers that share no disk with it."""

import json
import logging
from threading import Event
from typing import LiteralString

import psycopg

from qoescope.connect import health, postgres
from qoescope.connect.causes import explain
from qoescope.connect.health import Board, PartHealth
from qoescope.connect.postgres import Connection
from qoescope.settings import Settings

log = logging.getLogger("qoescope.health")
EVERY_S = 5.0
TELL: LiteralString = """
insert into part_health (part, written_at, report) values (%s, now(), %s)
on conflict (part) do update set written_at = excluded.written_at, report = excluded.report
"""
READ: LiteralString = "select report, extract(epoch from now() - written_at)::float8 from part_health"


def publish(settings: Settings, board: Board, stopping: Event) -> None:
    """Tells the board's health every few seconds until told to stop; while Postgres is away the file tells it alone."""
    while not stopping.wait(EVERY_S):
        try:
            with postgres.connect(settings, "writer") as connection:
                while not stopping.wait(EVERY_S):
                    tell(connection, board.now())
        except psycopg.Error as error:
            log.info("health is not in Postgres: %s", explain(error))


def tell(connection: Connection, part: PartHealth) -> None:
    """Puts it into the part's row."""
    connection.execute(TELL, (part.part, health.dump(part)))


def read(settings: Settings, connection: Connection, now: float) -> list[PartHealth]:
    """What every part last told: in its row, or in its file where that is here and newer.

    A row's age is told by Postgres' clock, so that clocks of different machines need not agree.
    """
    found = {part.part: part for part in health.read(settings)}
    for report, age in connection.execute(READ).fetchall():
        part = health.load(json.dumps(report))
        told = health.moved(part, now - max(0.0, age) - part.written_at)
        if part.part not in found or found[part.part].written_at < told.written_at - 2 * EVERY_S:
            found[part.part] = told
    return sorted(found.values(), key=lambda part: part.part)
