"""What several tests share: where recorded data lies, and how an async test is run."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("PONDER_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"recorded data not found at {folder}; set PONDER_DATA")
    return folder


# A busy machine is not a failing test; CI tries the same examples every time, people try new ones.
settings.register_profile("ponder", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ponder")
