"""Real observations: where they are, and a reason where they are not."""

import os
from pathlib import Path

import pytest
from helpers import REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("LOAM_REAL_DATA") or REPOSITORY.parent / "shared/data")
    if not (folder / "flanders_west/backscatter.nc").exists():
        pytest.skip(
            f"no real observations in {folder}; set LOAM_REAL_DATA to a folder that has them"
        )
    return folder.resolve()
