"""One real stack for all live tests: Postgres, Kafka, Airflow and our own parts, on a folder and ports of its own."""

from collections.abc import Iterator

import pytest
from whole_stack import Stack

from qoescope.settings import Settings
from qoescope.stack import assembly, demo

UP_S = 300.0


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the whole stack are marked so: `make test` runs them beside the others."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.whole_stack)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every part, up and ready."""
    folder = tmp_path_factory.mktemp("stack")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, budget_events=100_000, budget_bytes=1e9,
    )  # fmt: skip
    key = demo.door_key(settings)
    with assembly.running(settings) as (placed, children):
        children.wait([child.name for child in children], UP_S)
        yield Stack(placed, children, key, folder)
