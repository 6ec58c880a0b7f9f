"""Signals: Ctrl-C and SIGTERM end a stack in order, once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """SIGTERM and Ctrl-C raise `KeyboardInterrupt` in the block, once; the event tells other threads."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        if not told.is_set():
            told.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        told.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def told() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set: for services that finish what they do before they end."""
    event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: event.set())
    return event
