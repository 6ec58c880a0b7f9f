"""Drawn: random faults over one to three dimensions, with several causes and shapes, for any seed."""

# ruff: noqa: PLR2004 - shares and sizes of the simulated world stand where they are drawn

from dataclasses import replace
from random import Random

from qoescope.catalog import drawn_faults
from qoescope.catalog import faults as f
from qoescope.emit import slices, viewers
from qoescope.emit.scenario import Load, Scenario
from qoescope.emit.spans import CODES

FAMILIES = (
    ("country_code", "isp", "cdn_pop"),
    ("device_type", "os", "player_name"),
    ("cdn",),
    ("network_type",),
    ("app_version",),
)
"""Dimensions that imply each other; a slice takes one of a family at most."""
SHAPES = ("step", "ramp", "pulse", "daily")
LEAST_SHARE = 0.012
"""A slice holds at least this share of the sessions."""
SAMPLE = 20_000
_CODES = [c for c in CODES if c.isupper() and c not in ("NOT_ENTITLED", "GEO_BLOCKED", "STREAM_LIMIT", "SEGMENT_RETRY")]


def drawn(run: Scenario, number: int) -> tuple[f.Fault, ...]:
    """So many different faults for this run; the same for the same seed."""
    dice = Random(f"{run.seed} random faults")  # noqa: S311 - a simulation
    plain = replace(run, faults=(), sessions=SAMPLE)
    sample = viewers.viewings(plain, Load(plain), plain.numbers(0))
    causes = list(drawn_faults.DRAWN_CAUSES)
    made: list[f.Fault] = []
    taken: set[tuple[tuple[str, str], ...]] = set()
    while len(made) < number:
        turn = len(made)
        slice_ = _slice(dice, sample, 1 + turn % 3 if turn < 3 else dice.randint(1, 3))
        if slice_ in taken:
            continue
        taken.add(slice_)
        made.append(_fault(dice, slice_, causes[turn % len(causes)], SHAPES[turn % len(SHAPES)]))
    return tuple(made)


def _slice(dice: Random, sample: viewers.Viewing, dimensions: int) -> tuple[tuple[str, str], ...]:
    """Values of so many dimensions that some session has, and enough others too."""
    while True:
        families = dice.sample(FAMILIES, dimensions)
        names = [dice.choice(family) for family in families]
        if "cdn_pop" in names and "cdn" in names:
            continue
        row = dice.randrange(len(sample))
        chosen = []
        for name in names:
            array, values = slices.DIMENSIONS[name]
            chosen.append((name, values[int(getattr(sample, array)[row])]))
        slice_ = tuple(sorted(chosen))
        probe = f.Fault("", "", slice_, f.Window(0), "connect_ms", 0, "", 0)
        share = slices.in_slice(probe, sample).mean()
        if LEAST_SHARE <= share <= 1 / 3:
            return slice_


def _fault(dice: Random, slice_: tuple[tuple[str, str], ...], cause: f.Cause, shape: str) -> f.Fault:
    least, greatest, kpi, size = drawn_faults.DRAWN_CAUSES[cause]
    by = round(dice.uniform(least, greatest), 3)
    start = round(dice.uniform(0.35, 0.65), 3)
    window = {
        "step": f.Window(start),
        "ramp": f.Window(start, ramp=0.4),
        "pulse": f.Window(start, start + round(dice.uniform(0.08, 0.2), 3)),
        "daily": f.Window(
            start, minutes=dice.choice((180, 240, 300)), local_hour=dice.choice((18, 19, 20)), daily=True
        ),
    }[shape]
    where = ", ".join(value for _, value in slice_)
    name = "random-" + "-".join(
        [cause.replace("_", "-"), *(value.lower().replace("_", "-").replace(" ", "-") for _, value in slice_)]
    )
    code = dice.choice(_CODES) if cause in ("connect_chance", "failures_a_minute") else ""
    says = f"Drawn by chance ({shape}) for {where}: {f.CAUSES[cause]}, {by:g}."
    return f.Fault(name, says, slice_, window, cause, by, kpi, size, code, shape=shape)
