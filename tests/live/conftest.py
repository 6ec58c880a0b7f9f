"""What live tests share: a whole stack of real parts; doors on a broker of their own; a month of marts; a browser."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import browsing
import console_marts
import httpx
import little
import pytest
from console_marts import Console, Marts
from doors import NUMBERS, Door, started_broker
from playwright.sync_api import Browser, BrowserContext, Page
from whole_stack import Stack

from qoescope.connect import kafka
from qoescope.settings import Settings
from qoescope.stack import assembly, demo, processes

UP_S = 900.0


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the whole stack, or the month of marts, are marked so: `make test` runs them by themselves."""
    for item in items:
        for fixture, mark in (("stack", pytest.mark.whole_stack), ("marts", pytest.mark.month)):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every part, up and ready."""
    folder = tmp_path_factory.mktemp("stack")
    settings = Settings(
        var=folder / "var", postgres_port=0, broker_port=0, airflow_port=0, door_port=0, console_port=0,
        session_gap_s=5, budget_events=100_000, budget_bytes=1e9,
    )  # fmt: skip
    key = demo.door_key(settings)
    with assembly.run_parts(settings) as (placed, children):
        children.wait([child.name for child in children], UP_S)
        yield Stack(placed, children, key, folder)


@pytest.fixture(scope="session")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marts]:
    """A month of viewers for consoles to show; two gigabytes, so not kept for longer than the tests run."""
    folder = tmp_path_factory.mktemp("marts")
    yield console_marts.made(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def small() -> Iterator[Console]:
    """A console on a day of few viewers, behind a proxy that is us, impatient with slow bodies."""
    with little.console("console", console_body_timeout_s=2.0, console_proxy="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="module")
def served(marts: Marts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console on marts of the module's own."""
    with console_marts.console(marts, tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Console) -> Iterator[httpx.Client]:
    """Who asks its API with a token."""
    headers = {"Authorization": f"Bearer {served.marts.token}"}
    with httpx.Client(base_url=served.url + "/api/v1", headers=headers, timeout=120) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; not for longer than a module, since while it runs no other event loop may."""
    with browsing.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def ada(browser: Browser, served: Console) -> Iterator[BrowserContext]:
    """An admin's browser at 1280 pixels, light."""
    context = browsing.signed_in(browser, served)
    yield context
    context.close()


@pytest.fixture
def page(ada: BrowserContext) -> Iterator[Page]:
    """A page of hers, in which nothing may go wrong."""
    with browsing.watched(ada) as opened:
        yield opened


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker of this module's own."""
    with processes.reserve_ports(0) as (port,):
        settings = Settings(var=tmp_path_factory.mktemp("log"), broker_port=port, brokers=f"127.0.0.1:{port}")
        process = started_broker(settings)
        kafka.ensure_topics(settings)
        yield settings
        process.end(within_s=UP_S)


@pytest.fixture
def opened(log: Settings, tmp_path: Path) -> Iterator[Callable[..., Door]]:
    """Opens doors on the module's broker, each with its own folder, port and limits; closes them all."""
    doors: list[Door] = []

    with ExitStack() as ports:

        def door(**more: Any) -> Door:
            (port,) = ports.enter_context(processes.reserve_ports(0))
            settings = Settings(**{"var": tmp_path, "brokers": log.brokers, "door_port": port, **more})
            doors.append(Door(settings, f"shop-{port}"))
            return doors[-1]

        yield door
        for one in doors:
            one.stop()


@pytest.fixture(scope="module")
def shared(log: Settings) -> Iterator[Door]:
    """A door that many tests share."""
    with processes.reserve_ports(0) as (port,):
        one = Door(Settings(var=log.var, brokers=log.brokers, door_port=port), "first").ready()
        yield one
        one.stop()


@pytest.fixture
def hasty(opened: Callable[..., Door]) -> Door:
    """A door with short times."""
    return opened(header_timeout_s=1, body_timeout_s=2).ready()


@pytest.fixture
def door(shared: Door) -> Iterator[Door]:
    """The shared door by a key of the test's own property."""
    one = Door(shared.settings, f"shop-{next(NUMBERS)}", shared.process)
    yield one
    one.http.close()
