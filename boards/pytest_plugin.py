"""``pytest --board URL``: hold anybody's board to the conformance suite; pytest loads this wherever it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from boards.driver import BoardBackend

__all__ = ["board_backend", "board_target", "pytest_addoption", "pytest_configure"]

SUITE = Path(__file__).with_name("conformance.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--board``."""
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption(
        "--board",
        metavar="URL",
        help="run the board conformance suite against this target, such as serial:///dev/ttyACM0 or tcp://host:port",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suite when a board is given and no tests are."""
    if config.getoption("--board") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(SUITE)]


@pytest.fixture(scope="session")
def board_target(request: pytest.FixtureRequest) -> str:
    """Return the target that was given, or skip."""
    target = request.config.getoption("--board")
    if not target:
        pytest.skip("no board was given; name one with --board URL")
    return str(target)


@pytest.fixture
def board_backend(board_target: str) -> BoardBackend:
    """Return the backend of the board that was given."""
    from boards.driver import BoardBackend
    from hil.registry import open_target

    backend = open_target(board_target)
    assert isinstance(backend, BoardBackend), f"{board_target} is no board on a link"  # noqa: S101
    return backend
