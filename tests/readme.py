"""README's commands, and where each one is run: here without a stack, beside a running one, or by name elsewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXCUSED = {
    "make demo": "stays up until Ctrl-C; its parts and its run are test_demo_parts and test_demo_run",
    "make demo ONCE=1": "the same run on a stack of its own: test_demo_run holds what it does",
    "make test test-cluster": "is what runs these tests",
    "make setup": "is run by `make test` before any test",
}
"""Not run by a test of its own, and why."""
ALONE = (".venv/bin/python generate_telemetry.py", ".venv/bin/qoescope explain", ".venv/bin/qoescope --help")
"""Beginnings of commands that need no stack; the other ones of qoescope are run beside one."""


def commands() -> list[str]:
    """What README tells people to type, one command a line."""
    text = "\n".join(BLOCK.findall((ROOT / "README.md").read_text())).replace("\\\n", " ")
    lines = [re.sub(r"\s#.*$", "", line).strip() for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines if line]


def alone() -> list[str]:
    """Commands that need no stack."""
    return [line for line in commands() if line.startswith(ALONE)]


def beside() -> list[str]:
    """Commands for another terminal, while a stack runs."""
    return [line for line in commands() if line.startswith(".venv/bin/qoescope ") and not line.startswith(ALONE)]


def typed(line: str, folder: Path, var: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as it is written, with this installation, in `folder`."""
    program, *words = shlex.split(line)
    script = [str(ROOT / words.pop(0))] if program.endswith("/python") else ["-m", "qoescope.cli.app"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | ({"QOESCOPE_VAR": str(var)} if var else {})
    return subprocess.run(
        [sys.executable, *script, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=600,
    )  # fmt: skip
