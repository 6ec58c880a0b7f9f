"""README's commands for another terminal, typed as they are written while a stack runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import readme
from whole_stack import Stack

pytestmark = pytest.mark.live
TRAFFIC = {"generate live": "acknowledged"}
MEANWHILE = {"status": "postgres"}
AFTERWARDS = {"ask live_concurrent_viewers": "live_concurrent_viewers", "ask startup_p50_ms": "smart_tv",
              "ledger": "all books agree"}  # fmt: skip
"""What each of them says at least."""


def test_every_command_for_another_terminal_works_as_written(stack: Stack, tmp_path: Path) -> None:
    says = TRAFFIC | MEANWHILE | AFTERWARDS
    lines = {begin: line for line in readme.beside() for begin in says if f"/qoescope {begin}" in line}
    assert sorted(lines.values()) == sorted(set(readme.beside()))

    def typed(begin: str) -> None:
        done = readme.typed(lines[begin], tmp_path, stack.settings.var)
        assert done.returncode == 0, (lines[begin], done.stdout[-800:], done.stderr[-800:])
        assert says[begin] in done.stdout, lines[begin]

    with ThreadPoolExecutor() as terminals:
        list(terminals.map(typed, [*TRAFFIC, *MEANWHILE]))
    stack.settled()  # so that there is something to ask about
    for begin in AFTERWARDS:
        typed(begin)
