"""Absence is not data: what a Zarr lacks is named, not read as missing values."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from helpers import days

from loam.core.errors import LoamError
from loam.core.integrity import missing_chunk, require_chunks
from loam.core.raster import open_dataset, write_blocks, write_zarr, zarr_in_blocks


@pytest.fixture
def path(tmp_path: Path, box, layer) -> Path:
    """Values of 4 dates in chunks of 2 dates and 8 x 8 pixels; one chunk holds NaN alone."""
    values = np.random.default_rng(1).random((4, *box.shape)).astype(np.float32)
    values[:2, :8, :8] = np.nan
    data = xr.Dataset(
        {"a": layer(values, days("2020-01-01", 4), units="1", long_name="a")}
    ).odc.assign_crs(box.crs)
    write_zarr(data, tmp_path / "a.zarr", {"time": 2, "y": 8, "x": 8})
    return tmp_path / "a.zarr"


def test_what_is_whole_is_read_its_empty_chunks_too(path: Path) -> None:
    assert missing_chunk(path) is None
    assert np.isnan(open_dataset(path)["a"].values[:2, :8, :8]).all()


def chunk(path: Path) -> None:
    (path / "a/c/0/0/0").unlink()


def chunk_beside_a_stray_file(path: Path) -> None:
    (path / "a/c/1/0/1").rename(path / "a/c/1/0/7")


def row_of_chunks(path: Path) -> None:
    shutil.rmtree(path / "a/c/1")


def array(path: Path) -> None:
    shutil.rmtree(path / "a")


def coordinate(path: Path) -> None:
    (path / "time/c/0").unlink()


def cut_short(path: Path) -> None:
    zarr.open_array(path / "a", mode="r+").resize((2, 12, 16))


@pytest.mark.parametrize(
    "remove", [chunk, chunk_beside_a_stray_file, row_of_chunks, array, coordinate, cut_short]
)
def test_what_is_gone_is_named_with_what_to_do(path: Path, remove: Callable[[Path], None]) -> None:
    remove(path)
    with pytest.raises(
        LoamError,
        match=r"a\.zarr: .* is missing, and would be read as no data; remove the folder \(rm -r ",
    ) as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value)


def test_one_acquisition_needs_its_own_chunks_alone(path: Path) -> None:
    row_of_chunks(path)
    require_chunks(path, first=1)
    with pytest.raises(LoamError, match="is missing"):
        require_chunks(path, first=2)


def test_a_store_that_was_never_filled_does_not_get_its_name(tmp_path: Path, path: Path) -> None:
    template = open_dataset(path, chunks={})
    with (
        pytest.raises(LoamError, match="is missing"),
        zarr_in_blocks(template, tmp_path / "b.zarr", {"time": 2}) as partial,
    ):
        write_blocks(partial, {"a": np.zeros((2, 12, 16), np.float32)}, slice(0, 2))
    assert not (tmp_path / "b.zarr").exists()


def test_a_users_own_store_may_leave_out_what_is_empty(tmp_path: Path, path: Path) -> None:
    data = open_dataset(path).load().drop_attrs()
    data.to_zarr(tmp_path / "user.zarr", zarr_format=3, consolidated=False)
    assert missing_chunk(tmp_path / "user.zarr") is None
