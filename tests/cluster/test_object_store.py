"""The lake in an object store, by two settings: streams, a restatement and the ledger go through it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from until import until
from whole_stack import Stack

from qoescope.mart.jobs.ledger import check_books
from qoescope.mart.jobs.restate import restate_day
from qoescope.settings import Settings
from qoescope.stack import assembly, demo, processes

pytestmark = pytest.mark.cluster
BUCKET, PARTS, UP_S = "lake", ("postgres", "kafka", "collect", "stream"), 900.0


@pytest.fixture
def options() -> Iterator[dict[str, str]]:
    """What an S3-compatible store on loopback wants to know; it holds an empty bucket.

    It is a process of its own: a client in this one that waits for it with Python's lock would wait for itself.
    """
    with processes.reserve_ports(0) as (port,):
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
        try:
            until(lambda: _answers(port), UP_S, "the object store is up")
            said = {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            }  # fmt: skip
            bucket(said).create()
            yield said
        finally:
            server.terminate()
            server.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def bucket(options: dict[str, str]) -> "boto3.resources.base.ServiceResource":  # type: ignore[name-defined]
    return boto3.resource(
        "s3", endpoint_url=options["AWS_ENDPOINT_URL"], region_name=options["AWS_REGION"],
        aws_access_key_id=options["AWS_ACCESS_KEY_ID"], aws_secret_access_key=options["AWS_SECRET_ACCESS_KEY"],
    ).Bucket(BUCKET)  # fmt: skip


def test_streams_restatement_and_ledger_work_on_a_lake_in_an_object_store(
    options: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings(
        var=tmp_path / "var", postgres_port=0, broker_port=0, door_port=0, console_port=0, airflow_port=0,
        session_gap_s=5, lake=f"s3://{BUCKET}/qoescope", lake_options=options,
    )  # fmt: skip
    key = demo.door_key(settings)
    with assembly.run_parts(settings, PARTS) as (placed, children):
        children.wait(PARTS, UP_S)
        stack = Stack(placed, children, key, tmp_path)
        traffic = stack.traffic(rate=60, seconds=8)
        live = traffic.finished()
        assert live.sent.acknowledged == live.sent.events
        books = stack.settled()
        assert books.lake == books.accepted > 0
        assert stack.missing(traffic.book) == []
        first, again = (restate_day(placed, datetime.now(UTC).date()) for _ in range(2))
        assert first.sessions
        assert (again.changed, again.checksum) == (0, first.checksum)
        ledger = check_books(placed, None, traffic.book)
        assert ledger.holds, list(ledger.lines)
    assert sum(1 for thing in bucket(options).objects.all() if thing.key.endswith(".parquet"))
    assert not (placed.var / "lake").exists()
