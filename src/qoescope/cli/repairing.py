"""Repairs streams: sets a damaged checkpoint aside, so that the stream begins a new one."""

import sys
from typing import Annotated

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli.terminal import print_line, settings

WAIT_S = 60.0


def repair(
    stream: Annotated[str, typer.Argument(help="A stream, such as events; each that is damaged by default.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
) -> None:
    """Set a damaged checkpoint aside; the stream begins a new one, and nothing is lost or counted twice."""
    from qoescope.connect import checkpoints

    here = settings()
    known = checkpoints.list_names(here)
    if stream and stream not in known:
        raise Mistake(f"no checkpoint of a stream '{stream}'; there are: {', '.join(known) or 'none'}")
    damaged = {
        name: found
        for name in ([stream] if stream else known)
        if (found := list(checkpoints.find_damages(checkpoints.location(here, name))))
    }
    if not damaged:
        print_line("every checkpoint can be read: nothing to repair")
        return
    for name, damages in damaged.items():
        for damage in damages:
            print_line(f"{name}: {damage}")
        print_line(
            f"{name}: will set {checkpoints.location(here, name)} aside and let the stream begin where the books say"
        )
    if not yes and not (sys.stdin.isatty() and typer.confirm("Go on?")):
        print_line("nothing was changed; --yes does it")
        raise typer.Exit(1)
    for name in damaged:
        with checkpoints.own_soon(here, name, WAIT_S):
            done = checkpoints.set_aside(here, name)
        print_line(f"{name}: set aside as {done.set_aside}; its stream goes on by itself, or when it is started")
