"""A digest stands alone: every number beside the one before, what broke, and nothing loaded from elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from qoescope.compile.ask import Between
from qoescope.serve.digest import pages

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 11)
ONSET = datetime(2026, 1, 7, 20, 14, tzinfo=UTC)
INCIDENT = {
    "story": "31 % of plays on <web> fail to start", "severity": "critical", "onset_at": ONSET, "closed_at": None,
    "viewers": 4812, "lost_watch_hours": 1491.7,
}  # fmt: skip


@dataclass
class Numbers:
    """Answers that are known: the same metrics for each time, half of it before."""

    incident: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 1_000
    asked: list[Between] = field(default_factory=list)

    def ask(
        self, metrics: Sequence[str], between: Between, by: Sequence[str] = (), *, every: str | None = None
    ) -> "Numbers":
        self.asked.append(between)
        now = self.attempts if between[0].date() >= FIRST else self.attempts // 2
        row: dict[str, Any] = {name: now if name == "attempts" else 0.25 for name in metrics}
        self.rows = [row | {name: f"<{name}>" for name in by}]
        return self

    def incidents(self, between: Between) -> list[dict[str, Any]]:
        return self.incident


def test_each_number_stands_beside_the_one_before() -> None:
    answers = Numbers()
    page = pages.render(answers, "shop", FIRST, LAST)
    assert "shop: 05 Jan 2026 – 11 Jan 2026" in page
    assert "<td>Attempts</td><td>1,000</td><td>500</td>" in page
    assert "▲ 100%" in page
    assert {(a.date(), b.date()) for a, b in answers.asked} == {
        (FIRST, date(2026, 1, 12)), (date(2025, 12, 29), FIRST)
    }  # fmt: skip


def test_startup_never_stands_without_those_who_left() -> None:
    assert {"ebvs_ratio", "start_failure_ratio", "startup_unknown_ratio"} <= set(pages.METRICS)


def test_what_broke_is_told_and_quoted() -> None:
    page = pages.render(Numbers([INCIDENT]), "shop", FIRST, LAST)
    assert "31 % of plays on &lt;web&gt; fail to start" in page
    assert "4,812" in page
    assert "still open" in page
    assert "No incident in these days." in pages.render(Numbers(), "shop", FIRST, LAST)


def test_it_loads_nothing_and_holds_no_markup_of_others() -> None:
    page = pages.render(Numbers(), "<script>", FIRST, LAST)
    assert re.findall(r"(?:src|href|url|@import|http)[=:(]", page) == []
    assert "<script" not in page
    assert "&lt;device_type&gt;" in page


def test_days_without_viewers_say_so() -> None:
    assert "Nobody pressed play in these days." in pages.render(Numbers(attempts=0), "shop", FIRST, LAST)
