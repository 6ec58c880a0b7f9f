"""Signals: Ctrl-C, SIGTERM and a closed terminal end a stack in order, once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Each of them raises `KeyboardInterrupt` in the block, once; the event tells other threads."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        if not told.is_set():
            told.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, tell) for number in _listened()}
    try:
        yield told
    finally:
        told.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def told() -> threading.Event:
    """An event that each of them sets: for services that finish what they do before they end."""
    event = threading.Event()
    for number in _listened():
        signal.signal(number, lambda *_: event.set())
    return event


def _listened() -> list[signal.Signals]:
    """Those that nobody asked to ignore, as `nohup` does."""
    return [number for number in ENDS if signal.getsignal(number) != signal.SIG_IGN]
