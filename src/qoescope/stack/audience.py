"""Viewers who keep watching after the demo, in real time and without faults, so that numbers keep coming."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qoescope.settings import Settings
from qoescope.stack.children import Children

if TYPE_CHECKING:
    from concurrent.futures import Future

    from qoescope.emit.jobs.live import Live

SEED, STAY_S = 43, 86_400.0


def restart_stream(children: Children, silence_s: float, within_s: float) -> None:
    """Restarts the streams with the production silence after which a session closes, in seconds."""
    children["stream"].restart({"QOESCOPE_SESSION_GAP_S": f"{silence_s:.0f}"})
    children.wait(["stream"], within_s)


@contextmanager
def keep_watching(
    settings: Settings, key: str, property_id: str, rate: float, stopped: threading.Event, say: Callable[[str], None]
) -> Iterator[None]:
    """Sends about `rate` events a second until stopped; reports if the viewers stop earlier."""
    from qoescope.emit.jobs.live import send_live

    def gone(watched: "Future[Live]") -> None:
        if not stopped.is_set():
            say(f"the viewers left: {watched.exception() or 'they had their day'}")

    with ThreadPoolExecutor(1) as hand:
        hand.submit(
            send_live,
            f"http://127.0.0.1:{settings.door_port}",
            key,
            rate=rate,
            duration=STAY_S,
            speed=1,
            seed=SEED,
            faults=("none",),
            out=settings.var / "demo" / "audience",
            property=property_id,
            progress=False,
            stop=stopped,
            device_clocks=False,
        ).add_done_callback(gone)
        try:
            yield
        finally:
            stopped.set()
