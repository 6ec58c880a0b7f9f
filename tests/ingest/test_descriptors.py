"""Descriptors: no more connections are taken than the system has descriptors for."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
from qoescope.ingest.http import raise_file_limit
print(raise_file_limit(1_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "allowed"),
    [(64, 64, 32, 64), (64, 600, 344, 600), (64, 5_000, 1_000, 1_256), (5_000, 5_000, 4_744, 5_000)],
)
def test_as_many_connections_are_taken_as_there_are_descriptors_for(
    soft: int, hard: int, connections: int, allowed: int
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", CODE, str(soft), str(hard)], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert [int(number) for number in said] == [connections, allowed]
