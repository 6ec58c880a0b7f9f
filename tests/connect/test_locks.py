import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qoescope.connect import locks

OWNER = """
import signal, sys
from pathlib import Path
from qoescope.connect import locks
with locks.own(Path(sys.argv[1]), "the state"):
    print("owned", flush=True)
    signal.pause()
"""


def test_a_newcomer_is_told_who_owns_it_and_gets_it_once_the_owner_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owned\n"
        with pytest.raises(locks.Owned, match=rf"the state is owned by process {owner.pid} since .* on "):
            locks.own(path, "the state").__enter__()
        owner.send_signal(signal.SIGKILL)
        owner.wait(30)
    with locks.own(path, "the state"):
        assert path.read_text() == locks.describe_process()
        with pytest.raises(locks.Owned, match="the state is owned by process"):
            locks.own(path, "the state").__enter__()
    with locks.own(path, "the state"):
        pass


def test_the_name_of_a_process_tells_it_apart_within_what_postgres_keeps_of_it() -> None:
    assert locks.describe_process()[:63].startswith("process ")
    assert " UTC on " in locks.describe_process()[:63]


def test_a_state_is_owned_also_where_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.symlink_to("/dev/full")  # takes every lock and no byte
    with locks.own(path, "the state"), pytest.raises(locks.Owned, match="a process that has not told its name"):
        locks.own(path, "the state").__enter__()
