"""The collector's answer to a beacon."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from qoescope.client.retrying import ACKNOWLEDGED
from qoescope.compile.wire import Answer, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a beacon."""

    status: int
    """200 when each event has its outcome; another status when all were refused; 0 when nobody answered."""
    answer: Answer | None
    """Counts by outcome, and a verdict on each event that was not accepted; None unless `status` is 200."""
    error: str
    """Why all of it was refused or not answered; empty when `status` is 200."""
    attempts: int

    @property
    def verdicts(self) -> Sequence[Verdict]:
        """Verdicts on events that were not accepted: index in the beacon, outcome, reason, `seq`."""
        return self.answer.results if self.answer else ()


def read_receipt(status: int, body: bytes, attempts: int) -> Receipt:
    """The receipt of an answer; `error` says so when the answer is not a collector's."""
    try:
        if status == ACKNOWLEDGED:
            return Receipt(status, msgspec.json.decode(body, type=Answer), "", attempts)
        return Receipt(status, None, msgspec.json.decode(body, type=Refusal).error, attempts)
    except msgspec.DecodeError:
        return Receipt(status, None, f"answer {status}, which is not the collector's", attempts)
