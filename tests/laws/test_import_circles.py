"""Import circles: no file needs, through others, itself; neither to run nor to say its types."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

TYPES_IN_A_CIRCLE = "qoescope.ingest"
"""The files of a connection at the door name each other's types; they import each other for nothing else."""


def imports(*, with_types: bool) -> dict[str, set[str]]:
    """Each module, and those that it imports itself."""
    graph = grimp.build_graph("qoescope", exclude_type_checking_imports=not with_types, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circle(needs: dict[str, set[str]]) -> list[str]:
    """A circle, as the modules on the way round; empty where there is none."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_needs_itself_to_run() -> None:
    assert circle(imports(with_types=False)) == []


def test_no_file_needs_itself_to_say_its_types() -> None:
    needs = imports(with_types=True)
    assert circle({module: of for module, of in needs.items() if not module.startswith(TYPES_IN_A_CIRCLE)}) == []


@pytest.mark.parametrize("way", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}}])
def test_a_circle_is_found_whatever_its_length(way: dict[str, set[str]]) -> None:
    assert set(circle(way)) == set(way)
