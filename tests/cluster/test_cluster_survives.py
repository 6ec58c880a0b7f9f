"""A cluster by settings alone: one machine of each kind is killed under load, and the books hold."""

import os
import signal

import machines
import pytest
from confluent_kafka.admin import AdminClient
from machines import Cluster
from until import until

from qoescope.catalog.topics import TOPICS

pytestmark = pytest.mark.cluster
RATE, SECONDS = 300, 30
BACK_S = 600


def killed(cluster: Cluster, name: str) -> None:
    """Kills the machine and all that runs on it, as one goes that loses power: without a word."""
    process = cluster.machines[name].process
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: cluster.machines[name].restarts == 1, BACK_S, f"{name} is gone")


def test_a_worker_and_a_broker_die_under_load_and_the_books_hold(cluster: Cluster) -> None:
    stack, where = cluster.stack, cluster.where
    until(lambda: machines.busy(where) == 2 * machines.CORES, BACK_S, "the streams run on both workers")
    topics = AdminClient({"bootstrap.servers": where.bootstrap}).list_topics(timeout=60).topics
    copies = {len(p.replicas) for topic in TOPICS for p in topics[topic.name].partitions.values()}
    assert copies == {len(where.brokers)}

    traffic = stack.traffic(rate=RATE, seconds=SECONDS)
    until(lambda: traffic.sent.acknowledged > 2000, BACK_S, "traffic flows")
    killed(cluster, "worker1")
    until(lambda: traffic.sent.acknowledged > 4000, BACK_S, "traffic flows without the worker")
    killed(cluster, "broker2")
    live = traffic.finished()
    assert live.sent.acknowledged == live.sent.events > 2 * RATE

    books = stack.settled()
    assert books.accepted == books.lake + books.set_aside
    assert stack.missing(traffic.book) == []
    ledger = stack.command("ledger", "--book", str(traffic.book))
    assert ledger.returncode == 0, ledger.stdout
    for name in ("worker1", "broker2"):
        until(lambda name=name: cluster.machines[name].state == "ready", BACK_S, f"{name} is back")  # type: ignore[misc]
    until(lambda: machines.busy(where) == 2 * machines.CORES, BACK_S, "the streams run on both workers again")
