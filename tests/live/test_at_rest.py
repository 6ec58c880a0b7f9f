"""At rest: what a stack leaves on disk is for the user who runs it, and for nobody else."""

import stat
from pathlib import Path

import pytest
from whole_stack import Stack

pytestmark = pytest.mark.live
OTHERS = stat.S_IRWXG | stat.S_IRWXO
PASSES = stat.S_IXGRP | stat.S_IXOTH


def open_to_others(folder: Path) -> list[str]:
    """Every file and folder below it that somebody else may read, write or enter."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_symlink() and path.exists() and (mode := path.stat().st_mode) & OTHERS:
            found.append(f"{stat.filemode(mode)} {path.relative_to(folder)}")
    return found


def test_nobody_else_may_read_what_a_whole_stack_keeps(stack: Stack) -> None:
    stack.traffic(rate=200, seconds=5).finished()
    stack.settled()
    done = stack.command("batch", "restate", str(stack.rows("select current_date")[0][0]))
    assert done.returncode == 0, done.stderr
    var = stack.settings.var
    kept = {path.relative_to(var).parts[0] for path in var.rglob("*")}
    assert {"airflow", "checkpoints", "door", "kafka", "lake", "log", "postgres", "run", "secrets"} <= kept
    assert open_to_others(var) == []
    assert not stat.S_IMODE(var.stat().st_mode) & (OTHERS & ~PASSES)
