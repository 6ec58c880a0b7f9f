"""Little: Postgres and a console on a day of few viewers, for tests that ask how it behaves and not what it shows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console_marts import UP_S, Console, Marts, filled, placed

from qoescope.serve.jobs import accounts
from qoescope.stack import assembly

SESSIONS, DAYS = 3_000, 1


@contextmanager
def console(*names: str, **more: Any) -> Iterator[Console]:
    """Postgres and these parts beside it; people are ada (admin), otto (operator of demo) and ravi (reader of demo)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        assembly.run_parts(placed(Path(folder) / "var", **more), ("postgres", *names)) as (here, children),
    ):
        children.wait(["postgres", *names], UP_S)
        path = Path(folder) / "sessions.parquet"
        session_id, count = filled(here, path, SESSIONS, DAYS)
        for name, role, properties in (
            ("ada", "admin", "*"), ("otto", "operator", "demo"), ("ravi", "reader", "demo"),
            ("token bob", "reader", "demo"),
        ):  # fmt: skip
            accounts.new_user(here, name, role, [properties], f"{name}'s password")
        token = accounts.new_token(here, "test", "demo", ["read", "export", "annotate", "replay"])
        yield Console(here, Marts(here.var, token, session_id, path, count))
