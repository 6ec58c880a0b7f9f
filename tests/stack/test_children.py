import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from until import until

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings
from qoescope.stack import processes, state
from qoescope.stack.children import Children, Part

STAYS = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); time.sleep(600)"
)
FORKS = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STAYS!r}]); {STAYS}"


def part(name: str, script: str = STAYS, **more: object) -> Part:
    return Part(name, [sys.executable, "-c", script], **{"ready": lambda: True, **more})  # type: ignore[arg-type]


def pid_of(children: Children, name: str) -> Callable[[], int | None]:
    def pid() -> int | None:
        process = children[name].process
        return process.pid if process is not None and process.poll() is None else None

    return pid


def test_a_part_that_dies_is_started_again(tmp_path: Path) -> None:
    children = Children(tmp_path, [part("one")])
    children.start()
    try:
        first = until(pid_of(children, "one"), 10)
        children.wait(["one"], 10)
        os.kill(first, signal.SIGKILL)
        again = until(lambda: pid if (pid := pid_of(children, "one")()) != first else None, 20)
        until(lambda: children["one"].state == "ready", 10)
    finally:
        children.stop()
    assert children["one"].restarts == 1
    assert not psutil.pid_exists(again)


def test_a_part_is_started_again_with_other_variables(tmp_path: Path) -> None:
    said = f"import os; print(os.environ['KEPT'], os.environ.get('GIVEN'), flush=True); {STAYS}"
    children = Children(tmp_path, [part("one", said, environment={"KEPT": "kept"})])
    lines = children.log_path("one")
    children.start()
    try:
        until(lambda: lines.exists() and "up" in lines.read_text(), 10)
        children["one"].again({"GIVEN": "given"})
        children.wait(["one"], 20)
        until(lambda: lines.read_text().split() == ["kept", "None", "up", "kept", "given", "up"], 10)
    finally:
        children.stop()


def test_a_part_starts_only_when_those_it_needs_are_settled(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    turns: list[str] = []
    first = part("first", ready=allowed.exists, settle=lambda: turns.append("settled"))
    second = part("second", needs=("first",), prepare=lambda: turns.append("second"))
    children = Children(tmp_path, [first, second])
    children.start()
    try:
        until(lambda: children["first"].state == "starting", 10)
        assert children["second"].state == "waiting"
        allowed.touch()
        children.wait(["first", "second"], 10)
    finally:
        children.stop()
    assert turns == ["settled", "second"]


def test_stopping_ends_also_what_a_part_started_itself(tmp_path: Path) -> None:
    children = Children(tmp_path, [part("parent", FORKS)])
    children.start()
    family = until(lambda: processes.descendants(pid_of(children, "parent")() or 0), 10)
    children.stop()
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_part_that_does_not_stop_is_killed_after_its_time(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    children = Children(tmp_path, [part("stubborn", stubborn, stop_s=0.3)])
    children.start()
    pid = until(pid_of(children, "stubborn"), 10)
    until(lambda: "deaf" in children.log_path("stubborn").read_text(), 10)
    children.stop()
    assert not psutil.pid_exists(pid)


def test_those_that_others_need_stop_last(tmp_path: Path) -> None:
    order: list[str] = []
    children = Children(tmp_path, [part("store"), part("reader", needs=("store",))], lambda: None)
    children.changed = lambda: order.extend(c.name for c in children if c.state == "stopped" and c.name not in order)
    children.start()
    children.wait(["reader"], 10)
    children.stop()
    assert order == ["reader", "store"]


def test_a_part_that_is_never_ready_is_named(tmp_path: Path) -> None:
    children = Children(tmp_path, [part("slow", ready=lambda: False)])
    children.start()
    try:
        with pytest.raises(Mistake, match="slow is not ready"):
            children.wait(["slow"], 0.3)
    finally:
        children.stop()


SUPERVISOR = """
import sys, threading
from pathlib import Path
from qoescope.stack.children import Children, Part
folder = Path(sys.argv[1])
up = lambda: b"up" in (folder / "log" / "one.log").read_bytes()  # it asked to be told of the death by then
children = Children(folder, [Part("one", [sys.executable, "-c", sys.argv[2]], ready=up)])
children.start()
children.wait(["one"], 20)
print(children["one"].process.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), STAYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    until(lambda: not psutil.pid_exists(pid), 10, "the child ends")


def test_what_a_dead_stack_left_is_found_by_its_mark(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, processes.MARK: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", STAYS], env=environment, stdout=subprocess.PIPE, text=True) as left:
        assert left.stdout is not None
        left.stdout.readline()
        assert [p.pid for p in processes.marked(str(tmp_path))] == [left.pid]
        assert processes.sweep(str(tmp_path)) == 1
        assert left.wait() == 0


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert processes.free_port(port) != port
    assert processes.free_port(port) == port


def test_only_one_stack_runs_in_a_folder(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with state.alone(settings), pytest.raises(Mistake, match="already runs"), state.alone(settings):
        pass
    with state.alone(settings):
        pass


def test_other_commands_find_where_the_stack_listens_but_what_was_set_by_hand_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = {"supervisor": state.supervisor(), "settings": {"door_port": 1111, "console_port": 2222}, "parts": {}}
    state.written(Settings(var=tmp_path), place)
    here = state.here(Settings(var=tmp_path, console_port=3333))
    assert (here.door_port, here.console_port) == (1111, 3333)


def test_the_state_of_a_supervisor_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = {"supervisor": state.supervisor() | {"started": 1.0}, "settings": {}, "parts": {}}
    state.path(Settings(var=tmp_path)).write_text(json.dumps(place))
    assert state.read(Settings(var=tmp_path)) is None


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> object:
    yield
    left = processes.marked(str(tmp_path))
    with suppress(psutil.NoSuchProcess):
        processes.kill(left)
    assert not left
