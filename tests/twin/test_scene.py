"""The files of the twin: units, CRS, dates, extent, and that the same seed gives the same content."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Grid, Period, Twin
from loam.errors import LoamError
from loam.raster import open_dataset
from loam.twin.catchment import Catchment, evening_moisture
from loam.twin.scene import make_twin, moisture_at

Made = dict[str, Path]


@pytest.mark.parametrize("name", ["backscatter", "weather", "ndvi", "soil", "truth"])
def test_variables_have_units_names_and_a_crs(made: Made, name: str) -> None:
    data = open_dataset(made[name])
    assert data.odc.crs == "EPSG:32618"
    for values in data.data_vars.values():
        assert {"units", "long_name"} <= values.attrs.keys()
        assert values.dims == (("y", "x") if name == "soil" else ("time", "y", "x"))


def test_backscatter_lies_on_the_grid_in_db(made: Made, grid: GeoBox, period: Period) -> None:
    data = open_dataset(made["backscatter"])
    assert data.odc.geobox == grid
    assert data["vv"].attrs["units"] == data["vh"].attrs["units"] == "dB"
    assert data["incidence"].attrs["units"] == "degree"
    vv = data["vv"].values
    np.testing.assert_allclose(vv, np.round(vv.astype(float), 2), atol=1e-5)
    assert np.isfinite(vv).all()
    assert -25 < np.median(data["vh"]) < np.median(vv) < -5
    assert data["time"].to_index().is_monotonic_increasing
    assert pd.Timestamp(period.start) <= data["time"].to_index()[0]
    assert {f"{track}{hour}" for track, hour in zip(data["track"].values, data["time.hour"].values, strict=True)} == {"A00422", "D10611"}
    assert set(data["platform"].values) == {"S1A", "S1C"}


def test_incidence_in_the_file_is_that_of_the_track(made: Made, catchment: Catchment) -> None:
    data = open_dataset(made["backscatter"])
    for number in (0, 1):
        expected = catchment.incidence_deg[str(data["track"].values[number])]
        np.testing.assert_allclose(data["incidence"][number], expected, atol=0.006)


def test_backscatter_follows_the_true_moisture(made: Made) -> None:
    stack, truth = open_dataset(made["backscatter"]).load(), open_dataset(made["truth"]).load()
    with rasterio.open(made["landcover"]) as file:
        fields = xr.DataArray(np.isin(file.read(1), (30, 40)), dims=("y", "x"))
    power = (10 ** (stack["vv"] / 10)).where(fields).mean(("y", "x"))
    moist = truth["ssm"].where(fields).mean(("y", "x")).sel(time=stack["time"].dt.floor("D").values).values
    cold = open_dataset(made["weather"])["temperature"].mean(("y", "x")).sel(time=stack["time"].dt.floor("D").values).values < 274
    assert np.corrcoef(10 * np.log10(power.values[~cold]), moist[~cold])[0, 1] > 0.4


def test_weather_reaches_back_and_has_cf_names(made: Made, period: Period, grid: GeoBox) -> None:
    data = open_dataset(made["weather"])
    days = data["time"].to_index()
    assert days[0] == pd.Timestamp(period.start) - pd.Timedelta(days=150)
    assert days[-1] == pd.Timestamp(period.end)
    assert len(days) == (days[-1] - days[0]).days + 1
    assert data["precipitation"].attrs["standard_name"] == "lwe_precipitation_rate"
    assert data["temperature_min"].attrs["cell_methods"] == "time: minimum"
    assert 240 < float(data["temperature"].min()) < float(data["temperature"].max()) < 320
    assert float(data["x"].min()) < grid.boundingbox.left < grid.boundingbox.right < float(data["x"].max())


def test_dem_has_a_margin_and_land_cover_its_codes(made: Made, grid: GeoBox) -> None:
    with rasterio.open(made["dem"]) as dem:
        assert dem.units == ("m",)
        assert dem.dtypes == ("float32",)
        box, margin = grid.boundingbox, 10 * 20
        assert dem.bounds.left <= box.left - margin
        assert dem.bounds.bottom <= box.bottom - margin
        assert dem.bounds.right >= box.right + margin
        assert dem.bounds.top >= box.top + margin
        assert dem.crs.to_epsg() == 32618
    with rasterio.open(made["landcover"]) as cover:
        assert cover.nodata == 0
        assert cover.dtypes == ("uint8",)
        assert tuple(cover.transform) == tuple(grid.transform)
        assert set(np.unique(cover.read(1))) <= {10, 30, 40, 50, 80}


def test_ndvi_is_every_16_days_at_twice_the_pixel(made: Made, grid: GeoBox, period: Period) -> None:
    data = open_dataset(made["ndvi"])
    assert data["ndvi"].shape[1:] == (24, 24)
    assert data.odc.geobox.resolution.x == 2 * grid.resolution.x
    assert data.odc.geobox.boundingbox == grid.boundingbox
    assert set(np.diff(data["time"].values) // np.timedelta64(1, "D")) == {16}
    assert data["time"].to_index()[0] == pd.Timestamp(period.start) - pd.Timedelta(days=60)
    assert 0.02 < float(data["ndvi"].isnull().mean()) < 0.6


def test_soil_map_covers_the_grid_at_100_m(made: Made, grid: GeoBox) -> None:
    data = open_dataset(made["soil"])
    assert data.odc.geobox.resolution.x == 100
    assert data.odc.geobox.extent.contains(grid.extent)
    assert set(data.data_vars) == {"sand", "clay", "theta_r", "theta_s", "ksat"}


def test_truth_is_the_daily_mean_of_the_balance(made: Made, catchment: Catchment, grid: GeoBox, period: Period) -> None:
    truth = open_dataset(made["truth"])["ssm"]
    assert truth.odc.geobox == grid
    assert truth.sizes["time"] == (period.end - period.start).days + 1
    assert truth.dtype == np.float32
    evenings = np.stack(list(evening_moisture(catchment)))
    np.testing.assert_allclose(truth.values, (evenings[:-1] + evenings[1:]) / 2, atol=6e-4)


def test_moisture_between_two_evenings() -> None:
    evenings = np.array([10_000, 20_000], np.uint16).reshape(2, 1, 1)
    assert moisture_at(evenings, 0, 0.25)[0, 0] == pytest.approx(0.25)


def test_same_seed_same_files(tmp_path: Path, twin: Twin) -> None:
    section = Grid(aoi=(330000, 4290000, 330300, 4290260), crs="EPSG:32618", resolution_m=20)
    period = Period(start=date(2022, 1, 1), end=date(2022, 2, 1))
    short = twin.model_copy(update={"spin_up_days": 5})
    files = ["backscatter.nc", "weather.nc", "ndvi.nc", "dem.tif", "landcover.tif", "soil.nc", "truth.zarr"]
    for run in ("one", "two"):
        make_twin(*(tmp_path / run / file for file in files), twin=short, grid=section, period=period)
    written = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(written) > len(files)
    for path in written:
        one, two = (tmp_path / run / path for run in ("one", "two"))
        if path.suffix == ".nc":  # the HDF5 library leaves unset memory between its blocks: the values are what can agree
            with xr.open_dataset(one, mask_and_scale=False) as left, xr.open_dataset(two, mask_and_scale=False) as right:
                xr.testing.assert_identical(left, right)
        else:
            assert one.read_bytes() == two.read_bytes(), path


def test_second_platform_is_offset(tmp_path: Path, twin: Twin) -> None:
    section = Grid(aoi=(330000, 4290000, 330300, 4290300), crs="EPSG:32618", resolution_m=20)
    period = Period(start=date(2022, 1, 1), end=date(2022, 2, 1))
    files = ["backscatter.nc", "weather.nc", "ndvi.nc", "dem.tif", "landcover.tif", "soil.nc", "truth.zarr"]
    stacks = []
    for offset in (0.0, 1.0):
        shifted = twin.model_copy(update={"spin_up_days": 5, "platform_offset_db": offset})
        make_twin(*(tmp_path / str(offset) / file for file in files), twin=shifted, grid=section, period=period)
        stacks.append(open_dataset(tmp_path / str(offset) / files[0]).load())
    difference = (stacks[1]["vv"] - stacks[0]["vv"]).mean(("y", "x")).values
    np.testing.assert_allclose(difference, np.where(stacks[0]["platform"] == "S1C", 1.0, 0.0), atol=0.01)


def test_source_as_an_area_is_refused(tmp_path: Path, twin: Twin, period: Period) -> None:
    nowhere = Grid(aoi="source", crs="source", resolution_m=20)
    with pytest.raises(LoamError, match="bounds and EPSG"):
        make_twin(*(tmp_path / str(number) for number in range(7)), twin=twin, grid=nowhere, period=period)
