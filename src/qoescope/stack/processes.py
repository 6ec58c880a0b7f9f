"""Processes: started so that none outlives its supervisor, ended with all of their own, found again by their mark."""

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
"""Variable that a stack's processes carry; its value is the stack's folder."""
UNPRIVILEGED = "nobody"
GIVES_WAY = 10
"""How nice a process is that may take its time."""
LONGEST_DEATH_S = 10.0
"""Until a killed process is gone: a large one gives its memory back first."""
TRIES = 100
"""Ports that are looked at for a free one."""
GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def is_root() -> bool:
    """Whether this process may become another user."""
    return os.geteuid() == 0


def reachable(path: Path) -> bool:
    """Whether every user may pass through the folders that lead to `path`, as far as they are there."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def unprivileged(*paths: Path) -> list[str]:
    """What to put before a command so that root runs it as nobody, who can still reach `paths`; nothing for others."""
    if not is_root():
        return []
    capable = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    passing = [] if all(map(reachable, paths)) else capable
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={_group()}", "--clear-groups", *passing]


def _group() -> int:
    import pwd

    return pwd.getpwnam(UNPRIVILEGED).pw_gid


def bound(command: Sequence[str], as_user: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The command so that it is signalled when the *thread* that starts it ends, however that happens (Linux only)."""
    if not shutil.which("setpriv"):
        return list(command)
    return [*(as_user or ["setpriv"]), f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--", *command]


def give_way(pid: int) -> None:
    """Lets others have the processor before this process and what it starts.

    Where Linux groups processes by session, as it does by default, it is the group's weight that counts.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, GIVES_WAY)
        Path(f"/proc/{pid}/autogroup").write_text(str(GIVES_WAY))


def ended(process: subprocess.Popen[bytes], stop_signal: signal.Signals, within_s: float) -> bool:
    """Asks the process to stop and waits; what is left of it and its own is killed then. True if it went by itself."""
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


def has_ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Waits until the process ends, for at most so long; whether it has. Costs nothing meanwhile."""
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
    """Kills those that still run and waits until they are gone; a process id that went to another is left alone."""
    for process in processes:
        with suppress(*GONE):
            process.kill()
    _running(processes, LONGEST_DEATH_S)


def _running(processes: Iterable[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Which of them run on after so long."""
    deadline = time.monotonic() + within_s
    while (left := [process for process in processes if runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)  # noqa: TID251  between two looks at a condition
    return left


def runs(process: psutil.Process) -> bool:
    """Whether it is there and no zombie: not every first process of a container buries those."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def marked(mark: str) -> list[psutil.Process]:
    """Processes that carry the mark, whoever started them."""
    found = []
    for process in psutil.process_iter():
        with suppress(*GONE):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def sweep(mark: str, within_s: float = 10.0) -> int:
    """Ends what a supervisor that died left behind; how many there were."""
    left = marked(mark)
    for process in left:
        with suppress(*GONE):
            process.terminate()
    kill(_running(left, within_s))
    return len(left)


@contextmanager
def held(*preferred: int) -> Iterator[list[int]]:
    """Each of these ports of loopback, or another free one where it is taken or 0; meanwhile nobody else is given them.

    A port that is bound and does not listen is handed out to no other, while a server that was told of it may listen
    there, now and each time it is started again: servers set SO_REUSEADDR.
    """
    with ExitStack() as open_sockets:
        yield [_hold(open_sockets, port) for port in preferred]


def _hold(open_sockets: ExitStack, preferred: int) -> int:
    for wanted in (preferred, *[0] * TRIES):
        with ExitStack() as held:
            try:
                port = _bind(held, socket.SOCK_STREAM, wanted)
                _bind(held, socket.SOCK_DGRAM, port)
            except OSError:
                continue
            open_sockets.enter_context(held.pop_all())
            return port
    raise OSError("no free port on 127.0.0.1")


def _bind(held: ExitStack, kind: socket.SocketKind, port: int) -> int:
    """Binds the port, or a free one for 0, and gives its number.

    Two sockets with SO_REUSEADDR may bind one TCP port as long as none listens, so a TCP socket alone keeps no second
    stack from the same port. A UDP port is never shared: whoever has that of the same number has both.
    """
    found = held.enter_context(socket.socket(socket.AF_INET, kind))
    if kind == socket.SOCK_STREAM:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return int(found.getsockname()[1])


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Whether somebody listens on the port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout_s):
        return True
    return False


def said(port: int, path: str, timeout_s: float = 10.0) -> bytes | None:
    """What the HTTP server on this port says with a status below 300; None for anything else."""
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
