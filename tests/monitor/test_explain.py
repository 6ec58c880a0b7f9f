"""What explain finds in tables of counts, and how it refuses broken ones."""

import numpy as np
import pyarrow as pa
import pytest

from qoescope.catalog.errors import Mistake
from qoescope.monitor.search.explain import explain, explain_volume
from qoescope.monitor.search.root_cause import reportable_lift

COLUMNS = ("sessions", "failures", "base_sessions", "base_failures")


def counts(dims: dict[str, list[str | None]], sessions: int, bad: list[int], base: int, base_bad: int) -> pa.Table:
    rows = len(bad)
    return pa.table(
        {
            **dims,
            "sessions": [sessions] * rows,
            "failures": bad,
            "base_sessions": [base] * rows,
            "base_failures": [base_bad] * rows,
        }
    )


def grid(bad_at: dict[str, str], bad: int) -> pa.Table:
    """Every combination of three dimensions, 40 sessions each; 2 % fail, and `bad` of 40 where `bad_at` holds."""
    rows = [
        {"isp": f"isp-{i}", "device": f"device-{d}", "version": f"v{v}", "sessions": 40, "failures": 1}
        | {"base_sessions": 400, "base_failures": 10}
        for i in range(6)
        for d in range(4)
        for v in range(5)
    ]
    for row in rows:
        if all(row[name] == value for name, value in bad_at.items()):
            row["failures"] = bad
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    "cause",
    [
        {"isp": "isp-3"},
        {"device": "device-1", "version": "v4"},
        {"isp": "isp-0", "device": "device-2", "version": "v1"},
    ],
)
def test_the_slice_that_got_worse_is_named_alone(cause: dict[str, str]) -> None:
    slices = [dict(f.slice) for f in explain(grid(cause, 20), ["isp", "device", "version"], *COLUMNS)]
    assert slices == [cause]


def test_nothing_is_found_when_nothing_changed() -> None:
    assert explain(grid({}, 1), ["isp", "device", "version"], *COLUMNS) == []


def test_two_causes_are_found_one_after_the_other() -> None:
    table = grid({"isp": "isp-3"}, 18)
    bad = [
        20 if row["device"] == "device-0" and row["version"] == "v2" else row["failures"] for row in table.to_pylist()
    ]
    table = table.set_column(table.column_names.index("failures"), "failures", pa.array(bad))
    slices = [dict(f.slice) for f in explain(table, ["isp", "device", "version"], *COLUMNS)]
    assert sorted(slices, key=len) == [{"isp": "isp-3"}, {"device": "device-0", "version": "v2"}]


def test_what_is_always_worse_is_no_news() -> None:
    dims: dict[str, list[str | None]] = {"device": ["tv", "web", "old"]}
    table = pa.table(
        {
            **dims,
            "sessions": [1000, 1000, 1000],
            "failures": [20, 20, 300],
            "base_sessions": [9000] * 3,
            "base_failures": [180, 180, 2700],
        }
    )
    assert explain(table, ["device"], *COLUMNS) == []


def test_a_shift_of_traffic_towards_a_bad_device_is_no_fault_of_the_country() -> None:
    table = pa.table(
        {
            "country": ["KR", "KR", "BR", "BR"],
            "device": ["tv", "old", "tv", "old"],
            "sessions": [1000, 3000, 4000, 400],
            "failures": [10, 300, 40, 40],
            "base_sessions": [20000, 2000, 40000, 4000],
            "base_failures": [200, 200, 400, 400],
        }
    )
    assert explain(table, ["country", "device"], *COLUMNS) == []


def test_a_new_version_at_its_parents_rate_is_silent_and_a_broken_one_is_not() -> None:
    def released(bad: int) -> pa.Table:
        return pa.table(
            {
                "version": ["v1", "v2"],
                "sessions": [4000, 600],
                "failures": [80, bad],
                "base_sessions": [40000, 0],
                "base_failures": [800, 0],
            }
        )

    assert explain(released(14), ["version"], *COLUMNS) == []
    assert [dict(f.slice) for f in explain(released(200), ["version"], *COLUMNS)] == [{"version": "v2"}]


def test_when_everything_got_worse_the_cause_lies_outside_the_dimensions() -> None:
    table = grid({}, 1).set_column(4, "failures", pa.array([8] * 120))
    assert [dict(f.slice) for f in explain(table, ["isp", "device", "version"], *COLUMNS)] == [{}]


def test_the_plainer_of_two_names_for_the_same_sessions_wins() -> None:
    dims: dict[str, list[str | None]] = {
        "isp": ["kt", "claro", "vivo", "oi"],
        "country": ["KR", "BR", "BR", "BR"],
    }
    table = counts(dims, 1000, [300, 20, 20, 20], 9000, 180)
    (only,) = explain(table, ["isp", "country"], *COLUMNS)
    assert dict(only.slice) == {"country": "KR"}


def test_null_and_unicode_are_values_like_any_other() -> None:
    dims: dict[str, list[str | None]] = {"isp": [None, "텔레콤", "ß", "a"], "flat": ["x", "x", "x", "x"]}
    table = counts(dims, 1000, [300, 20, 20, 20], 9000, 180)
    assert [dict(f.slice) for f in explain(table, ["isp", "flat"], *COLUMNS)] == [{"isp": None}]


def test_twelve_dimensions_are_searched() -> None:
    rng = np.random.default_rng(1)
    names = [f"d{i}" for i in range(12)]
    values = {name: rng.integers(0, 4, 4000) for name in names}
    inside = (values["d3"] == 1) & (values["d7"] == 2)
    table = pa.table(
        {
            **{name: np.char.add("v", value.astype(str)) for name, value in values.items()},
            "sessions": np.full(4000, 5),
            "failures": np.where(inside, 2, 0),
            "base_sessions": np.full(4000, 50),
            "base_failures": np.ones(4000, dtype=int),
        }
    )
    assert [dict(f.slice) for f in explain(table, names, *COLUMNS)] == [{"d3": "v1", "d7": "v2"}]


@pytest.mark.parametrize("bad", [0, 1000])
def test_all_good_and_all_bad_as_ever_are_silent(bad: int) -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b", "c"]}
    assert explain(counts(dims, 1000, [bad] * 3, 1000, bad), ["isp"], *COLUMNS) == []


def test_without_rows_or_without_a_baseline_nothing_can_be_found() -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b"]}
    full = counts(dims, 1000, [500, 10], 0, 0)
    assert explain(full, ["isp"], *COLUMNS) == []
    assert explain(full.slice(0, 0), ["isp"], *COLUMNS) == []


def test_the_order_and_splitting_of_rows_change_nothing() -> None:
    table = grid({"isp": "isp-3"}, 20)
    shuffled = table.take(pa.array(np.random.default_rng(2).permutation(120)))
    names = ["isp", "device", "version"]
    lower = [row | {c: row[c] // 2 for c in COLUMNS} for row in table.to_pylist()]
    upper = [row | {c: row[c] - row[c] // 2 for c in COLUMNS} for row in table.to_pylist()]
    halves = lower + upper
    whole, mixed, split = (explain(t, names, *COLUMNS) for t in (table, shuffled, pa.Table.from_pylist(halves)))
    assert [f.slice for f in whole] == [f.slice for f in mixed] == [f.slice for f in split]
    assert whole[0].score == pytest.approx(mixed[0].score) == pytest.approx(split[0].score)


@pytest.mark.parametrize(
    ("change", "names", "says"),
    [
        ({}, ["ips"], "did you mean 'isp'"),
        ({}, [], "at least one dimension"),
        ({}, ["isp", "isp"], "twice"),
        ({"failures": [5000] * 2}, ["isp"], "row 1: 'failures' .* greater than 'sessions'"),
        ({"base_failures": [1, 99999]}, ["isp"], "row 2: 'base_failures'"),
        ({"failures": [1, -1]}, ["isp"], "below zero"),
        ({"sessions": ["many", "few"]}, ["isp"], "must hold numbers"),
        ({"sessions": [float("nan"), 1.0]}, ["isp"], "no count"),
    ],
)
def test_a_broken_table_is_refused_by_name(change: dict[str, list[object]], names: list[str], says: str) -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b"]}
    table = counts(dims, 1000, [10, 10], 1000, 10)
    for name, values in change.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    with pytest.raises(Mistake, match=says):
        explain(table, names, *COLUMNS)


def test_a_missing_count_column_is_refused_with_a_hint() -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b"]}
    with pytest.raises(Mistake, match="did you mean 'failures'"):
        explain(counts(dims, 9, [1, 1], 9, 1), ["isp"], "sessions", "failure", "base_sessions", "base_failures")


@pytest.mark.parametrize(("times", "sign"), [(2.0, 1), (0.3, -1)])
def test_an_additive_figure_is_found_in_both_directions(times: float, sign: int) -> None:
    rng = np.random.default_rng(3)
    isp, cdn = np.meshgrid(np.arange(8), np.arange(5))
    forecast = rng.uniform(200, 900, isp.size)
    real = rng.poisson(forecast * np.where(isp.ravel() == 2, times, 1.0))
    table = pa.table(
        {
            "isp": np.char.add("isp-", isp.ravel().astype(str)),
            "cdn": np.char.add("cdn-", cdn.ravel().astype(str)),
            "real": real,
            "predict": forecast,
        }
    )
    (only,) = explain_volume(table, ["isp", "cdn"], "real", "predict")
    assert dict(only.slice) == {"isp": "isp-2"}
    assert np.sign(only.excess) == sign


def test_one_dimension_with_a_baseline_of_no_bad_sessions_at_all() -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b", "c", "d"]}
    (only,) = explain(counts(dims, 1000, [0, 60, 0, 0], 9000, 0), ["isp"], *COLUMNS)
    assert dict(only.slice) == {"isp": "b"}
    assert (only.as_json()["lift"], only.as_json()["expected"]) == (None, pytest.approx(0, abs=1e-4))


@pytest.mark.parametrize(
    ("excess", "lift", "told"), [(240.0, 14.8, 14.8), (60.0, 1e6, None), (-500.0, 1e12, None), (-500.0, 6.0, 6.0)]
)
def test_a_lift_over_nothing_is_not_told(excess: float, lift: float, told: float | None) -> None:
    assert reportable_lift(excess, lift) == told


def test_a_slice_without_sessions_before_has_the_lift_over_its_parent() -> None:
    dims: dict[str, list[str | None]] = {"app": ["a", "b", "new"]}
    table = counts(dims, 1000, [20, 20, 200], 9000, 180)
    then = table.column_names.index("base_sessions")
    table = table.set_column(then, "base_sessions", pa.array([9000, 9000, 0]))
    table = table.set_column(then + 1, "base_failures", pa.array([180, 180, 0]))
    (only,) = explain(table, ["app"], *COLUMNS)
    assert only.as_json()["lift"] == pytest.approx(10, rel=0.2)


def test_when_every_session_of_a_slice_is_bad_it_is_named() -> None:
    dims: dict[str, list[str | None]] = {"isp": ["a", "b", "c", "d"]}
    (only,) = explain(counts(dims, 1000, [20, 1000, 20, 20], 9000, 180), ["isp"], *COLUMNS)
    assert (dict(only.slice), only.actual) == ({"isp": "b"}, 1.0)


def test_constant_columns_name_nothing() -> None:
    table = grid({"isp": "isp-3"}, 20).append_column("flat", pa.array(["x"] * 120)).append_column("none", pa.nulls(120))
    found = explain(table, ["flat", "isp", "none", "device"], *COLUMNS)
    assert [dict(f.slice) for f in found] == [{"isp": "isp-3"}]


def test_a_million_rows_are_added_up_first() -> None:
    rng = np.random.default_rng(4)
    size = 1_000_000
    values = {name: rng.integers(0, count, size) for name, count in (("isp", 30), ("cdn", 4), ("device", 6))}
    inside = (values["isp"] == 7) & (values["cdn"] == 2)
    table = pa.table(
        {
            **{
                name: pa.DictionaryArray.from_arrays(value, [f"{name}-{i}" for i in range(30)])
                for name, value in values.items()
            },
            "sessions": np.ones(size, dtype=int),
            "failures": (rng.random(size) < np.where(inside, 0.08, 0.02)).astype(int),
            "base_sessions": np.full(size, 5),
            "base_failures": rng.binomial(5, 0.02, size),
        }
    )
    assert [dict(f.slice) for f in explain(table, list(values), *COLUMNS)] == [{"isp": "isp-7", "cdn": "cdn-2"}]


def test_two_causes_that_leave_little_as_usual_are_still_two() -> None:
    rows = [
        {"isp": f"isp-{i}", "cdn": f"cdn-{c}", "sessions": 300, "base_sessions": 3000, "base_failures": 60}
        | {"failures": 75 if i == 0 else 50 if c == 0 else 6}
        for i, c in ((i, c) for i in range(3) for c in range(2) for _ in range(4 if 0 in (i, c) else 1))
    ]
    slices = [dict(f.slice) for f in explain(pa.Table.from_pylist(rows), ["isp", "cdn"], *COLUMNS)]
    assert slices == [{"isp": "isp-0"}, {"cdn": "cdn-0"}]
