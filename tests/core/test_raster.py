"""How arrays are read and written: units, CRS, nodata, flags."""

import errno
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.flags import Flag, flag_attributes, frames
from loam.core.grid import empty_like_grid
from loam.core.raster import (
    atomic_write,
    open_dataset,
    open_raster,
    require,
    write_blocks,
    write_cog,
    write_zarr,
    zarr_in_blocks,
)


def test_zarr_comes_back_as_it_was(tmp_path, box: GeoBox, layer) -> None:
    values = np.random.default_rng(1).random((3, *box.shape)).astype(np.float32)
    values[0, 0, 0] = np.nan
    data = xr.Dataset(
        {"ssm": layer(values, days("2020-01-01", 3), units="1", long_name="moisture")}
    )
    data = data.assign_coords(track=("time", ["A004", "D106", "A004"]))
    write_zarr(data.odc.assign_crs(box.crs), tmp_path / "a.zarr", {"time": 1})
    back = open_dataset(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back["ssm"].values, values)
    assert back.odc.geobox == box
    assert back["track"].values.tolist() == ["A004", "D106", "A004"]
    assert back["ssm"].attrs["units"] == "1"
    assert (tmp_path / "a.zarr/ssm/zarr.json").exists()  # format 3
    assert not list(tmp_path.glob("*.partial"))


def test_a_variable_without_units_is_not_written(tmp_path, box: GeoBox, layer) -> None:
    with pytest.raises(ValueError, match="units"):
        write_zarr(
            xr.Dataset({"ssm": layer(np.zeros(box.shape), long_name="moisture")}),
            tmp_path / "a.zarr",
        )
    assert not (tmp_path / "a.zarr").exists()


def test_a_file_without_crs_is_refused(tmp_path) -> None:
    xr.Dataset(
        {"vv": (("y", "x"), np.zeros((2, 2)))}, coords={"y": [1.0, 0.0], "x": [0.0, 1.0]}
    ).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(LoamError, match=r"a.nc: has no CRS; add a grid mapping"):
        open_dataset(tmp_path / "a.nc")


def test_cf_latitude_and_longitude_need_no_grid_mapping(tmp_path) -> None:
    coords = {
        "latitude": ("latitude", [39.0, 38.0], {"units": "degrees_north"}),
        "longitude": ("longitude", [-77.0, -76.0], {"units": "degrees_east"}),
    }
    xr.Dataset({"t": (("latitude", "longitude"), np.zeros((2, 2)))}, coords=coords).to_netcdf(
        tmp_path / "a.nc"
    )
    data = open_dataset(tmp_path / "a.nc")
    assert set(data["t"].dims) == {"y", "x"}
    assert data.odc.crs.epsg == 4326


def test_a_truncated_file_is_named(tmp_path) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\x01 and no more")
    with pytest.raises(LoamError, match=r"a.nc: cannot be read as NetCDF or Zarr .*replace it"):
        open_dataset(tmp_path / "a.nc")
    with pytest.raises(LoamError, match=r"b.nc: does not exist"):
        open_dataset(tmp_path / "b.nc")
    (tmp_path / "c.zarr").mkdir()
    with pytest.raises(LoamError, match=r"c.zarr: .* \(a folder that is no Zarr\)"):
        open_dataset(tmp_path / "c.zarr")


def test_a_missing_variable_is_named_with_those_there(tmp_path) -> None:
    data = xr.Dataset({"vh": ("x", [1.0])})
    with pytest.raises(LoamError, match=r"cube.nc: variable vv is missing \(it has: vh\)"):
        require(data, ("vv",), tmp_path / "cube.nc")


def test_cog_has_bands_units_nodata_crs_and_overviews(tmp_path, box: GeoBox, layer) -> None:
    large = box.pad(300)
    ssm = np.random.default_rng(2).random(large.shape).astype(np.float32)
    ssm[:10] = np.nan
    flags = np.full(large.shape, int(Flag.WATER | Flag.CLIPPED_HIGH))
    data = xr.Dataset(
        {
            "ssm": layer(ssm, on=large, units="1", long_name="moisture"),
            "flags": layer(flags, on=large, **flag_attributes()),
        }
    )
    write_cog(data.odc.assign_crs(box.crs), tmp_path / "a.tif", {"date": "2020-01-01"})
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.descriptions == ("ssm", "flags")
        assert file.units == ("1", "1")
        assert np.isnan(file.nodata)
        assert file.crs.to_epsg() == 32618
        assert file.transform == large.transform
        assert file.overviews(1)
        assert file.tags()["date"] == "2020-01-01"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(file.read(1), ssm)
        assert (file.read(2).astype(int) == flags).all()


def test_a_raster_without_crs_is_refused(tmp_path) -> None:
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="float32"
    ) as file:
        file.write(np.zeros((1, 2, 2), np.float32))
    with pytest.raises(LoamError, match=r"a.tif: has no CRS"):
        open_raster(tmp_path / "a.tif")


def test_flags_are_separate_bits_that_their_attributes_explain() -> None:
    attributes = flag_attributes()
    assert sum(attributes["flag_masks"]) == 2 ** len(Flag) - 1
    assert len(attributes["flag_meanings"].split()) == len(Flag)


def test_frames_are_the_dates_one_by_one_whatever_the_chunks(tmp_path, box: GeoBox, layer) -> None:
    values = np.random.default_rng(2).random((5, *box.shape)).astype(np.float32)
    data = xr.Dataset(
        {
            name: layer(values + number, days("2020-01-01", 5), units="1", long_name=name)
            for number, name in enumerate("ab")
        }
    )
    write_zarr(data.odc.assign_crs(box.crs), tmp_path / "a.zarr", {"time": 2})
    for source in (open_dataset(tmp_path / "a.zarr"), data):
        found = list(frames(source, ("b",)))
        assert [list(frame.data_vars) for frame in found] == [["b"]] * 5
        np.testing.assert_array_equal(np.stack([frame["b"].values for frame in found]), values + 1)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "the file is empty"), (b"<html>Sign in</html>", "it is neither")]
)
def test_a_file_that_is_no_cube_says_why(tmp_path, content: bytes, said: str) -> None:
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(LoamError, match=rf"a.nc: cannot be read as NetCDF or Zarr \({said}"):
        open_dataset(tmp_path / "a.nc")


def test_a_failed_write_leaves_nothing_though_other_threads_write_on(tmp_path: Path) -> None:
    out = tmp_path / "ssm.zarr"

    def write_on(partial: Path) -> None:
        for part in range(8):
            time.sleep(0.05)
            (partial / f"c{part}").mkdir(parents=True, exist_ok=True)
            (partial / f"c{part}" / "0").write_bytes(b"0")

    def fail() -> None:
        with atomic_write(out) as partial:
            straggler = threading.Thread(target=write_on, args=(partial,))
            threads.append(straggler)
            straggler.start()
            raise OSError(errno.ENOSPC, "No space left on device", "c0")

    threads: list[threading.Thread] = []
    with pytest.raises(LoamError, match="the disk is full"):
        fail()
    threads[0].join()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("crs", ["EPSG:32618", "EPSG:4326"])
@pytest.mark.parametrize("blocks", [False, True])
def test_xarray_and_rioxarray_find_the_crs_of_a_store_by_themselves(
    tmp_path: Path, crs: str, blocks: bool
) -> None:
    import rioxarray  # noqa: F401  (registers the .rio accessor)

    box = GeoBox.from_bbox((10, 40, 14, 43), crs, resolution=1)
    values = ("y", "x"), np.ones(box.shape, np.float32), {"units": "1", "long_name": "one"}
    data = xr.Dataset({"one": values}, coords=empty_like_grid(box)).odc.assign_crs(crs)
    path = tmp_path / "one.zarr"
    if blocks:
        with zarr_in_blocks(data.chunk(), path, {}) as partial:
            write_blocks(partial, {"one": data["one"].values}, ...)
    else:
        write_zarr(data, path)
    with xr.open_zarr(path, consolidated=False) as plain:
        assert plain.rio.crs == crs and plain["one"].rio.crs == crs
        assert plain["one"].attrs["grid_mapping"] == "spatial_ref"
        np.testing.assert_allclose(list(plain.rio.transform())[:6], list(box.transform)[:6])
    assert open_dataset(path).odc.geobox == box
