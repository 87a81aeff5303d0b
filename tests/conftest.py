"""What every test shares: the real recordings, and skips that name the missing tool."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Shuffle the order only: nothing here draws from a global generator, and reseeding prints into captured output."""
    if hasattr(config.option, "randomly_reset_seed"):
        config.option.randomly_reset_seed = False
    from hil.cli import waiting

    waiting.FIRST_S = 600.0  # tests count the lines on stderr, and on a busy machine seconds pass


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is absent, by the program's name; in CI that is a failure."""
    for marker in item.iter_markers("tool"):
        for program in marker.args:
            if shutil.which(program) is None:
                message = f"{program} is not on the PATH"
                if os.environ.get("CI") == "true":
                    pytest.fail(message)
                pytest.skip(message)


@pytest.fixture
def shared_data() -> Path:
    """Return the folder of real recordings, or skip by its name."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real recordings, shared/data, is not beside the checkout")
    return folder


@pytest.fixture
def reference_crossbars() -> Path:
    """Return the folder of arrays solved by ngspice, or skip by its name."""
    folder = SHARED / "reference" / "crossbar"
    if not folder.is_dir():
        pytest.skip("the folder of reference arrays, shared/reference, is not beside the checkout")
    return folder
