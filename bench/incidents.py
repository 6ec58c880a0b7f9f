"""Incidents: how well faults are found: fresh seeds, random faults, decoys, the named faults, live delay, peers, speed.

Long because it holds every measure of the monitor that is published, in one run.

`python bench/incidents.py --seeds 50` (or `qoescope bench incidents`). Simulates, runs the monitor's real path, scores.
A slice counts as exact when it holds the same sessions as the fault's (99 % of the union); partial, when one is part
of the other. Faults that make fewer than 30 sessions bad in a looked-at hour are not asked for.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent / "monitor"))

import demo_hours
import peers
import planted
import worlds

from qoescope.catalog.faults import FAULTS, Cause, Fault
from qoescope.catalog.marts import LEAF_DIMENSIONS, LEAF_MEASURES
from qoescope.catalog.watch import BY_METRIC
from qoescope.emit.scenario import Scenario, hold
from qoescope.monitor.detect.named_slices import values_of
from qoescope.monitor.incidents.lifecycle import Incident
from qoescope.monitor.incidents.live import LiveWatch
from qoescope.monitor.incidents.restated import RestatedWatch, counted, history_of
from qoescope.monitor.search.explain import explain

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
LEAST_BAD = 30
SURELY = 100
SAME = 0.99


@dataclass
class Score:
    """Counts over all seeds; they add up."""

    exact: int = 0
    partial: int = 0
    false: int = 0
    missed: int = 0
    in_part: int = 0
    """Missed ones of which an incident names a part, or what they are a part of."""
    delays_h: list[float] = field(default_factory=list)
    """Hours from the beginning of the first hour that asks for a fault to the end of the one that names it."""
    missed_large: list[str] = field(default_factory=list)
    windows: int = 0
    first: int = 0
    first_large: int = 0
    quiet_windows: int = 0
    quiet_alarms: int = 0
    decoys_named: int = 0

    def __add__(self, other: "Score") -> "Score":
        """Both together."""
        return Score(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Score)})

    def told(self) -> dict[str, Any]:
        """As figures."""
        found = self.exact + self.partial + self.false
        precision = self.exact / found if found else 1.0
        recall = self.exact / (self.exact + self.missed) if self.exact + self.missed else 1.0
        half = (self.exact + self.partial / 2) / found if found else 1.0
        half_recall = (self.exact + self.in_part / 2) / (self.exact + self.missed) if self.exact + self.missed else 1.0
        return {
            "f1": _f1(precision, recall), "precision": round(precision, 4), "recall": round(recall, 4),
            "f1_parts_count_half": _f1(half, half_recall),
            "median_delay_h": round(median(self.delays_h), 2) if self.delays_h else None,
            "top_1": round(self.first / self.windows, 4) if self.windows else None,
            "top_1_large": round(self.first_large / self.windows, 4) if self.windows else None,
            "exact": self.exact, "partial": self.partial, "false": self.false, "missed": self.missed,
            "missed_above_100": self.missed_large, "windows_with_faults": self.windows,
            "fault_free_windows": self.quiet_windows, "of_them_with_incident": self.quiet_alarms,
            "decoys_named": self.decoys_named,
        }  # fmt: skip


def _f1(precision: float, recall: float) -> float:
    return round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0


def rows_of(sessions: pa.Table, chosen: Mapping[str, Any]) -> np.ndarray:
    """Which sessions lie in the slice."""
    mask = np.ones(sessions.num_rows, dtype=bool)
    for name, value in chosen.items():
        column = np.asarray(sessions.column(name).to_numpy(zero_copy_only=False), dtype=object)
        mask &= np.isin(column.astype(str), [str(v) for v in values_of(value)])
    return mask


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Sessions of both over sessions of either."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def effect(now: pa.Table, then: pa.Table, kpi: str) -> tuple[int, float]:
    """Bad sessions that the fault adds, and by what factor the metric gets worse: the same seed without it tells.

    Where the metric is a size, bad is what is worse than nine of ten without the fault.
    """
    if kpi in _BAD:
        column, bad = _BAD[kpi]
        k, usual = (int(np.sum(t.column(column).to_numpy(zero_copy_only=False) == bad)) for t in (now, then))
        return k - usual, k / max(usual, 0.5)
    column = _SIZES.get(kpi, "stall_ms")
    a, b = (t.column(column).fill_null(0).to_numpy() for t in (now, then))
    if column != "stall_ms":
        a, b = a[a > 0], b[b > 0]
    if not a.size or not b.size:
        return 0, 1.0
    lower = kpi == "bitrate_avg_kbps"
    edge = np.quantile(b, 0.1 if lower else 0.9)
    more = np.sum(a < edge) - np.sum(b < edge) if lower else np.sum(a > edge) - np.sum(b > edge)
    lift = max(a.mean(), 1e-9) / max(b.mean(), 1e-9)
    return int(more), float(1 / lift if lower else lift)


_BAD = {
    "start_failure_ratio": ("start_outcome", "failed_technical"),
    "play_failure_ratio": ("error_class", "technical"),
    "ebvs_ratio": ("start_outcome", "exited"),
    "timeout_ratio": ("close_reason", "timed_out"),
}
_SIZES = {"startup_avg_ms": "startup_ms", "bitrate_avg_kbps": "bitrate_avg_kbps"}


@dataclass
class Asked:
    """A fault in a run: its slice's sessions, and how many bad ones it adds in each hour in which it is one to find.

    That is, in which the metric gets as much worse in the slice as `catalog/watch.py` says is an incident.
    """

    fault: Fault
    inside: np.ndarray
    by_hour: dict[int, int]

    @property
    def hours(self) -> list[int]:
        """Hours in which it makes enough sessions bad to be asked for."""
        return [h for h, count in self.by_hour.items() if count >= LEAST_BAD]

    @property
    def first(self) -> set[int]:
        """The hours in which it begins to show, and the first ones in which it is asked for."""
        return {*[h for h, count in self.by_hour.items() if count > 0][:3], *self.hours[:4]}


def asked(run: Scenario, sessions: pa.Table, calm: pa.Table, fault: Fault) -> Asked:
    """The fault with what it touched, hour by hour."""
    inside = rows_of(sessions, dict(fault.slice))
    hour = np.asarray(sessions.column("started_at").cast(pa.int64())) // HOUR_MS
    when = hold(run, fault)
    by_hour = {}
    least = BY_METRIC[fault.kpi].lift if fault.kpi in BY_METRIC else 0.0
    for h in range(when.onset_ms // HOUR_MS, -(-when.end_ms // HOUR_MS)):
        mine = inside & (hour == h)
        if mine.any():
            rows = pa.array(mine)
            more, lift = effect(sessions.filter(rows), calm.filter(rows), fault.kpi)
            by_hour[h] = more if lift >= least else 0
    return Asked(fault, inside, by_hour)


def scored_seed(seed: int, sessions: int = 100_000, days: float = 1.5) -> Score:
    """One run with three random faults, walked through hour by hour around them; the hours before are fault-free."""
    score = Score()
    run = worlds.troubled(seed, sessions, days)
    table, calm = worlds.sessions_of(run), worlds.sessions_of(worlds.calm(run))
    key = [asked(run, table, calm, fault) for fault in run.faults if fault.kind != "decoy"]
    walk = RestatedWatch.over(history_of(counted(table)))
    steps = walk.history.steps
    onset = min(hold(run, a.fault).onset_ms for a in key) // HOUR_MS
    quiet = [h for h in steps[10:] if h < onset][-2:]
    busy = sorted({h for a in key if a.hours for h in a.first if h in steps and h < steps[-1]})
    for h in quiet:
        walk.look(h)
        score.quiet_windows += 1
        score.quiet_alarms += any(one.open for one in walk.incidents)
    known = len(walk.incidents)
    for h in busy:
        found = walk.look(h)
        at_work = {a.fault.name: a.by_hour[h] for a in key if a.by_hour.get(h, 0) > 0}
        if max(at_work.values(), default=0) >= LEAST_BAD:
            named = {a.fault.name for a in key if found and same(table, a, found[0].slice)}
            score.windows += 1
            score.first += bool(named & set(at_work))
            score.first_large += any(at_work.get(name, 0) >= LEAST_BAD for name in named)
    judge(score, walk.incidents[known:], key, run, table, set(busy))
    return score


def same(table: pa.Table, one: Asked, chosen: Mapping[str, Any]) -> bool:
    """Whether the slice holds the fault's sessions."""
    return overlap(one.inside, rows_of(table, chosen)) >= SAME


def judge(
    score: Score, incidents: Sequence[Incident], key: Sequence[Asked], run: Scenario, table: pa.Table, looked: set[int]
) -> None:
    """Adds what the incidents of a run found, missed and made up. One of a fault too small to be asked for is neither.

    Progress and misses are told on standard error, so that they can be looked into.
    """
    due = [a for a in key if set(a.hours) & looked]
    decoys = [rows_of(table, dict(f.slice)) for f in run.faults if f.kind == "decoy"]
    met: dict[str, float] = {}
    in_part: set[str] = set()
    for one in incidents:
        if one.confirmed_at is None:
            continue
        rows = rows_of(table, one.slice)
        exact = [a for a in key if overlap(a.inside, rows) >= SAME]
        part = [a for a in key if _part(rows, a.inside) or _part(a.inside, rows)]
        says = f"  seed {run.seed}: {dict(one.slice)} ({', '.join(one.metrics)})"
        if exact:
            named_at = one.confirmed_at.timestamp() * 1000 / HOUR_MS
            met[exact[0].fault.name] = min(named_at, met.get(exact[0].fault.name, named_at))
        elif part and not any(a in due for a in part):
            print(f"{says} is a part of a small fault", file=sys.stderr)
        elif part:
            score.partial += 1
            in_part |= {a.fault.name for a in part}
            print(f"{says} for {dict(part[0].fault.slice)}", file=sys.stderr)
        else:
            score.false += 1
            score.decoys_named += any(overlap(decoy, rows) >= SAME for decoy in decoys)
            print(f"{says} is false, score {one.best.score:.1f}", file=sys.stderr)
    for a in due:
        if a.fault.name in met:
            score.exact += 1
            score.delays_h.append(met[a.fault.name] - min(set(a.hours) & looked))
            continue
        score.missed += 1
        score.in_part += a.fault.name in in_part
        most = max(count for h, count in a.by_hour.items() if h in looked)
        what = f"{dict(a.fault.slice)} {a.fault.kpi} {a.fault.shape}, at most {most} an hour"
        print(f"  seed {run.seed}: missed {what}", file=sys.stderr)
        if most >= SURELY:
            score.missed_large.append(f"seed {run.seed}: {a.fault.name}")


def _part(one: np.ndarray, whole: np.ndarray) -> bool:
    """Whether hardly any session of one is outside of the other."""
    return int((one & ~whole).sum()) <= 0.02 * int(one.sum())


HOUR_WORLDS = ((250_000, 3.0), (750_000, 3.0))
DAY_WORLD = (1_000_000, 10.0)
"""Sessions and days. A fault that hours show too little of is looked for by days, in a service of 100,000 a day."""


def named(fault: Fault, seed: int = 7) -> dict[str, Any]:
    """Whether a fault of the catalogue, alone, is found by its slice; for a decoy: whether all is silent.

    What holds from the first moment has no "before" to differ from: here it begins in the middle. Looked at are the
    first hours in which it shows, one after the other. A slice with too few viewers to be asked for gets three times as
    many; where hours are too short yet, or its viewers come slowly, days are looked at: those before, and those with
    it until it is named.
    """
    if fault.window.start == 0:
        fault = replace(fault, window=replace(fault.window, start=0.5))
    row: dict[str, Any] = {}
    for sessions, days in HOUR_WORLDS:
        row = _named_by(fault, seed, sessions, days, 1)
        if row["asked"]:
            break
    if row["ok"] and row["asked"]:
        return row
    return _named_by(fault, seed, *DAY_WORLD, 24)


def _named_by(fault: Fault, seed: int, sessions: int, days: float, length: int) -> dict[str, Any]:
    """The fault in a world of its own, looked at by windows of so many hours."""
    run = worlds.scenario(seed, sessions, days, (fault,))
    table, calm = worlds.sessions_of(run), worlds.sessions_of(replace(run, faults=()))
    one = asked(run, table, calm, fault)
    touched_by: dict[int, int] = {}
    for hour, bad in one.by_hour.items():
        touched_by[hour // length] = touched_by.get(hour // length, 0) + bad
    walk = RestatedWatch.over(history_of(counted(table)))
    steps = sorted({hour // length for hour in walk.history.steps})
    shows = {at for at, bad in touched_by.items() if bad > 0 or fault.kind == "decoy"}
    looked = [at for at in steps[12 if length == 1 else 4 : -1] if at in shows][:12]
    touched = max((touched_by[at] for at in looked), default=0)
    is_asked = touched >= LEAST_BAD or fault.kind == "decoy"
    quiet = 0
    if is_asked and length > 1:
        for at in [at for at in steps[3:] if at < min(touched_by)]:
            walk.look_back(at)
            quiet += 1
    early = len(walk.incidents)
    slices: list[dict[str, Any]] = []
    hit = False
    for at in looked if is_asked else ():
        walk.look(at) if length == 1 else walk.look_back(at)
        slices = [dict(i.slice) for i in walk.incidents if i.confirmed_at is not None]
        hit = any(same(table, one, s) for s in slices)
        if hit and length > 1:
            break
    return {
        "name": fault.name,
        "ok": not slices if fault.kind == "decoy" else hit,
        "asked": is_asked,
        "by": "hours" if length == 1 else "days",
        "slice": dict(fault.slice),
        "found": slices,
        "sessions_a_day": round(sessions / days),
        "touched": touched,
        "quiet_days": quiet,
        "of_them_with_incident": early,
    }


def lives(seed: int) -> dict[str, Any]:
    """A fault that begins at one minute and ends at another, watched minute by minute: how late, how exact in time."""
    slice_, (cause, by, kpi) = _LIVE[seed % len(_LIVE)]
    fault = Fault("live", "", slice_, worlds.Window(0.55, 0.8), cause, by, kpi, 3.0, "TLS_CERT_EXPIRED")
    run = worlds.scenario(seed, 24_000, 3 / 24, (fault,))
    leaves = worlds.minutes_of(run)
    live = LiveWatch(LEAF_DIMENSIONS, tuple(m.name for m in LEAF_MEASURES))
    when = hold(run, fault)
    onset, end = when.onset_ms / MINUTE_MS, when.end_ms / MINUTE_MS
    step = leaves.column("step").to_numpy()
    quiet = alarms = 0
    for minute in range(int(run.begin_ms // MINUTE_MS), int(run.end_ms // MINUTE_MS)):
        live.history.put(minute, leaves.filter(pa.array(step == minute)))
        if onset - 20 <= minute <= end + 15:
            live.look(minute)
            if minute < onset:
                quiet += 1
                alarms += any(i.confirmed_at is not None and i.open for i in live.incidents)
    mine = [i for i in live.incidents if i.confirmed_at is not None]
    hit = next((i for i in mine if dict(i.slice) == dict(fault.slice)), None)
    others = [{**dict(i.slice), "metrics": dict(i.metrics)} for i in mine if i is not hit]
    minutes = {"slice": dict(fault.slice), "found": hit is not None, "others": others, "quiet": quiet, "alarms": alarms}
    if hit is not None and hit.confirmed_at is not None:
        minutes |= {
            "delay_min": round(hit.confirmed_at.timestamp() / 60 - onset, 2),
            "onset_error_min": round(hit.onset_at.timestamp() / 60 - onset, 2),
            "closed_after_min": round(hit.closed_at.timestamp() / 60 - end, 2) if hit.closed_at else None,
        }
    return minutes


_NO_START: tuple[Cause, float, str] = ("connect_chance", 0.35, "start_failure_ratio")
_BREAKS_OFF: tuple[Cause, float, str] = ("failures_a_minute", 0.4, "play_failure_ratio")
_SLOW_START: tuple[Cause, float, str] = ("startup_wait", 3.5, "startup_avg_ms")
_STARVED: tuple[Cause, float, str] = ("throughput", 0.05, "rebuffer_ratio")
_LIVE: tuple[tuple[tuple[tuple[str, str], ...], tuple[Cause, float, str]], ...] = (
    ((("cdn", "cascade"),), _NO_START),
    ((("app_version", "v18.9.8"),), _BREAKS_OFF),
    ((("device_type", "web"),), _NO_START),
    ((("country_code", "US"), ("device_type", "mobile")), _NO_START),
    ((("app_version", "v18.9.7"),), _SLOW_START),
    ((("cdn", "borealis"), ("device_type", "smart_tv")), _STARVED),
)
"""Slices, and what goes wrong there. Plays that break off go on doing so after its end."""


def against_peers(seeds: int) -> dict[str, Any]:
    """The same planted windows for scan and peers: F1 of exact slices, and fault-free windows with an alarm."""
    methods = {
        "qoescope": lambda t: [dict(f.slice) for f in explain(t, planted.DIMS, *planted.COLUMNS)],
        "adtributor": peers.adtributor,
        "risk_ratio_diff": peers.risk_ratio,
    }
    out: dict[str, Any] = {}
    for name, method in methods.items():
        hits = made = missed = alarms = 0
        began = time.process_time()
        for seed in range(seeds):
            world = planted.planted(seed, planted.Plan(1 + (seed % 3 == 0), planted.DECOYS[seed % len(planted.DECOYS)]))
            found = list(method(world.table))
            good = [c for c in world.causes if any(planted.same(world.table, c, s) for s in found)]
            hits, missed, made = (
                hits + len(good),
                missed + len(world.causes) - len(good),
                made + max(len(found) - len(good), 0),
            )
            calm = planted.planted(10_000 + seed, planted.Plan(0, planted.DECOYS[seed % len(planted.DECOYS)]))
            alarms += bool(method(calm.table))
        f1 = 2 * hits / max(2 * hits + made + missed, 1)
        out[name] = {
            "f1": round(f1, 3),
            "fault_free_alarms": round(alarms / seeds, 3),
            "cpu_s_a_window": round((time.process_time() - began) / (2 * seeds), 3),
        }
    return out


def speed() -> float:
    """CPU seconds to explain 20,000 sessions by seven dimensions, four deep; the best of five."""
    table = planted.planted(1, planted.Plan(1, history=0)).table
    taken = []
    for _ in range(5):
        began = time.process_time()
        explain(table, planted.DIMS, *planted.COLUMNS)
        taken.append(time.process_time() - began)
    return round(min(taken), 3)


def parts(
    seeds: range, live: int, hours: int, chosen: Sequence[str], processes: int | None
) -> Iterator[tuple[str, Any]]:
    """Each part's name and figures, as they come."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        if "random" in chosen:
            score = Score()
            for done, one in enumerate(workers.map(scored_seed, seeds), 1):
                score += one
                print(f"seed {done}/{len(seeds)}: {json.dumps(score.told())}", file=sys.stderr)
            yield "random_faults", score.told()
        if "named" in chosen:
            rows: list[dict[str, Any]] = []
            for row in workers.map(named, FAULTS):
                verdict = "as it should be" if row["ok"] else "MISSED" if row["asked"] else "too few sessions"
                most = (
                    f"at most {row['touched']} in one of the {row['by']}, of {row['sessions_a_day']:,} sessions a day"
                )
                print(f"{row['name']}: {verdict}, {row['found']}, {most}", file=sys.stderr)
                rows.append(row)
            yield "named_faults", rows
        if "live" in chosen:
            runs: list[dict[str, Any]] = []
            for run in workers.map(lives, range(live)):
                print(f"live {len(runs) + 1}/{live}: {json.dumps(run, default=str)}", file=sys.stderr)
                runs.append(run)
            known = [r for r in runs if "delay_min" in r]
            yield "live", {"runs": runs, "median_delay_min": median(r["delay_min"] for r in known) if known else None}
        if "hours" in chosen:
            ends = demo_hours.ends(hours)
            runs = []
            for run in workers.map(demo_hours.watched, ends):
                print(f"hours {len(runs) + 1}/{len(ends)}: {json.dumps(run)}", file=sys.stderr)
                runs.append(run)
            yield "demo_at_hours", runs
    if "peers" in chosen:
        yield "peers", against_peers(min(len(seeds), 30))
    if "speed" in chosen:
        yield "speed_20000_sessions_cpu_s", speed()


def bars(figures: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Whether each bar that these figures speak of holds, and what it is."""
    if "random_faults" in figures:
        r = figures["random_faults"]
        alarms = r["of_them_with_incident"]
        yield r["f1"] >= 0.9, f"F1 of exact slices {r['f1']:.3f}, at least 0.90"
        yield r["top_1"] >= 0.95, f"the first of a window's findings is a fault in {r['top_1']:.3f}, at least 0.95"
        yield (
            alarms <= 0.01 * r["fault_free_windows"],
            f"{alarms} of {r['fault_free_windows']} fault-free windows with an incident, at most 1 %",
        )
        yield not r["decoys_named"], f"{r['decoys_named']} decoys named, none may be"
        yield not r["missed_above_100"], f"missed with 100 bad sessions or more: {r['missed_above_100'] or 'none'}"
    if "named_faults" in figures:
        rows = figures["named_faults"]
        missed = [row["name"] for row in rows if not row["ok"] and row["asked"]]
        small = [row["name"] for row in rows if not row["ok"] and not row["asked"]]
        right = sum(row["ok"] for row in rows)
        yield not missed, f"faults of the catalogue: {right} right, missed {missed}, too few sessions for {small}"
        quiet, alarms = (sum(row[name] for row in rows) for name in ("quiet_days", "of_them_with_incident"))
        yield not alarms, f"{alarms} of {quiet} days before a fault with an incident, none may have one"
    if "live" in figures:
        delay = figures["live"]["median_delay_min"]
        yield delay is not None and delay <= 3, f"live, half of the faults are confirmed after {delay} min, at most 3"
        onset = [run["onset_error_min"] for run in figures["live"]["runs"] if "onset_error_min" in run]
        far = [minutes for minutes in onset if abs(minutes) > 2]
        yield not far, f"live, onset estimated {onset} min after the true one, at most 2 off"
        closed = [run.get("closed_after_min") for run in figures["live"]["runs"]]
        late = [minutes for minutes in closed if minutes is None or minutes > 10]
        yield not late, f"live, closed {closed} min after its end, at most 10"
    if "demo_at_hours" in figures:
        wrong = [run for run in figures["demo_at_hours"] if run["false"] or run["missed"]]
        yield not wrong, f"the demo at {len(figures['demo_at_hours'])} times of a day: wrong at {wrong or 'none'}"
    if "peers" in figures:
        f1 = {name: row["f1"] for name, row in figures["peers"].items()}
        yield f1["qoescope"] >= max(f1.values()), f"F1 beside peers on planted windows: {f1}"
    if "speed_20000_sessions_cpu_s" in figures:
        taken = figures["speed_20000_sessions_cpu_s"]
        yield taken < 0.3, f"20,000 sessions, 7 dimensions, 4 deep: {taken} s of one core, below 0.3"


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Prints the figures as JSON; progress, and what they say of the bars, go to standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50, help="runs with random faults")
    parser.add_argument("--first", type=int, default=1000, help="the first run's seed")
    parser.add_argument("--live", type=int, default=6, help="runs that are watched minute by minute")
    parser.add_argument("--hours", type=int, default=24, help="times of a day at which the demo is watched to its end")
    parser.add_argument("--parts", default="random,named,live,hours,peers,speed", help="what to measure")
    parser.add_argument("--workers", type=int, default=None, help="processes; as many as cores when none is given")
    parser.add_argument("--json", action="store_true", help="only the figures")
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.seeds)
    figures = dict(parts(seeds, given.live, given.hours, given.parts.split(","), given.workers))
    print(json.dumps(figures, indent=2, default=str))
    for holds, what in () if given.json else bars(figures):
        print(f"{'holds ' if holds else 'MISSED'}  {what}", file=sys.stderr)
    return figures


if __name__ == "__main__":
    main()
