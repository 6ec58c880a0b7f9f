"""README's commands without a stack do what README says; those beside a running one exist, with their options."""

from pathlib import Path

import readme

COUNTS = """\
device_type,app_version,sessions,failures,base_sessions,base_failures
web,v1,1000,20,1000,20
web,v2,1000,310,1000,22
smart_tv,v1,1000,19,1000,20
smart_tv,v2,1000,21,1000,19
"""


def test_every_command_is_for_alone_or_beside_a_stack_or_excused_by_name() -> None:
    lines = readme.commands()
    held = [*readme.alone(), *readme.beside(), *readme.EXCUSED]
    assert sorted(set(lines)) == sorted(set(held))
    assert readme.alone()
    assert readme.beside()


def test_the_data_set_is_made_by_its_own_door(tmp_path: Path) -> None:
    (line,) = (line for line in readme.alone() if "generate_telemetry.py" in line)
    done = readme.typed(line, tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "output" / "streaming_telemetry.csv").open() as file:
        assert sum(1 for _ in file) == 100_001
    assert "Injected:" in done.stdout


def test_a_table_of_counts_is_explained(tmp_path: Path) -> None:
    (line,) = (line for line in readme.alone() if " explain " in line)
    (tmp_path / "counts.csv").write_text(COUNTS)
    done = readme.typed(line, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "device_type web, app_version v2" in done.stdout


def test_help_lists_the_commands(tmp_path: Path) -> None:
    (line,) = (line for line in readme.alone() if line.endswith("--help"))
    done = readme.typed(line, tmp_path)
    assert done.returncode == 0
    assert "ledger" in done.stdout
