"""Process trees: bound to their supervisor, terminated together, and identified by a tag."""

import http.client
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

MARK = "QOESCOPE_STACK"
"""Environment variable of a stack's processes; its value is the stack's folder."""
UNPRIVILEGED = "nobody"
LOW_PRIORITY = 10
"""Niceness of a process with low priority."""
KILL_S = 10.0
"""Time for a killed process to go: a large one frees its memory first."""
PORT_TRIES = 100
"""How many ports are tried to find a free one."""
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def is_root() -> bool:
    """Whether this process may become another user."""
    return os.geteuid() == 0


def is_reachable(path: Path) -> bool:
    """Whether every user may pass through the existing folders that lead to `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def drop_privileges(*paths: Path) -> list[str]:
    """The prefix of a command that makes root run it as nobody with access to `paths`; empty for other users."""
    if not is_root():
        return []
    capable = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    passing = [] if all(map(is_reachable, paths)) else capable
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={_group()}", "--clear-groups", *passing]


def _group() -> int:
    import pwd

    return pwd.getpwnam(UNPRIVILEGED).pw_gid


def bind_to_parent(command: Sequence[str], as_user: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The command, signalled when the *thread* that starts it ends, however that happens (Linux only)."""
    if not shutil.which("setpriv"):
        return list(command)
    return [*(as_user or ["setpriv"]), f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--", *command]


def lower_priority(pid: int) -> None:
    """Gives other processes the processor before this one and its children.

    Where Linux groups processes by session, as by default, the group's weight counts.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, LOW_PRIORITY)
        Path(f"/proc/{pid}/autogroup").write_text(str(LOW_PRIORITY))


def end_process(process: subprocess.Popen[bytes], stop_signal: signal.Signals, within_s: float) -> bool:
    """Stops the process within `within_s` and kills what is left of its tree; True if it stopped by itself."""
    family = descendants(process.pid)
    with suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        process.wait(within_s)
        went = True
    except subprocess.TimeoutExpired:
        went = False
    kill_group(process.pid)
    kill(family)
    process.wait()
    return went


def wait_for_end(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Waits up to `within_s` until the process ends; returns whether it has. Does not poll."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or it is gone
        with suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
    else:
        try:
            select.select([handle], [], [], within_s)
        finally:
            os.close(handle)
    return process.poll() is not None


def descendants(pid: int) -> list[psutil.Process]:
    """The process' children and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except GONE:
        return []


def kill_group(leader: int) -> None:
    """Kills what is left of a process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill(processes: Collection[psutil.Process]) -> None:
    """Kills the processes and waits until they are gone; a reused process id is left alone."""
    for process in processes:
        with suppress(*GONE):
            process.kill()
    _wait_until_gone(processes, KILL_S)


def _wait_until_gone(processes: Iterable[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Those that still run after `within_s`."""
    deadline = time.monotonic() + within_s
    while (left := [process for process in processes if is_running(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)  # noqa: TID251  between two looks at a condition
    return left


def is_running(process: psutil.Process) -> bool:
    """Whether it exists and is no zombie, which not every init process of a container reaps."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def find_marked(mark: str) -> list[psutil.Process]:
    """Processes with the mark, whoever started them."""
    processes_found = []
    for process in psutil.process_iter():
        with suppress(*GONE):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                processes_found.append(process)
    return processes_found


def end_orphans(mark: str, within_s: float = 10.0) -> int:
    """Ends processes that a dead supervisor left behind; returns their number."""
    left = find_marked(mark)
    for process in left:
        with suppress(*GONE):
            process.terminate()
    kill(_wait_until_gone(left, within_s))
    return len(left)


@contextmanager
def reserve_ports(*preferred: int) -> Iterator[list[int]]:
    """Reserves these loopback ports, or free ones where they are taken or 0, while the block runs.

    A port that is bound without listening is given to no other process, while a server that is told of it may listen
    there, also after restarts: servers set SO_REUSEADDR.
    """
    with ExitStack() as open_sockets:
        yield [_reserve_port(open_sockets, port) for port in preferred]


def _reserve_port(open_sockets: ExitStack, preferred: int) -> int:
    for wanted in (preferred, *[0] * PORT_TRIES):
        with ExitStack() as sockets:
            try:
                port = _bind(sockets, socket.SOCK_STREAM, wanted)
                _bind(sockets, socket.SOCK_DGRAM, port)
            except OSError:
                continue
            open_sockets.enter_context(sockets.pop_all())
            return port
    raise OSError("no free port on 127.0.0.1")


def _bind(sockets: ExitStack, kind: socket.SocketKind, port: int) -> int:
    """Binds the port, or a free one for 0, and returns it.

    Two sockets with SO_REUSEADDR may bind one TCP port while none listens, so a TCP socket alone does not keep a second
    stack from it. UDP ports are never shared: whoever has the UDP port of that number has both.
    """
    processes_found = sockets.enter_context(socket.socket(socket.AF_INET, kind))
    if kind == socket.SOCK_STREAM:
        processes_found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    processes_found.bind(("127.0.0.1", port))
    return int(processes_found.getsockname()[1])


def is_listening(port: int, timeout_s: float = 1.0) -> bool:
    """Whether something listens on the port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout_s):
        return True
    return False


def get_body(port: int, path: str, timeout_s: float = 10.0) -> bytes | None:
    """The body of an HTTP answer with a status below 300; None for anything else."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if answer.status < http.client.MULTIPLE_CHOICES else None
