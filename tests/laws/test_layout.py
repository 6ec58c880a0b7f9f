"""Layout: the folders, their titles and who may import whom."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "qoescope"
STAGES = ["emit", "ingest", "lake", "mart", "monitor", "serve"]
DRAWERS = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 45
REASON_WITHIN = 10
REGISTRIES = [("pypi", "org"), ("pythonhosted", "org"), ("maven", "org"), ("maven", "apache", "org"), ("npmjs", "org")]


def tracked(*patterns: str) -> list[Path]:
    """Files of the project, tracked or about to be, never what set-up or a run made."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [path for line in listing.stdout.splitlines() if (path := ROOT / line).is_file()]


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    given = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in plain | given}


def test_import_contracts_hold_and_every_folder_has_its_place() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_stages_sort_as_the_data_flows() -> None:
    assert sorted(STAGES) == STAGES
    assert set(STAGES) <= {folder.name for folder in SOURCE.iterdir() if folder.is_dir()}


def test_every_folder_is_a_package_that_the_contracts_see() -> None:
    folders = {module.parent for module in SOURCE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_no_folder_or_module_is_a_drawer() -> None:
    names = {path: {*path.relative_to(ROOT).parts[:-1], path.stem} for path in tracked("*.py")}
    assert [path for path, parts in names.items() if parts & DRAWERS] == []


def test_every_module_begins_with_a_title_of_one_line() -> None:
    titles = {path: docstring(path).partition("\n\n")[0] for path in SOURCE.rglob("*.py")}
    assert [path for path, title in titles.items() if not title or "\n" in title] == []


def test_a_package_s_init_holds_a_docstring_and_nothing_else() -> None:
    bodies = {path: ast.parse(path.read_text()).body for path in SOURCE.rglob("__init__.py")}
    assert [path for path, body in bodies.items() if len(body) != 1 or not docstring(path)] == []


def test_the_catalog_imports_only_the_standard_library() -> None:
    allowed = sys.stdlib_module_names | {"qoescope"}
    strays = {path.name: imported(path) - allowed for path in (SOURCE / "catalog").rglob("*.py")}
    assert {name: libraries for name, libraries in strays.items() if libraries} == {}


def test_only_the_load_generator_speaks_http_over_a_socket_of_its_own() -> None:
    opening = re.compile(r"\b(create_connection|open_connection)\(")
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if opening.search(path.read_text())}
    assert found - {"stack/processes.py"} == {"emit/sender.py"}  # the stack asks only whether a port is taken


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_of_the_source_is_longer_than_a_head_holds() -> None:
    long = {path.relative_to(SOURCE): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert {path: count for path, count in long.items() if count > MOST_LINES} == {}


def test_no_function_of_the_source_is_longer_than_a_screen() -> None:
    long = {f"{path.relative_to(SOURCE)}: {f.name}": lines(f) for path in SOURCE.rglob("*.py") for f in functions(path)}
    assert {name for name, count in long.items() if count > MOST_LINES_OF_A_FUNCTION} == set()


def test_another_file_beyond_three_hundred_lines_says_why_in_its_first_lines() -> None:
    texts = {path: path.read_text().splitlines() for path in tracked("*.py") if SOURCE not in path.parents}
    long = {path: lines for path, lines in texts.items() if len(lines) > MOST_LINES}
    assert [path for path, lines in long.items() if "Long because" not in "\n".join(lines[:REASON_WITHIN])] == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a registry's host", "|".join(rf"\b{re.escape('.'.join(parts))}\b" for parts in REGISTRIES)),
        ("an index", r"(--(extra-)?index-url[ =]+http|https?://[^ \"']*/(simple|maven2)\b)"),
        ("a path of one machine", r"(?<![\w.}/])/(work|root|home)/\w"),
    ],
)  # fmt: skip
def test_no_text_of_the_project_names(what: str, pattern: str) -> None:
    texts = {path: path.read_bytes().decode(errors="ignore") for path in tracked()}
    named = {
        str(path.relative_to(ROOT)): found[0] for path, text in texts.items() if (found := re.search(pattern, text))
    }
    assert named == {}, what
