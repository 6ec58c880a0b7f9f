"""Summary: what was made, as a person reads it: a sample, the distributions, and what was injected."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from qoescope.catalog.data_set import COLUMNS
from qoescope.emit import key as answers
from qoescope.emit.chunks import STARTUP_EDGES_MS, Tally
from qoescope.emit.counterfactual import SUMS
from qoescope.emit.rows import RESOLUTIONS
from qoescope.emit.scenario import Scenario, day_of
from qoescope.emit.slices import DIMENSIONS
from qoescope.emit.viewers import DEVICE_TYPES, NETWORK_TYPES

NAMES = {
    "device_type": list(DEVICE_TYPES),
    "network_type": list(NETWORK_TYPES),
    "country_code": DIMENSIONS["country_code"][1],
    "resolution": list(RESOLUTIONS),
}


@dataclass
class Summary:
    """What was made, for a person to read."""

    paths: list[Path]
    run: Scenario
    tally: Tally
    key: dict[str, Any]
    sample: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Prints what was made: a sample, the distributions, what was injected, and where the files are."""
    console = console or Console()
    _print_run(console, summary.run, summary.tally, summary.key, summary.sample)
    for path in summary.paths:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _print_run(
    console: Console, run: Scenario, tally: Tally, key: dict[str, Any], sample: list[dict[str, Any]]
) -> None:
    if sample:
        console.print("Sample (first 5 rows):")
        console.print(",".join(COLUMNS), soft_wrap=True, highlight=False)
        for row in sample:
            console.print(
                ",".join("" if value is None else str(value) for value in row.values()),
                soft_wrap=True,
                highlight=False,
                markup=False,
            )
    console.print(
        f"\n{tally.sessions:,} sessions from {day_of(run.begin_ms):%Y-%m-%d %H:%M} "
        f"to {day_of(run.end_ms):%Y-%m-%d %H:%M} UTC, seed {run.seed}"
    )
    for name, values in NAMES.items():
        counts = tally.by[name]
        shares = ", ".join(
            f"{value} {count / max(counts.sum(), 1):.1%}" for value, count in zip(values, counts, strict=True)
        )
        console.print(f"{name}: {shares}", highlight=False, soft_wrap=True)
    console.print(_quality(tally), highlight=False, soft_wrap=True)
    if console.is_terminal:
        console.print(injected(key))
    else:
        console.print("Injected:")
        for row in answers.table(key):
            console.print("  " + line(row), highlight=False, markup=False, soft_wrap=True)


def _quality(tally: Tally) -> str:
    total = dict(zip(SUMS, tally.sums.tolist(), strict=True))
    n = max(tally.sessions, 1)
    return (
        f"startup: median {quantile(tally, 0.5):,.0f} ms, 95 % {quantile(tally, 0.95):,.0f} ms; "
        f"with stalls {tally.stalled / n:.1%}; "
        f"start failures {total['start_failures'] / n:.2%}; exits before start {total['exits_before_start'] / n:.2%}; "
        f"watched {total['watched_ms'] / 3_600_000:,.0f} hours"
    )


def quantile(tally: Tally, q: float) -> float:
    """A quantile of startup, from its histogram."""
    below = np.concatenate([[0], np.cumsum(tally.startup)])
    return float(np.interp(q * below[-1], below, STARTUP_EDGES_MS)) if below[-1] else 0.0


def line(row: dict[str, Any]) -> str:
    """A row of the key in one line of text."""
    name = row["name"] if row["kind"] == "fault" else f"{row['name']} ({row['kind']})"
    if not row["onset_at"]:
        return f"{name}: {row['slice'] or 'everywhere'}, always there, nothing to report"
    worth = ", ".join(
        f"{word} {row[at]:.4g}"
        for word, at in (("without", "kpi_without"), ("with", "kpi_with"))
        if isinstance(row[at], float)
    )
    when = f"{row['onset_at'][:16]} to {row['end_at'][:16]}"
    return f"{name}: {row['slice']}, {when}, {row['sessions']:,} sessions, {row['kpi']} {worth}"


def injected(key: dict[str, Any]) -> Table:
    """The answer key as a table."""
    table = Table(title="Injected", title_justify="left")
    for name in ("fault", "slice", "from", "to", "sessions", "viewers", "shows in", "without", "with"):
        table.add_column(
            name, overflow="fold", justify="right" if name in ("sessions", "viewers", "without", "with") else "left"
        )
    for row in answers.table(key):
        kind = "" if row["kind"] == "fault" else f" ({row['kind']})"
        table.add_row(
            f"{row['name']}{kind}",
            row["slice"],
            *(str(row[name])[:16].replace("T", " ") for name in ("onset_at", "end_at")),
            *(f"{row[name]:,}" if row[name] != "" else "" for name in ("sessions", "viewers")),
            str(row["kpi"]),
            *(f"{row[name]:.4g}" if isinstance(row[name], float) else "" for name in ("kpi_without", "kpi_with")),
        )
    return table
