"""What all tests share: programs speak to them as to another program, wherever they run."""

import pytest
from hypothesis import settings

COLOURED = ("CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "PY_COLORS", "TTY_COMPATIBLE")
"""By these some terminals and some CIs ask for colours and narrow lines, also where nobody reads them."""

settings.register_profile("explore", deadline=None, derandomize=False, print_blob=True)
"""Many and fresh examples, for laws that ask for more then: `make explore`."""


def pytest_configure(config: pytest.Config) -> None:
    """Takes them out of the environment, which the programs under test inherit, until the tests are over."""
    environment = pytest.MonkeyPatch()
    for name in COLOURED:
        environment.delenv(name, raising=False)
    config.add_cleanup(environment.undo)
