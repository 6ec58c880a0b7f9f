"""Causes of four dimensions, additive figures whose forecasts err by a part, and other names for the same sessions."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from qoescope.monitor.search.additive import fitted_noise
from qoescope.monitor.search.explain import explain, explain_volume

COUNTS = ("sessions", "failures", "base_sessions", "base_failures")
DIMS = ["isp", "cdn", "device", "version"]


def grid(*sizes: int) -> dict[str, np.ndarray]:
    codes = np.array(list(product(*(range(size) for size in sizes)))).T
    return {name: np.char.add(f"{name}-", code.astype(str)) for name, code in zip(DIMS, codes, strict=False)}


def inside(columns: dict[str, np.ndarray], cause: dict[str, str]) -> np.ndarray:
    return np.all([columns[name] == value for name, value in cause.items()], axis=0)


@pytest.mark.parametrize(("depth", "found"), [(4, True), (3, False)])
def test_a_cause_of_four_dimensions_is_named_where_so_many_may_be(depth: int, found: bool) -> None:
    columns = grid(4, 3, 3, 4)
    cause = {"isp": "isp-2", "cdn": "cdn-1", "device": "device-0", "version": "version-3"}
    size = len(columns["isp"])
    table = pa.table(
        {
            **columns,
            "sessions": np.full(size, 60),
            "failures": np.where(inside(columns, cause), 40, 1),
            "base_sessions": np.full(size, 600),
            "base_failures": np.full(size, 10),
        }
    )
    slices = [dict(one.slice) for one in explain(table, DIMS, *COUNTS, depth=depth)]
    assert (slices == [cause]) is found


def additive(seed: int, causes: list[dict[str, str]], noise: float, fall: float) -> pa.Table:
    """Figures of very unlike sizes, forecasts that err by `noise`; in the causes `fall` of the figure is missing."""
    rng = np.random.default_rng(seed)
    columns = grid(7, 6, 5, 6)
    forecast = 50 * rng.weibull(0.6, len(columns["isp"]))
    real = forecast * np.maximum(1 + rng.normal(0, noise, len(forecast)), 0)
    for cause in causes:
        real = np.where(inside(columns, cause), forecast * (1 - fall), real)
    return pa.table({**columns, "real": real, "forecast": forecast})


@pytest.mark.parametrize("seed", range(4))
def test_elements_of_unlike_depth_are_named_though_forecasts_err(seed: int) -> None:
    causes = [
        {"isp": f"isp-{seed}"},
        {"isp": "isp-5", "cdn": "cdn-2", "device": "device-1"},
        {"isp": "isp-6", "cdn": "cdn-4", "device": "device-3", "version": "version-0"},
    ]
    found = explain_volume(additive(seed, causes, 0.05, 0.7), DIMS, "real", "forecast")
    assert sorted([dict(one.slice) for one in found], key=len) == causes
    assert all(one.excess < 0 for one in found)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_forecasts_that_only_err_are_no_news(noise: float) -> None:
    assert explain_volume(additive(11, [], noise, 0.0), DIMS, "real", "forecast") == []


@pytest.mark.parametrize(("chance", "error"), [(1.0, 0.0), (0.0, 0.2), (4.0, 0.1)])
def test_the_noise_of_a_figure_is_read_off_most_leaves(chance: float, error: float) -> None:
    rng = np.random.default_rng(5)
    forecast = rng.uniform(20, 2000, 20_000)
    real = forecast + rng.normal(0, np.sqrt(chance * forecast + (error * forecast) ** 2))
    real[:2000] *= 0.2
    model = fitted_noise(np.maximum(real, 0), forecast)
    assert model.chance * 0.05 + model.error**2 == pytest.approx(chance * 0.05 + max(error, 0.01) ** 2, rel=0.25)
    assert model.error == pytest.approx(max(error, 0.01), abs=0.03)


def test_other_names_for_the_same_sessions_are_told() -> None:
    """Every ISP of Korea is kt, which is nowhere else; only its tv runs tizen."""
    rows = [
        {"isp": isp, "country": country, "device": device, "os": "tizen" if device == "tv" else device}
        | {"sessions": 300, "failures": 90 if isp == "kt" and device == "tv" else 6}
        | {"base_sessions": 3000, "base_failures": 60}
        for isp, country in (("kt", "KR"), ("vivo", "BR"), ("claro", "BR"), ("oi", "BR"))
        for device in ("tv", "phone", "web")
    ]
    (one,) = explain(pa.Table.from_pylist(rows), ["isp", "country", "device", "os"], *COUNTS)
    names = [
        {a: x, b: y} for a, x in (("isp", "kt"), ("country", "KR")) for b, y in (("device", "tv"), ("os", "tizen"))
    ]
    assert dict(one.slice) in names
    assert sorted(map(str, one.same_sessions)) == sorted(str(name) for name in names if name != dict(one.slice))
    assert one.as_json()["same_sessions"] == one.same_sessions


def test_sessions_that_do_not_tell_a_dimension_are_no_cause_of_their_own() -> None:
    """All of country DE is broken; its ISP has no other country, and a tenth of the sessions do not tell theirs."""
    rows = [
        {"isp": isp, "country": country, "device": device, "sessions": sessions, "base_sessions": 10 * sessions}
        | {"failures": sessions // (2 if isp.startswith("de") else 50), "base_failures": sessions // 5}
        for isp, home in (
            ("de-1", "DE"),
            ("de-2", "DE"),
            ("fr-1", "FR"),
            ("fr-2", "FR"),
            ("us-1", "US"),
            ("us-2", "US"),
        )
        for country, sessions in ((home, 450), (None, 50))
        for device in ("tv", "phone", "web", "tablet")
    ]
    found = explain(pa.Table.from_pylist(rows), ["isp", "country", "device"], *COUNTS)
    assert [dict(one.slice) for one in found] == [{"country": "DE"}]


@pytest.mark.parametrize(
    ("hit", "named"),
    [
        ((0.25, 0.22, 0.2, 0.18, 0.16, 0.03, 0.02, 0.02), [{"cdn": "cdn-0"}]),
        ((0.3, 0.3, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02), [{"cdn": "cdn-0", "isp": f"isp-{i}"} for i in range(2)]),
    ],
)
def test_a_slice_is_split_where_few_of_its_values_are_hit_and_not_where_they_are_hit_unlike(
    hit: tuple[float, ...], named: list[dict[str, str]]
) -> None:
    rows = [
        {"isp": f"isp-{i}", "cdn": f"cdn-{c}", "sessions": 200, "base_sessions": 2000, "base_failures": 40}
        | {"failures": round(200 * (hit[i] if c == 0 else 0.02))}
        for i in range(8)
        for c in range(4)
    ]
    slices = [dict(one.slice) for one in explain(pa.Table.from_pylist(rows), ["isp", "cdn"], *COUNTS)]
    assert sorted(slices, key=str) == named


@pytest.mark.parametrize(("small", "named"), [(9, 1), (60, 2)])
def test_a_small_finding_beside_a_large_one_needs_a_part_of_its_excess(small: int, named: int) -> None:
    """An ISP has 1,200 failures; on one device of another one `small` of 100 sessions fail, where hardly any did."""
    rows = [
        {"isp": f"isp-{i}", "device": device, "sessions": sessions, "base_sessions": 50 * sessions}
        | {"failures": failures, "base_failures": sessions // 25}
        for i in range(6)
        for device in ("tv", "phone", "web")
        for sessions, failures in [(1000, 400) if i == 0 else (100, small) if (i, device) == (3, "web") else (1000, 1)]
    ]
    found = explain(pa.Table.from_pylist(rows), ["isp", "device"], *COUNTS)
    assert dict(found[0].slice) == {"isp": "isp-0"}
    assert len(found) == named
