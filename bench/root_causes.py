"""Root causes: F1 of exact slices over families of windows with known causes, beside published methods in the same run.

`python bench/root_causes.py --seeds 20 --first 500 --set reported`. A name is right when it holds the same rows as a
cause. Settings were chosen on the set `tuned` with seeds below 500; `reported` has other families. Fault-free windows
of the same families are counted by whether anything is named.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "monitor"))

import localizers
import windows

from qoescope.monitor.search.explain import explain, explain_volume

SETS = {"tuned": windows.TUNED_ON, "reported": windows.REPORTED}


def ours(one: windows.Window) -> localizers.Slices:
    """What `qoescope explain` names."""
    if "real" in one.table.column_names:
        return [dict(cause.slice) for cause in explain_volume(one.table, one.dims, *windows.FORECAST)]
    return [dict(cause.slice) for cause in explain(one.table, one.dims, *windows.COUNTS)]


METHODS: Mapping[str, Callable[[windows.Window], localizers.Slices]] = {"qoescope": ours, **localizers.METHODS}


def scored(task: tuple[str, str, int, tuple[str, ...]]) -> list[dict[str, Any]]:
    """One window of one family by each method: right, wrong and missed names, and whether the calm one alarmed."""
    chosen, name, seed, methods = task
    family = SETS[chosen][name]
    broken, calm = windows.window(seed, family), windows.window(10_000_000 + seed, family, broken=False)
    rows = windows.Rows(broken)
    causes = {rows.held(c) for c in broken.causes}
    out = []
    for method in methods:
        began = time.process_time()
        slices = METHODS[method](broken)
        taken = time.process_time() - began
        named = {rows.held(s) for s in slices}
        counts = {"right": len(causes & named), "wrong": len(named - causes), "missed": len(causes - named)}
        alarm = bool(METHODS[method](calm))
        where = {"family": name, "method": method, "seed": seed, "causes": broken.causes, "named": slices}
        out.append({**where, **counts, "alarm": alarm, "cpu_s": taken})
    return out


def summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """F1, precision, recall and the part of calm windows with an alarm."""
    right, wrong, missed = (sum(row[key] for row in rows) for key in ("right", "wrong", "missed"))
    return {
        "f1": round(2 * right / max(2 * right + wrong + missed, 1), 3),
        "right": right, "wrong": wrong, "missed": missed,
        "fault_free_alarms": sum(row["alarm"] for row in rows), "windows": len(rows),
        "cpu_s_a_window": round(sum(row["cpu_s"] for row in rows) / max(len(rows), 1), 3),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Prints the figures by family and method as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--set", choices=SETS, default="reported")
    parser.add_argument("--families", default="", help="only these, separated by commas")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="each window that is not right, on standard error")
    given = parser.parse_args(arguments)
    names = given.families.split(",") if given.families else list(SETS[given.set])
    seeds = range(given.first, given.first + given.seeds)
    methods = tuple(given.methods.split(","))
    tasks = [(given.set, f, seed, methods) for f in names for seed in seeds]
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as workers:
        rows = [row for of_window in workers.map(scored, tasks) for row in of_window]
    for row in rows if given.verbose else ():
        if row["wrong"] or row["missed"] or row["alarm"]:
            print(json.dumps(row, default=str), file=sys.stderr)
    figures: dict[str, Any] = {}
    for family in names:
        for method in methods:
            of = [row for row in rows if (row["family"], row["method"]) == (family, method)]
            figures.setdefault(family, {})[method] = summed(of)
    print(json.dumps(figures, indent=1))
    return figures


if __name__ == "__main__":
    main()
