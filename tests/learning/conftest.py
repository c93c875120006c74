"""The task that training is tested on, made once."""

from pathlib import Path

import pytest
from learning.task import make_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with labels, patches, splits and covariates."""
    return make_site(tmp_path_factory.mktemp("site"))
