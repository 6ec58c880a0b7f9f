"""The package: what its wheel holds, and what it needs."""

import ast
import json
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
BROUGHT = {"pydantic": "pydantic-settings", "starlette": "fastapi", "py4j": "pyspark", "psycopg-pool": "psycopg"}
"""Packages that come with another one and belong to it."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built from this checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


def test_wheel_holds_every_file_of_the_sources_and_nothing_else(wheel: ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/qoescope").rglob("*")
             if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert held == there
    assert {"qoescope/py.typed", "qoescope/ingest/static/qoescope.js", "qoescope/serve/assets/console.css"} <= held


def test_wheel_names_its_command_its_licence_and_its_text(wheel: ZipFile) -> None:
    said = {name.rsplit("/", 1)[1]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "qoescope = qoescope.cli.app:main" in said["entry_points.txt"]
    assert "Apache License" in said["LICENSE"]
    assert "Requires-Python: <3.13,>=3.11" in said["METADATA"]
    assert "# Streaming Service QoE Analytics" in said["METADATA"]


def imports(folder: Path) -> set[str]:
    """Packages, by the name they are installed by, that modules of the folder import, wherever in them."""
    trees = [ast.parse(path.read_text()) for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    given = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    roots = {name.split(".")[0] for name in plain | given} - sys.stdlib_module_names - {"qoescope"}
    installed = metadata.packages_distributions()
    return {canonicalize_name(installed[name][0]) for name in roots if name in installed}


def names(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_package_that_is_imported_is_declared() -> None:
    declared = names(PROJECT["dependencies"]).union(*(names(extra) for extra in EXTRAS.values()))
    used = {BROUGHT.get(name, name) for name in imports(ROOT / "src/qoescope")}
    assert used <= declared


def test_every_declared_package_is_locked_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = {
        canonicalize_name(line.split("==")[0]) for line in lock.splitlines() if "==" in line and line[0].isalpha()
    }
    declared = names(PROJECT["dependencies"]).union(*(names(extra) for extra in EXTRAS.values()))
    assert declared - {"qoescope"} <= locked
    assert lock.count("--hash=sha256:") >= len(locked)


def needed(requirements: Iterable[str]) -> set[str]:
    """The packages that come with these, all the way down."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if any(one.marker is None or one.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
            try:
                more = [Requirement(text) for text in metadata.requires(name) or []]
            except metadata.PackageNotFoundError:
                continue
            wanted = [
                r for r in more if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("", *one.extras))
            ]
            for r in wanted:
                r.marker = None
            if name not in found:
                waiting += wanted
            found.add(name)
    return found


CORE_ALONE = """
import json, runpy, sys
from pathlib import Path

class Absent:
    names = set(json.loads(Path(sys.argv[1]).read_text()))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["generate_telemetry.py", "--sessions", "50", "--workers", "1", "--out", sys.argv[2]]
runpy.run_path("generate_telemetry.py", run_name="__main__")
"""
"""Runs the data set's script where the packages of a list seem not to be installed."""


def test_the_data_set_needs_the_core_only(tmp_path: Path) -> None:
    core = needed(PROJECT["dependencies"]) | {"qoescope", "setuptools", "editables"}
    installed = metadata.packages_distributions()
    absent = [name for name, found in installed.items() if not core & {canonicalize_name(one) for one in found}]
    assert {"pandas", "pyspark", "dash", "fastapi"} <= set(absent)
    (tmp_path / "absent.json").write_text(json.dumps(absent))
    subprocess.run(
        [sys.executable, "-c", CORE_ALONE, tmp_path / "absent.json", tmp_path], cwd=ROOT, check=True, timeout=120
    )
    assert len((tmp_path / "streaming_telemetry.csv").read_text().splitlines()) == 51


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed_with(wheel: ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs `qoescope` in an environment that holds the wheel, what it needs and what one extra needs: nothing else."""
    made: dict[str, Path] = {}

    def environment(extra: str) -> Path:
        folder = tmp_path_factory.mktemp(extra or "core")
        venv.create(folder, symlinks=True, with_pip=False)
        (site,) = folder.glob("lib/python*/site-packages")
        wheel.extractall(site)
        own = [text for name in wanted(extra) for text in EXTRAS[name]]
        for name in needed([*PROJECT["dependencies"], *own]) - {"qoescope"}:
            for top in {file.parts[0] for file in metadata.files(name) or [] if file.parts[0] != ".."}:
                if not (site / top).exists():
                    (site / top).symlink_to(str(metadata.distribution(name).locate_file(top)))
        return folder

    def with_extra(extra: str) -> Run:
        made[extra] = made.get(extra) or environment(extra)
        state = made[extra] / "state"

        def run(*arguments: str, module: str = "qoescope.cli.app", given: str = "") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [made[extra] / "bin" / "python", "-m", module, *arguments], input=given, capture_output=True, text=True,
                check=False, timeout=120, cwd=made[extra],
                env={"PATH": "/usr/bin:/bin", "QOESCOPE_VAR": str(state), "AIRFLOW_HOME": str(state / "airflow"),
                     "QOESCOPE_STREAM_PORT": "0", "QOESCOPE_MONITOR_PORT": "0"},
            )  # fmt: skip

        return run

    return with_extra


def wanted(extra: str) -> set[str]:
    """The extra and those that it names."""
    if not extra:
        return set()
    own = [Requirement(text) for text in EXTRAS[extra]]
    return {extra}.union(*(wanted(name) for one in own if one.name == "qoescope" for name in one.extras))


WORKS = [
    ("", ["--version"], 0, "qoescope 0.1.0"),
    ("", ["fold", "-"], 2, "nothing in stdin could be read as a beacon"),
    ("", ["cmcd", "decode", "br=3200"], 0, "3200"),
    ("", ["ask", "plays"], 2, "no Postgres for the reader"),
    ("", ["monitor"], 2, "no Postgres for the writer"),
    ("collector", ["keys", "new", "demo"], 0, "qw_"),
    ("spark", ["ledger"], 2, "no Postgres for the writer"),
    ("spark", ["stream"], 2, "no jars in"),
    ("airflow", ["batch", "restate", "2026-01-02"], 2, "are past their 90 days"),
    ("console", ["console"], 2, "no Postgres for the"),
]
"""Extra, command, exit code, what it says: it works as far as it can without a service."""


@pytest.mark.parametrize(("extra", "command", "code", "says"), WORKS)
def test_each_extra_alone_is_enough_for_its_commands(
    installed_with: Callable[[str], Run], extra: str, command: list[str], code: int, says: str
) -> None:
    done = installed_with(extra)(*command)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stderr


LACKS = [("", "collect", "collector"), ("", "stream", "spark"), ("", "console", "console"),
         ("collector", "ledger", "spark"), ("spark", "collect", "collector")]  # fmt: skip


@pytest.mark.parametrize(("extra", "command", "missing"), LACKS)
def test_a_command_of_another_extra_says_in_one_line_which_one(
    installed_with: Callable[[str], Run], extra: str, command: str, missing: str
) -> None:
    done = installed_with(extra)(command)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"pip install 'qoescope[{missing}]'" in done.stderr


def test_airflow_itself_comes_with_its_extra(installed_with: Callable[[str], Run]) -> None:
    done = installed_with("airflow")("version", module="airflow")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("3.3.2")
