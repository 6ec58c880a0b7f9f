"""Options: what a run is asked for, checked, as a scenario."""

from collections.abc import Sequence
from datetime import date

from qoescope.catalog import faults as f
from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.emit import drawn
from qoescope.emit.scenario import Scenario, over_days

MOST_DAYS, MOST_SESSIONS = 366.0, 1_000_000_000


def select_faults(names: Sequence[str]) -> tuple[f.Fault, ...]:
    """The faults of these names; `all` and `none` are names too."""
    known = {fault.name: fault for fault in (*f.FAULTS, *f.DEMO)}
    wanted = [name.strip() for given in names for name in given.split(",") if name.strip()]
    if "all" in wanted:
        return f.FAULTS
    if "demo" in wanted:
        return f.DEMO
    for name in wanted:
        if name not in known and name != "none":
            raise UnknownName("fault", name, [*known, "all", "demo", "none"])
    return tuple(known[name] for name in dict.fromkeys(wanted) if name != "none")


def build_scenario(
    sessions: int, days: float, seed: int, end: date, faults: Sequence[str], random_faults: int
) -> Scenario:
    """A scenario of these options; raises `Mistake` for one that is out of bounds."""
    if not 1 <= sessions <= MOST_SESSIONS:
        raise Mistake(f"--sessions must be between 1 and {MOST_SESSIONS:,}, not {sessions:,}")
    if not 0 < days <= MOST_DAYS:
        raise Mistake(f"--days must be above 0 and at most {MOST_DAYS:g}, not {days:g}")
    if not 0 <= seed < 2**63:
        raise Mistake(f"--seed must be between 0 and 2^63 - 1, not {seed}")
    if not 0 <= random_faults <= 200:  # noqa: PLR2004 - distinct slices run out beyond
        raise Mistake(f"--random-faults must be between 0 and 200, not {random_faults}")
    if not date(1990, 1, 1) <= end <= date(2200, 1, 1):
        raise Mistake(f"--end must be between 1990 and 2200, not {end}")
    run = over_days(
        sessions, days, seed, end, select_faults(faults) if not random_faults or tuple(faults) != ("all",) else ()
    )
    return over_days(sessions, days, seed, end, run.faults + drawn.drawn(run, random_faults))
