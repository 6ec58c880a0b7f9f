"""Planted: windows of counts with known causes, drift and decoys, drawn afresh for each seed."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pyarrow as pa

COLUMNS = ("sessions", "failures", "base_sessions", "base_failures")
DECOYS = ("", "traffic_shift", "always_worse", "new_version", "weekend")
DIMS = ("device_type", "os", "app_version", "country_code", "isp", "cdn", "cdn_pop")
_OS_DEVICE = (0, 0, 0, 1, 1, 2, 2, 3, 4)
_FIXED = {("os", "device_type"), ("isp", "country_code"), ("cdn_pop", "cdn")}


@dataclass
class Planted:
    """A window and its baseline as one table of counts, with the causes that were planted."""

    table: pa.Table
    causes: list[dict[str, str]] = field(default_factory=list)
    decoy: str = ""


def _codes(rng: np.random.Generator, size: int, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    pick = {
        name: rng.choice(len(p), size, p=p / p.sum()) for name, p in weights.items() if name not in ("device_type",)
    }
    pick["device_type"] = np.array(_OS_DEVICE)[pick["os"]]
    pick["country_code"] = pick["isp"] // 3
    pick["cdn"] = pick["cdn_pop"] % 3
    return pick


def _weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "os": rng.dirichlet(np.full(len(_OS_DEVICE), 2.0)),
        "app_version": rng.dirichlet(np.full(8, 1.0)),
        "isp": rng.dirichlet(np.full(24, 1.5)),
        "cdn_pop": rng.dirichlet(np.full(18, 2.0)),
    }


@dataclass(frozen=True)
class Plan:
    """What to plant: faults, a decoy, how many sessions, how many times as many before, how much clean rates drift."""

    faults: int = 1
    decoy: str = ""
    sessions: int = 20_000
    history: int = 5
    drift: float = 0.08


def same(table: pa.Table, one: dict[str, str], other: dict[str, str]) -> bool:
    """Whether two slices hold the same sessions of the window."""
    rows = []
    here = table.column("sessions").to_numpy() > 0
    for chosen in (one, other):
        mask = here.copy()
        for name, value in chosen.items():
            mask &= table.column(name).to_numpy(zero_copy_only=False) == value
        rows.append(mask)
    return bool((rows[0] == rows[1]).all())


def planted(seed: int, plan: Plan) -> Planted:
    """Counts of one window against the sessions before it; without history each row carries its own baseline."""
    faults, decoy, sessions, history, drift = plan.faults, plan.decoy, plan.sessions, plan.history, plan.drift
    rng = np.random.default_rng(seed)
    weights = _weights(rng)
    before = {name: p.copy() for name, p in weights.items()}
    rate0 = float(np.exp(rng.uniform(np.log(0.006), np.log(0.05))))
    sizes = {"device_type": 5, "os": 9, "app_version": 8, "country_code": 8, "isp": 24, "cdn": 3, "cdn_pop": 18}
    effect = {name: np.exp(rng.normal(0, 0.3, size)) for name, size in sizes.items()}
    pair = np.exp(rng.normal(0, 0.3, (24, 3)))
    if decoy == "always_worse":
        effect["device_type"][int(rng.integers(5))] *= 5
    if decoy == "traffic_shift":
        bad = int(rng.integers(len(_OS_DEVICE)))
        effect["os"][bad] *= 5
        weights["os"][bad] *= 6
    if decoy == "weekend":
        for name in weights:
            weights[name] = weights[name] * np.exp(rng.normal(0, 0.5, len(weights[name])))
    if decoy == "new_version":
        before["app_version"][0] = 0
    now = _codes(rng, sessions, weights)
    then = _codes(rng, sessions * max(history, 1), before)

    def rates(codes: dict[str, np.ndarray], moved: dict[str, np.ndarray]) -> np.ndarray:
        rate = np.full(len(codes["isp"]), rate0) * pair[codes["isp"], codes["cdn"]]
        for name in DIMS:
            rate = rate * effect[name][codes[name]] * moved[name][codes[name]]
        return np.clip(rate, 0, 0.9)

    still = {name: np.ones(size) for name, size in sizes.items()}
    moved = {name: np.exp(rng.normal(0, drift, size)) for name, size in sizes.items()}
    now_rate, then_rate = rates(now, moved), rates(then, still)
    causes: list[dict[str, int]] = []
    for _ in range(400):
        if len(causes) == faults:
            break
        names = list(rng.choice(len(DIMS), int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])), replace=False))
        chosen = tuple(DIMS[i] for i in names)
        if any((a, b) in _FIXED or (b, a) in _FIXED for a, b in combinations(chosen, 2)):
            continue
        at = int(rng.integers(sessions))
        cause = {name: int(now[name][at]) for name in chosen}
        inside = np.all([now[name] == code for name, code in cause.items()], axis=0)
        extra = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
        if inside.sum() * extra < 40 or inside.mean() > 0.6 or cause in causes:
            continue
        causes.append(cause)
        now_rate[inside] = now_rate[inside] + (1 - now_rate[inside]) * extra
    bad_now, bad_then = rng.random(len(now_rate)) < now_rate, rng.random(len(then_rate)) < then_rate
    if not history:
        return _beside(now, bad_now, rng.binomial(5, then_rate[:sessions].mean(), sessions))
    columns = {
        name: pa.array(np.char.add(f"{name}-", np.concatenate([now[name], then[name]]).astype(str))) for name in DIMS
    }
    zero_now, zero_then = np.zeros(sessions, np.int64), np.zeros(sessions * history, np.int64)
    columns["sessions"] = pa.array(np.concatenate([zero_now + 1, zero_then]))
    columns["failures"] = pa.array(np.concatenate([bad_now.astype(np.int64), zero_then]))
    columns["base_sessions"] = pa.array(np.concatenate([zero_now, zero_then + 1]))
    columns["base_failures"] = pa.array(np.concatenate([zero_now, bad_then.astype(np.int64)]))
    named = [{name: f"{name}-{code}" for name, code in cause.items()} for cause in causes]
    return Planted(pa.table(columns), named, decoy)


def _beside(now: dict[str, np.ndarray], bad: np.ndarray, base_bad: np.ndarray) -> Planted:
    columns = {name: pa.array(np.char.add(f"{name}-", now[name].astype(str))) for name in DIMS}
    counts = (np.ones(len(bad), np.int64), bad.astype(np.int64), np.full(len(bad), 5), base_bad)
    return Planted(pa.table(columns | {name: pa.array(c) for name, c in zip(COLUMNS, counts, strict=True)}))
