"""Products of known ground, written once by the twin."""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sar.ground import CLEAN, WHEN, Ground, make_ground

from loam.twin.safe import Options, write_pass


@pytest.fixture(scope="session")
def hills(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """400 m of relief, slopes to 26 degrees, no layover."""
    return make_ground(tmp_path_factory.mktemp("hills"), 128, 400, 15, 37.0)


@pytest.fixture(scope="session")
def mountains(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """1100 m of relief with slopes beyond 60 degrees: layover and shadow."""
    return make_ground(tmp_path_factory.mktemp("mountains"), 128, 1100, 9, 43.0, ascending=False)


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Path]]:
    """Write the products of one pass over some ground."""

    def make(
        ground: Ground,
        gamma0: dict[str, np.ndarray],
        options: Options = CLEAN,
        when: datetime = WHEN,
        platform: str = "S1A",
    ) -> list[Path]:
        folder = tmp_path_factory.mktemp("scenes")
        return list(
            write_pass(
                folder, ground.view, gamma0, when, platform, options, np.random.default_rng(5)
            )
        )

    return make


@pytest.fixture(scope="session")
def product(hills: Ground, write: Callable[..., list[Path]]) -> Path:
    """A product of the hills, VV 0.1 and VH 0.02, no noise, no speckle. Not to be changed."""
    return write(hills, hills.constant(vv=0.1, vh=0.02))[0]


@pytest.fixture
def copied(product: Path, tmp_path: Path) -> Path:
    """Copy the product, to be damaged."""
    return Path(shutil.copytree(product, tmp_path / "products" / product.name))
