"""A cluster: run by `pytest -m cluster` only, since it takes minutes and gigabytes."""

from collections.abc import Iterator
from pathlib import Path

import machines
import pytest
from machines import Cluster
from whole_stack import Stack

from qoescope.settings import Settings
from qoescope.stack import assembly, demo
from qoescope.stack.children import Children

UP_S = 900.0
OURS = ("postgres", "collect", "stream")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves these tests alone unless they are asked for by their mark."""
    return None if "cluster" in config.option.markexpr else True


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three brokers, a Spark master with two workers, and on them what `qoescope up` starts, by settings alone."""
    with machines.ports() as where:
        settings = Settings(
            var=tmp_path / "var", postgres_port=0, door_port=0, console_port=0, airflow_port=0, session_gap_s=5,
            budget_events=100_000, budget_bytes=1e9, brokers=where.bootstrap, spark_master=where.spark,
            spark_memory="1g", spark_options={"spark.executor.memory": "1g"},
        )  # fmt: skip
        machine = Children(tmp_path / "machines", machines.parts(settings, where))
        key = demo.door_key(settings)
        try:
            machine.start()
            machine.wait([child.name for child in machine], UP_S)
            with assembly.run_parts(settings, OURS) as (placed, children):
                children.wait(OURS, UP_S)
                yield Cluster(Stack(placed, children, key, tmp_path), machine, where)
        finally:
            machine.stop()
