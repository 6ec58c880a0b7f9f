import json
import os
import signal
import subprocess
import sys
import threading
from collections import UserDict
from collections.abc import Callable, Iterator
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
SOON_S = 60
MANY = 500


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
        first = until(pid_of(children, "one"), SOON_S)
        children.wait(["one"], SOON_S)
        os.kill(first, signal.SIGKILL)
        again = until(lambda: pid if (pid := pid_of(children, "one")()) != first else None, SOON_S)
        until(lambda: children["one"].state == "ready", SOON_S)
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
        until(lambda: lines.exists() and "up" in lines.read_text(), SOON_S)
        children["one"].restart({"GIVEN": "given"})
        children.wait(["one"], SOON_S)
        until(lambda: lines.read_text().split() == ["kept", "None", "up", "kept", "given", "up"], SOON_S)
    finally:
        children.stop()


def test_a_part_starts_only_when_those_it_needs_are_settled(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    turns: list[str] = []
    first = part("first", ready=allowed.exists, set_up=lambda: turns.append("settled"))
    second = part("second", needs=("first",), prepare=lambda: turns.append("second"))
    children = Children(tmp_path, [first, second])
    children.start()
    try:
        until(lambda: children["first"].state == "starting", SOON_S)
        assert children["second"].state == "waiting"
        allowed.touch()
        children.wait(["first", "second"], SOON_S)
    finally:
        children.stop()
    assert turns == ["settled", "second"]


def test_stopping_ends_also_what_a_part_started_itself(tmp_path: Path) -> None:
    children = Children(tmp_path, [part("parent", FORKS)])
    children.start()
    family = until(lambda: processes.descendants(pid_of(children, "parent")() or 0), SOON_S)
    children.stop()
    assert not [process for process in family if processes.is_running(process)]


def test_a_part_that_does_not_stop_is_killed_after_its_time(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    children = Children(tmp_path, [part("stubborn", stubborn, stop_s=0.3)])
    children.start()
    pid = until(pid_of(children, "stubborn"), SOON_S)
    until(lambda: "deaf" in children.log_path("stubborn").read_text(), SOON_S)
    children.stop()
    assert not psutil.pid_exists(pid)


class Asked(UserDict[str, str]):
    """Variables that are told to nobody before they are known."""

    def __init__(self) -> None:
        self.asked, self.known = threading.Event(), threading.Event()
        super().__init__()

    def __iter__(self) -> Iterator[str]:
        self.asked.set()
        self.known.wait(SOON_S)
        return super().__iter__()


def test_a_part_that_is_just_being_started_when_all_stops_is_stopped_too(tmp_path: Path) -> None:
    variables = Asked()
    children = Children(tmp_path, [part("late", environment=variables)])
    children.start()
    assert variables.asked.wait(SOON_S)
    stopping = threading.Thread(target=children.stop, args=(10 * SOON_S,))
    stopping.start()
    variables.known.set()
    stopping.join(SOON_S)
    assert not stopping.is_alive()
    assert children["late"].state == "stopped"


def test_a_part_whose_readiness_cannot_be_told_for_once_is_asked_again(tmp_path: Path) -> None:
    told = iter([False, True])

    def ready() -> bool:
        if not next(told):
            raise subprocess.TimeoutExpired("is_it_ready", 5)
        return True

    children = Children(tmp_path, [part("busy", ready=ready)])
    children.start()
    try:
        children.wait(["busy"], SOON_S)
    finally:
        children.stop()


def test_those_that_others_need_stop_last(tmp_path: Path) -> None:
    order: list[str] = []
    children = Children(tmp_path, [part("store"), part("reader", needs=("store",))], lambda: None)
    children.changed = lambda: order.extend(c.name for c in children if c.state == "stopped" and c.name not in order)
    children.start()
    children.wait(["reader"], SOON_S)
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
children.wait(["one"], 60)
print(children["one"].process.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), STAYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = psutil.Process(int(supervisor.stdout.readline()))
        supervisor.kill()
    until(lambda: not processes.is_running(child), SOON_S, "the child ends")


def test_what_a_dead_stack_left_is_found_by_its_mark(tmp_path: Path) -> None:
    environment = {"PATH": os.defpath, processes.MARK: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", STAYS], env=environment, stdout=subprocess.PIPE, text=True) as left:
        assert left.stdout is not None
        left.stdout.readline()
        assert [p.pid for p in processes.find_marked(str(tmp_path))] == [left.pid]
        assert processes.end_orphans(str(tmp_path)) == 1
        assert left.wait() == 0


def test_only_one_stack_runs_in_a_folder(tmp_path: Path) -> None:
    settings = Settings(var=tmp_path)
    with state.lock_folder(settings), pytest.raises(Mistake, match="already runs"), state.lock_folder(settings):
        pass
    with state.lock_folder(settings):
        pass


def test_other_commands_find_where_the_stack_listens_but_what_was_set_by_hand_stays(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = {"supervisor": state.supervisor(), "settings": {"door_port": 1111, "console_port": 2222}, "parts": {}}
    state.write(Settings(var=tmp_path), place)
    here = state.locate(Settings(var=tmp_path, console_port=3333))
    assert (here.door_port, here.console_port) == (1111, 3333)


def test_the_state_of_a_supervisor_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = {"supervisor": state.supervisor() | {"started": 1.0}, "settings": {}, "parts": {}}
    state.path(Settings(var=tmp_path)).write_text(json.dumps(place))
    assert state.read(Settings(var=tmp_path)) is None


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> object:
    yield
    left = processes.find_marked(str(tmp_path))
    with suppress(psutil.NoSuchProcess):
        processes.kill(left)
    assert not left


def test_a_disk_that_takes_nothing_stops_no_supervision(tmp_path: Path) -> None:
    """Neither where the state of the parts is written, nor where a part's log is: once there is room it goes on."""
    room = threading.Event()

    def changed() -> None:
        if not room.is_set():
            raise OSError(28, "No space left on device")

    children = Children(tmp_path, [part("one")], changed)
    blocker = children.log_path("one")
    blocker.mkdir(parents=True)
    children.start()
    try:
        until(lambda: children["one"].restarts > 0, SOON_S, "it is tried again")
        until(lambda: "Is a directory" in children["one"].reason, SOON_S, "why is said")
        blocker.rmdir()
        until(pid_of(children, "one"), SOON_S, "it runs")
        room.set()
        children.wait(["one"], SOON_S)
        until(lambda: (children["one"].state, children["one"].reason) == ("ready", ""), SOON_S, "it is ready")
    finally:
        children.stop()
