"""Audience: viewers who stay when the demo is over, by the wall's clock, with nothing broken: numbers flow on."""

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


def awaited(children: Children, silence_s: float, within_s: float) -> None:
    """Starts the stream again as one that closes a session after this silence: no clock runs faster any more."""
    children["stream"].again({"QOESCOPE_SESSION_GAP_S": f"{silence_s:.0f}"})
    children.wait(["stream"], within_s)


@contextmanager
def watching(
    settings: Settings, key: str, property_id: str, rate: float, told: threading.Event, say: Callable[[str], None]
) -> Iterator[None]:
    """Sends about `rate` events a second until told to stop; says so if the viewers leave before."""
    from qoescope.emit.jobs.live import send_live

    def gone(watched: "Future[Live]") -> None:
        if not told.is_set():
            say(f"the viewers left: {watched.exception() or 'they had their day'}")

    with ThreadPoolExecutor(1) as hand:
        hand.submit(
            send_live, f"http://127.0.0.1:{settings.door_port}", key, rate=rate, duration=STAY_S, speed=1, seed=SEED,
            faults=("none",), out=settings.var / "demo" / "audience", property=property_id, progress=False, stop=told,
            device_clocks=False,
        ).add_done_callback(gone)  # fmt: skip
        try:
            yield
        finally:
            told.set()
