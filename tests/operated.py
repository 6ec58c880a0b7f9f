"""A stack with an operator: what its parts say of their health, on which channel, and whether nothing was lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from receivers import Receiver
from until import until
from whole_stack import Stack, Traffic

from qoescope.connect import postgres
from qoescope.mart.jobs.ledger import check_books
from qoescope.mart.ledger_result import LedgerResult
from qoescope.stack import progress, system

BACK_S = 600


class Operated(Stack):
    """The stack, as its operator sees it."""

    channel: Receiver
    """The operators' channel."""

    def ready(self) -> int:
        """What the streams' own `/readyz` says."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.settings.stream_port}/readyz", trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def status(self) -> tuple[int, str]:
        """Exit code and words of `qoescope status`."""
        found = self.command("status")
        return found.returncode, found.stdout

    def heard(self, state: str, words: str) -> bool:
        """Whether the channel was told so of the system."""
        told = [json.loads(body) for _, body in self.channel.got]
        return any(
            one["property"] == system.PROPERTY and one["state"] == state and words in one["story"] for one in told
        )

    def holds(self, traffic: Traffic) -> None:
        """All was answered, and what was answered is in the lake, once; every book agrees."""
        sent = traffic.finished().sent
        assert sent.acknowledged == sent.events
        ends = progress.log_ends(self.settings)

        def behind() -> int:
            with postgres.connect(self.settings, "writer") as connection:
                return progress.lag(ends, progress.lake_offsets(connection))

        until(lambda: not behind(), BACK_S, "the lake reads the log to its end")
        until(lambda: self.missing(traffic.book) == [], BACK_S, "what was answered is in the lake, once")
        looks = list[LedgerResult]()

        def agree() -> bool:
            looks.append(check_books(self.settings))
            return looks[-1].ok

        try:
            until(agree, BACK_S, "the books agree", every_s=0.5)
        except AssertionError as error:
            raise AssertionError(f"the books disagree: {looks[-1].lines}") from error


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """The disk has no room left while the block runs."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 65536):
            pass
    try:
        yield
    finally:
        filler.unlink()
