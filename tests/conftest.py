"""What all tests share: programs speak to them as to another program, wherever they run."""

import secrets
import signal

import pytest
from hypothesis import settings

COLOURED = ("CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "PY_COLORS", "TTY_COMPATIBLE")
"""By these some terminals and some CIs ask for colours and narrow lines, also where nobody reads them."""

settings.register_profile("explore", deadline=None, derandomize=False, print_blob=True)
"""Many and fresh examples, for laws that ask for more then: `make explore`."""


def pytest_configure(config: pytest.Config) -> None:
    """Takes them out of the environment, which the programs under test inherit, until the tests are over.

    Programs inherit, too, what is ignored: Ctrl-C, where the tests were started in the background of a script.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = pytest.MonkeyPatch()
    for name in COLOURED:
        environment.delenv(name, raising=False)
    config.add_cleanup(environment.undo)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is tried by chance, and from where chance begins."""
    parser.addoption("--times", type=int, default=1, help="how many times as much as usual is tried by chance")
    parser.addoption("--seed", help="where chance begins; the default is the same in each run, unless --times is given")


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as much as usual is tried by chance."""
    return int(request.config.getoption("times"))


@pytest.fixture
def seed(request: pytest.FixtureRequest, times: int) -> str | None:
    """Where chance begins; None for what is the same in each run."""
    given: str | None = request.config.getoption("seed")
    return given or (secrets.token_hex(8) if times > 1 else None)
