"""The app: when a door says that it is ready."""

import asyncio
import threading
from pathlib import Path

from qoescope.ingest.app import App
from qoescope.settings import Settings


def test_a_door_is_not_ready_before_it_has_asked_for_keys(tmp_path: Path) -> None:
    asked, acknowledged = threading.Event(), threading.Event()

    def synchronise() -> None:
        asked.set()
        acknowledged.wait(10)

    async def looked() -> tuple[bool, bool]:
        app = App(Settings(brokers="127.0.0.1:9", var=tmp_path), tmp_path / "keys.json", (1, b"k" * 32))
        stop = asyncio.Event()
        keeping = asyncio.create_task(app.run_upkeep(stop, synchronise))
        await asyncio.to_thread(asked.wait, 10)
        before = app.are_keys_known
        acknowledged.set()
        stop.set()
        await keeping
        return before, app.are_keys_known

    assert asyncio.run(looked()) == (False, True)
