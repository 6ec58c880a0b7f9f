"""Ctrl-C, SIGTERM and a closed terminal stop a stack in order, once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raise_on_stop() -> Iterator[threading.Event]:
    """Each of them raises `KeyboardInterrupt` in the block, once; the yielded event tells other threads."""
    stopped = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not stopped.is_set():
            stopped.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, on_signal) for number in _handled_signals()}
    try:
        yield stopped
    finally:
        stopped.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_event() -> threading.Event:
    """An event that each of them sets, for services that finish their work before they end."""
    event = threading.Event()
    for number in _handled_signals():
        signal.signal(number, lambda *_: event.set())
    return event


def _handled_signals() -> list[signal.Signals]:
    """Those that are not ignored, as `nohup` makes them."""
    return [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
