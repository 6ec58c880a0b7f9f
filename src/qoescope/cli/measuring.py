"""Runs benchmarks: one by name, or all of them into one table."""

import subprocess
import sys
from typing import Annotated

import typer

from qoescope.catalog.errors import Mistake, UnknownName

EVERYTHING = "all"
"""The script that runs the others; not a measurement itself."""


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command(context_settings={"ignore_unknown_options": True})(bench)


def bench(
    name: Annotated[str, typer.Argument(help="What to measure; everything when none is given.")] = "",
    options: Annotated[
        list[str] | None, typer.Argument(help="Options of that measurement, such as --seeds 50.")
    ] = None,
) -> None:
    """Measure, beside peers in the same run; without a name, all of it into docs/benchmarks.md."""
    from qoescope.settings import ROOT

    if name.startswith("-"):
        name, options = "", [name, *(options or [])]
    scripts = {path.stem: path for path in sorted((ROOT / "bench").glob("*.py"))}
    known = [stem for stem in scripts if stem != EVERYTHING]
    if not known:
        raise Mistake("measurements lie in the checkout, in bench/, not in the installed package")
    if name and name not in known:
        raise UnknownName("measurement", name, known)
    command = [sys.executable, str(scripts[name or EVERYTHING]), *(options or [])]
    raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603
