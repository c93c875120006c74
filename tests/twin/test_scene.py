"""The files of the twin: units, CRS, dates, extent, and that the same seed gives the same content."""

import warnings
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from scipy import ndimage

from loam.config.base import Grid, Period
from loam.config.twin import Twin
from loam.core.errors import LoamError
from loam.core.raster import open_dataset
from loam.twin import radar
from loam.twin.catchment import Catchment, backscatter, evening_moisture
from loam.twin.echo import clutter
from loam.twin.noise import BETA_LUT, noise_tables
from loam.twin.orbit import locate
from loam.twin.safe import View
from loam.twin.scene import make_twin, moisture_at

Made = dict[str, Path]


@pytest.mark.parametrize("name", ["weather", "ndvi", "soil", "truth"])
def test_variables_have_units_names_and_a_crs(made: Made, name: str) -> None:
    data = open_dataset(made[name])
    assert data.odc.crs == "EPSG:32618"
    for values in data.data_vars.values():
        assert {"units", "long_name"} <= values.attrs.keys()
        assert values.dims == (("y", "x") if name == "soil" else ("time", "y", "x"))


def test_every_overpass_has_its_product(made: Made, period: Period, twin: Twin) -> None:
    passes = radar.acquisitions(period, twin)
    paths = sorted(made["scenes"].iterdir(), key=lambda path: path.name[17:32])
    assert len(paths) == len(passes) > 20
    for path, taken in zip(paths, passes, strict=True):
        root = ET.parse(path / "manifest.safe").getroot()
        assert path.name.startswith(f"{taken.platform}_IW_GRDH_1SDV_")
        assert abs(datetime.strptime(path.name[17:32], "%Y%m%dT%H%M%S") - taken.when) < timedelta(
            seconds=3
        )
        assert {int(tag.text) for tag in root.iterfind(".//{*}relativeOrbitNumber")} == {
            taken.track.relative_orbit
        }
        assert root.findtext(".//{*}pass") == (
            "ASCENDING" if taken.track.ascending else "DESCENDING"
        )


@pytest.fixture(scope="module")
def views(catchment: Catchment) -> dict[str, View]:
    """How the tracks see the catchment."""
    return {track.name: catchment.view_of(track) for track in radar.TRACKS}


def _sampled(catchment: Catchment, views: dict[str, View], path: Path, band: str) -> np.ndarray:
    """Beta nought less noise at the pixels' own places in the image, `(y, x)`."""
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(next(path.glob(f"measurement/*-{band}-*.tiff"))) as file,
    ):
        numbers = file.read(1).astype(float)
    view = views["A004" if "T22" in path.name[:32] else "D106"]
    floor = noise_tables(view.frame, True).image(numbers.shape)
    return _sample(catchment, view, (numbers**2 - floor) / BETA_LUT**2)


def _sample(catchment: Catchment, view: View, image: np.ndarray) -> np.ndarray:
    rows, columns = (np.arange(size) + catchment.terrain.margin_px for size in catchment.grid.shape)
    base, up = view.relief.earth(*np.meshgrid(rows, columns, indexing="ij"))
    line, pixel = view.frame.line_pixel(
        *locate(base + view.relief.spline(rows, columns)[..., None] * up, view.frame.orbit)
    )
    return ndimage.map_coordinates(image, [line, pixel], order=1)


def test_backscatter_follows_the_true_moisture(
    made: Made, catchment: Catchment, views: dict[str, View], period: Period, twin: Twin
) -> None:
    truth = open_dataset(made["truth"])["ssm"].load()
    fields = np.isin(catchment.landcover, (30, 40))
    paths = sorted(made["scenes"].iterdir(), key=lambda path: path.name[17:32])
    pairs = []
    for path, taken in zip(paths, radar.acquisitions(period, twin), strict=True):
        if catchment.weather["temperature"].sel(time=str(taken.when.date())).mean() > 274:
            moist = truth.sel(time=str(taken.when.date())).values
            power = _sampled(catchment, views, path, "vv")[fields].mean()
            pairs.append((taken.track.name, 10 * np.log10(power), moist[fields].mean()))
    for track in ("A004", "D106"):
        _, db, moist = zip(*(pair for pair in pairs if pair[0] == track), strict=True)
        assert np.corrcoef(db, moist)[0, 1] > 0.4
        assert -25 < np.median(db) < 0


def test_gamma0_in_the_image_is_that_of_the_catchment(
    made: Made, catchment: Catchment, views: dict[str, View], period: Period, twin: Twin
) -> None:
    taken = radar.acquisitions(period, twin)[0]
    ssm = open_dataset(made["truth"])["ssm"].sel(time=str(taken.when.date())).values
    path = min(made["scenes"].iterdir(), key=lambda path: path.name[17:32])
    view = views[taken.track.name]
    lit = clutter(view.facets, np.ones((1, *catchment.ground.shape)), view.frame)[0]
    for band in ("vv", "vh"):
        expected = backscatter(catchment, taken, ssm, band)
        flattened = _sampled(catchment, views, path, band) / _sample(catchment, view, lit)
        assert flattened.mean() == pytest.approx(expected.mean(), rel=0.05)
        smooth = [np.log(ndimage.gaussian_filter(values, 3)) for values in (flattened, expected)]
        assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.9


def test_weather_reaches_back_and_has_cf_names(made: Made, period: Period, grid: GeoBox) -> None:
    data = open_dataset(made["weather"])
    days = data["time"].to_index()
    assert days[0] == pd.Timestamp(period.start) - pd.Timedelta(days=150)
    assert days[-1] == pd.Timestamp(period.end)
    assert len(days) == (days[-1] - days[0]).days + 1
    assert data["precipitation"].attrs["standard_name"] == "lwe_precipitation_rate"
    assert data["temperature_min"].attrs["cell_methods"] == "time: minimum"
    assert 240 < float(data["temperature"].min()) < float(data["temperature"].max()) < 320
    assert (
        float(data["x"].min())
        < grid.boundingbox.left
        < grid.boundingbox.right
        < float(data["x"].max())
    )


def test_dem_has_a_margin_and_land_cover_its_codes(made: Made, grid: GeoBox) -> None:
    with rasterio.open(made["dem"]) as dem:
        assert dem.units == ("m",)
        assert dem.dtypes == ("float32",)
        box, margin = grid.boundingbox, 1500
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


def test_truth_is_the_daily_mean_of_the_balance(
    made: Made, catchment: Catchment, grid: GeoBox, period: Period
) -> None:
    truth = open_dataset(made["truth"])["ssm"]
    assert truth.odc.geobox == grid
    assert truth.sizes["time"] == (period.end - period.start).days + 1
    assert truth.dtype == np.float32
    evenings = np.stack(list(evening_moisture(catchment)))
    np.testing.assert_allclose(truth.values, (evenings[:-1] + evenings[1:]) / 2, atol=6e-4)


def test_moisture_between_two_evenings() -> None:
    evenings = np.array([10_000, 20_000], np.uint16).reshape(2, 1, 1)
    assert moisture_at(evenings, 0, 0.25)[0, 0] == pytest.approx(0.25)


FILES = ["scenes", "weather.nc", "ndvi.nc", "dem.tif", "landcover.tif", "soil.nc", "truth.zarr"]


def test_same_seed_same_files_whatever_the_threads(tmp_path: Path, twin: Twin) -> None:
    section = Grid(aoi=(330000, 4290000, 330600, 4290520), crs="EPSG:32618", resolution_m=40)
    period = Period(start=date(2022, 1, 1), end=date(2022, 2, 1))
    short = twin.model_copy(update={"spin_up_days": 5})
    for threads in (1, 2):
        make_twin(
            *(tmp_path / str(threads) / file for file in FILES),
            twin=short,
            grid=section,
            period=period,
            threads=threads,
        )
    written = sorted(
        path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file()
    )
    assert len(written) > len(FILES)
    assert not list(tmp_path.rglob("*.partial"))
    for path in written:
        one, two = (tmp_path / run / path for run in ("1", "2"))
        if (
            path.suffix == ".nc"
        ):  # the HDF5 library leaves unset memory between its blocks: the values are what can agree
            with (
                xr.open_dataset(one, mask_and_scale=False) as left,
                xr.open_dataset(two, mask_and_scale=False) as right,
            ):
                xr.testing.assert_identical(left, right)
        else:
            assert one.read_bytes() == two.read_bytes(), path


def test_second_platform_is_offset(catchment: Catchment, period: Period, twin: Twin) -> None:
    ssm = np.full(catchment.grid.shape, 0.5)
    shifted = replace(catchment, twin=twin.model_copy(update={"platform_offset_db": 1.0}))
    passes = radar.acquisitions(period, twin)
    for taken in (passes[0], passes[-1]):
        ratio = backscatter(shifted, taken, ssm, "vv") / backscatter(catchment, taken, ssm, "vv")
        np.testing.assert_allclose(
            10 * np.log10(ratio), 1.0 if taken.platform == "S1C" else 0.0, atol=1e-9
        )


def test_source_as_an_area_is_refused(tmp_path: Path, twin: Twin, period: Period) -> None:
    nowhere = Grid(aoi="source", crs="source", resolution_m=20)
    with pytest.raises(LoamError, match="bounds and EPSG"):
        make_twin(
            *(tmp_path / str(number) for number in range(7)), twin=twin, grid=nowhere, period=period
        )
