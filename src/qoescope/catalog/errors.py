"""Errors: what a user can get wrong, said in one line with what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches


class Mistake(Exception):
    """A user's mistake; its text is shown as it is, without a traceback."""


class UnknownName(Mistake):
    """A name that the catalog does not hold, with the nearest one that it does."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        self.kind, self.name, self.suggestion = kind, name, close[0] if close else None
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names[:40]) or 'none yet'}"
        super().__init__(f"unknown {kind} '{name}': {hint}")


OUTCOMES = {
    "accepted": "acknowledged by Kafka",
    "duplicate": "this identity was here before: the sender may stop sending it",
    "invalid": "cannot be understood, or beyond a limit: kept in the dead letters",
    "rate_limited": "over the key's budget",
    "filtered": "switched off, an erased viewer, or a session beyond its cap",
}
"""What became of a received event at the door; `received` is their sum."""

LAKE_OUTCOMES = {
    "lake": "an event in the lake",
    "reports": "a report of a player (CMCD) in the lake: the events that it tells of come anew",
    "late": "older than what is still restated: kept aside and counted",
    "quarantined": "accepted, then not storable: the same identity with another body, or an unknown version",
}
"""What became of an accepted event in the lake; `accepted` is their sum."""
