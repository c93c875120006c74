"""Covariates from what providers really deliver, against independent computations."""

import ctypes
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject

from loam.config.base import Grid, Period
from loam.config.covariates import Static
from loam.config.sources import Ndvi, Soil, Weather
from loam.core.elevation import mosaic
from loam.core.errors import LoamError
from loam.core.grid import pixel_positions, to_grid
from loam.core.raster import open_dataset, open_raster
from loam.covariates.static import terrain_of, terrain_on_grid
from loam.sources.ndvi import read_ndvi
from loam.sources.soil import read_soil
from loam.sources.weather import import_weather, read_weather

STATIONS = {"power": 2, "radius_km": 100, "min_stations": 1, "cell_m": 2000, "lapse_k_per_km": None}
FOUND = Static(curvature=True, wetness_index=True, max_void_share=0.02)


def source(kind: str) -> Weather:
    return Weather(
        kind=kind, path=None, variables={}, stamp="start", day_ends_utc_h=24, stations=STATIONS
    )


# --- Terrain ---


def gdaldem_slope(dem: Path, out: Path) -> np.ndarray:
    """GDAL's own `gdaldem slope` (Horn), from the library that rasterio brings: the program is the same function."""
    libraries = sorted((Path(rasterio.__file__).parents[1] / "rasterio.libs").glob("libgdal*"))
    if not libraries:
        pytest.skip("rasterio brings no GDAL of its own here")
    gdal = ctypes.CDLL(str(libraries[0]))
    gdal.GDALOpen.restype = gdal.GDALDEMProcessing.restype = ctypes.c_void_p
    gdal.GDALDEMProcessing.argtypes = [
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    gdal.GDALAllRegister()
    made = gdal.GDALDEMProcessing(
        str(out).encode(), gdal.GDALOpen(str(dem).encode(), 0), b"slope", None, None, None
    )
    gdal.GDALClose.argtypes = [ctypes.c_void_p]
    gdal.GDALClose(made)
    with rasterio.open(out) as file:
        return file.read(1, masked=True).filled(np.nan)


@pytest.fixture
def projected(real_data: Path, tmp_path: Path) -> Path:
    """The real DEM on UTM at 30 m, warped by GDAL alone."""
    with rasterio.open(
        real_data / "static/glo30_worldcover_bowvalley/p0/Copernicus_DSM_10_N51_00_W117_00_DEM.tif"
    ) as file:
        affine, width, height = rasterio.warp.calculate_default_transform(
            file.crs, "EPSG:32611", file.width, file.height, *file.bounds, resolution=30
        )
        out = np.full((height, width), -9999, np.float32)
        reproject(
            rasterio.band(file, 1),
            out,
            dst_crs="EPSG:32611",
            dst_transform=affine,
            dst_nodata=-9999,
            resampling=Resampling.bilinear,
        )
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": 1,
        "height": height,
        "width": width,
        "crs": "EPSG:32611",
        "transform": affine,
    }
    with rasterio.open(tmp_path / "utm.tif", "w", nodata=-9999, **profile) as file:
        file.write(out, 1)
    return tmp_path / "utm.tif"


def inner_box(dem: xr.DataArray, pixel: float) -> GeoBox:
    edge = dem.odc.geobox.boundingbox.buffered(-1200)
    return GeoBox.from_bbox(edge, dem.odc.crs, resolution=pixel)


def test_slope_is_gdals(projected: Path, tmp_path: Path) -> None:
    """Bar: at most 0.1 degree RMSE."""
    dem = open_raster(projected)
    expected = dem.copy(data=gdaldem_slope(projected, tmp_path / "slope.tif"))
    box = dem.odc.geobox[40:-40, 40:-40]
    ours = terrain_on_grid(dem, box, projected, FOUND)[0]["slope"]
    error = ours.values - expected.values[40:-40, 40:-40]
    assert ours.values.mean() > 15  # these are mountains
    assert np.sqrt(np.mean(error**2)) < 0.01


def test_slope_from_the_file_in_degrees_is_gdals_too(
    projected: Path, real_data: Path, tmp_path: Path
) -> None:
    """The whole way from EPSG:4326 onto a 30 m grid, against gdalwarp and gdaldem. Bar: at most 0.1 degree RMSE."""
    expected = open_raster(projected).copy(data=gdaldem_slope(projected, tmp_path / "slope.tif"))
    path = (
        real_data / "static/glo30_worldcover_bowvalley/p0/Copernicus_DSM_10_N51_00_W117_00_DEM.tif"
    )
    dem = open_raster(path)
    own = dem.odc.output_geobox("EPSG:32611").resolution.x
    assert 20 < own < 31  # the DEM's own pixel
    box = expected.odc.geobox[40:-40, 40:-40]
    layers, filled = terrain_on_grid(dem, box, path, FOUND)
    error = layers["slope"].values - expected.values[40:-40, 40:-40]
    assert np.sqrt(np.mean(error**2)) < 0.1
    assert not filled.any()
    assert np.isfinite(layers["wetness_index"].values).all()


def test_a_slope_over_degrees_is_refused(real_data: Path) -> None:
    path = (
        real_data / "static/glo30_worldcover_bowvalley/p0/Copernicus_DSM_10_N51_00_W117_00_DEM.tif"
    )
    with pytest.raises(LoamError, match="in degrees; slopes need metres"):
        terrain_of(open_raster(path), path, FOUND)


def test_tiles_are_joined_without_a_seam(real_data: Path) -> None:
    """The halves of a tile, cut apart, join to what it was."""
    path = (
        real_data / "static/glo30_worldcover_bowvalley/p1/Copernicus_DSM_10_N51_00_W117_00_DEM.tif"
    )
    whole = open_raster(path)
    box = inner_box(
        whole.odc.reproject("EPSG:32611", resolution=30, resampling="bilinear", dst_nodata=np.nan),
        30,
    )
    joined = mosaic([path], box)
    inside = whole.sel(
        x=slice(float(joined.x[2]) - 1e-6, float(joined.x[-3]) + 1e-6),
        y=slice(float(joined.y[2]) + 1e-6, float(joined.y[-3]) - 1e-6),
    )
    np.testing.assert_array_equal(joined.values[2:-2, 2:-2], inside.values)


# --- Weather ---


@pytest.fixture
def bow_valley() -> GeoBox:
    return GeoBox.from_bbox((560000, 5650000, 580000, 5670000), "EPSG:32611", resolution=20)


def test_era5_lands_totals_belong_to_the_day_before_their_stamp(
    real_data: Path, bow_valley: GeoBox
) -> None:
    folder = real_data / "weather/era5land_bowvalley"
    got = read_weather(
        [folder],
        source("era5_land"),
        bow_valley,
        None,
        Period(start="2025-03-01", end="2025-05-31"),
    )
    days = got["time"].values.astype("datetime64[D]")
    # 31 May's rain would be stamped 1 June.
    assert (str(days[0]), str(days[-1])) == (
        "2025-03-01",
        "2025-05-30",
    )
    raw = xr.open_dataset(folder / "202504_ERA5LAND_totalprecip.nc")["tp"]
    for day in ("2025-04-01", "2025-04-15", "2025-04-29"):
        stamped = raw.sel(valid_time=np.datetime64(day) + np.timedelta64(1, "D"))
        cells = (
            stamped.sel(
                latitude=got["y"].values, longitude=got["x"].values, method="nearest"
            ).values
            * 1000
        )
        np.testing.assert_allclose(got["precipitation"].sel(time=day).values, cells, atol=1e-4)
    assert set(got) == {"precipitation", "temperature", "wind_speed"}


def test_era5_lands_wind_and_temperature_by_hand(real_data: Path, bow_valley: GeoBox) -> None:
    from loam.covariates.weather import wind_at_2m

    folder = real_data / "weather/era5land_bowvalley"
    got = read_weather(
        [folder],
        source("era5_land"),
        bow_valley,
        None,
        Period(start="2025-03-01", end="2025-05-31"),
    )
    month = folder / "202503_ERA5LAND"
    east, north, kelvin = (
        float(
            xr.open_dataset(month / f"{name}_0_daily-mean.nc")[key].sel(
                latitude=51.1, longitude=-116.0, valid_time="2025-03-10", method="nearest"
            )
        )
        for name, key in (
            ("10m_u_component_of_wind", "u10"),
            ("10m_v_component_of_wind", "v10"),
            ("2m_temperature", "t2m"),
        )
    )
    cell = got.sel(y=51.1, x=-116.0, time="2025-03-10", method="nearest")
    assert float(cell["temperature"]) == pytest.approx(kelvin - 273.15, abs=1e-3)
    # FAO-56, equation 47: 4.87 / ln(67.8 * 10 - 5.42) = 0.748
    assert float(wind_at_2m(cell["wind_speed"], 10)) == pytest.approx(
        0.748 * (east**2 + north**2) ** 0.5, rel=1e-3
    )


def test_the_nws_rain_of_the_county_is_an_independent_computations(
    real_data: Path, tmp_path: Path
) -> None:
    """Inches, polar stereographic, undeclared nodata. Bar: the county's mean within 0.1 %."""
    polygon = real_data / "aoi/prince_georges_county_md_24033.geojson"
    grid = Grid(aoi=str(polygon), crs="EPSG:32618", resolution_m=100)
    folder = real_data / "weather/nws_qpe_conus"
    import_weather(
        [folder],
        None,
        tmp_path / "daily.zarr",
        source("nws_qpe"),
        grid,
        None,
        Period(start="2019-05-16", end="2019-05-21"),
    )
    rain = open_dataset(tmp_path / "daily.zarr")["precipitation"]
    assert rain.shape[0] == 6
    assert rain.shape[1] * rain.shape[2] < 500  # around the county, not the continent
    assert rain.attrs["units"] == "mm"
    for index, path in enumerate(sorted(folder.glob("*.tif"))):
        with rasterio.open(path) as file:
            county = geopandas.read_file(polygon).to_crs(file.crs.to_wkt()).geometry
            inside = rasterio.features.geometry_mask(
                county, file.shape, file.transform, invert=True
            )
            inches = file.read(1)[inside]
        assert (inches > -1e30).all()
        box = rain.odc.geobox
        ours = rain.isel(time=index).values[
            rasterio.features.geometry_mask(county, tuple(box.shape), box.transform, invert=True)
        ]
        assert ours.size == inches.size
        assert ours.mean() == pytest.approx(25.4 * inches.astype(float).mean(), rel=1e-3)
    assert float(rain.max()) > 1


def test_nodata_of_the_nws_never_enters(real_data: Path) -> None:
    """Over the sea there is nothing but nodata: it is named, not averaged."""
    sea = GeoBox.from_bbox((-72.2, 31.0, -72.0, 31.2), "EPSG:4326", resolution=0.01).to_crs(
        "EPSG:32618"
    )
    with pytest.raises(LoamError, match="missing in"):
        read_weather(
            [real_data / "weather/nws_qpe_conus"],
            source("nws_qpe"),
            sea,
            None,
            Period(start="2019-05-16", end="2019-05-21"),
        )


def test_a_real_station_is_read(real_data: Path) -> None:
    """USCRN's Manhattan, Kansas: one station within reach gives its own values."""
    path = real_data / "insitu/uscrn_manhattan_ks/KS_Manhattan_6_SSW.csv"
    box = GeoBox.from_bbox((705000, 4328000, 709000, 4332000), "EPSG:32614", resolution=20)
    got = read_weather(
        [path], source("stations"), box, None, Period(start="2012-08-01", end="2013-04-30")
    )
    table = pd.read_csv(path).set_index("LST_DATE")
    for name, column in (
        ("precipitation", "P_DAILY_CALC"),
        ("temperature", "T_DAILY_MEAN"),
        ("solar_radiation", "SOLARAD_DAILY"),
    ):
        theirs = table.loc[20120801:20130430, column].values
        np.testing.assert_allclose(
            got[name].sel(time=slice("2012-08-01", "2013-04-30")).mean(("y", "x")).values,
            theirs,
            atol=1e-4,
        )


# --- Vegetation, soil, land cover ---


def test_modis_lies_where_gdal_puts_it(real_data: Path) -> None:
    """Bar: at most half a source pixel between where a target pixel looks and where GDAL's warp looks."""
    folder = real_data / "static/mod13q1_sinop"
    first = sorted(folder.glob("*.jp2"))[0]
    with rasterio.open(first) as file:
        shape, affine, crs = file.shape, file.transform, file.crs
        west, south, east, north = rasterio.warp.transform_bounds(crs, "EPSG:32721", *file.bounds)
    box = GeoBox.from_bbox(
        (west + 5000, south + 5000, east - 5000, north - 5000), "EPSG:32721", resolution=100
    )
    looks = read_ndvi(
        [folder],
        Ndvi(kind="mod13q1", path="x", variable="ndvi", composite_days=16, resolution_m=100),
        box,
    )
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    theirs = np.full((2, *box.shape), -1, np.float32)
    reproject(
        np.stack([rows, columns]),
        theirs,
        src_transform=affine,
        src_crs=crs,
        dst_transform=box.transform,
        dst_crs=str(box.crs),
        resampling=Resampling.bilinear,
        tolerance=0,
        src_nodata=-1,
        dst_nodata=-1,
    )
    positions = pixel_positions(box, looks.odc.crs, looks["x"].values, looks["y"].values)
    top, left = (
        (affine.f - float(looks["y"][0])) / -affine.e - 0.5,
        (float(looks["x"][0]) - affine.c) / affine.a - 0.5,
    )
    seen = (theirs >= 0).all(axis=0)
    assert seen.mean() > 0.5
    for ours, origin, index in zip(positions, (top, left), theirs, strict=True):
        # At the rim, GDAL has no neighbour to interpolate to.
        inside = seen & (index > 0) & (index < index.max())
        error = (ours + origin - index)[inside]
        assert np.abs(error).max() < 0.1


def test_modis_values_are_scaled_and_known_only_when_their_period_is_over(real_data: Path) -> None:
    folder = real_data / "static/mod13q1_sinop"
    with rasterio.open(sorted(folder.glob("*.jp2"))[0]) as file:
        west, south, _, _ = rasterio.warp.transform_bounds(file.crs, "EPSG:32721", *file.bounds)
        raw = file.read(1)
    box = GeoBox.from_bbox(
        (west + 9000, south + 9000, west + 15000, south + 15000), "EPSG:32721", resolution=20
    )
    looks = read_ndvi(
        [folder],
        Ndvi(kind="mod13q1", path="x", variable="ndvi", composite_days=16, resolution_m=100),
        box,
    )
    assert str(looks["time"].values[0])[:10] == "2013-09-29"  # of 14 September, 16 days
    assert looks.sizes["time"] == 12
    values = looks["ndvi"].values
    assert values.shape[1] < 40  # 250 m pixels stay coarse
    assert 0.1 < np.nanmean(values) < 0.95
    assert np.isin(np.round(values[0][np.isfinite(values[0])] * 1e4), raw).all()


def test_a_real_texture_map_has_properties_like_its_own(real_data: Path, tmp_path: Path) -> None:
    """Texture classes of a real soil map, against the theta_s that its makers derived otherwise."""
    data = open_dataset(real_data / "static/wflow_piave_soilgrids/staticmaps.nc")
    data["meta_soil_texture"].astype("float32").rio.to_raster(tmp_path / "texture.tif")
    box = GeoBox.from_bbox((11.9, 45.95, 12.5, 46.5), "EPSG:4326", resolution=0.01).to_crs(
        "EPSG:32633", resolution=500
    )
    soil = Soil(kind="texture_class", path="x", variables=(), depth_cm=5, texture_codes="esdac")
    got = read_soil([tmp_path / "texture.tif"], soil, box)
    assert {
        "sand",
        "silt",
        "clay",
        "theta_r",
        "theta_s",
        "ksat",
        "bulk_density",
        "hydrologic_group",
    } == set(got)
    theirs = to_grid(data["soil_theta_r"], got.odc.geobox, "nearest").values
    known = np.isfinite(theirs) & np.isfinite(got["theta_r"].values)
    assert known.mean() > 0.3
    assert np.corrcoef(theirs[known], got["theta_r"].values[known])[0, 1] > 0.5
    assert abs(theirs[known].mean() - got["theta_r"].values[known].mean()) < 0.02


def test_worldcover_becomes_the_masks(real_data: Path, cfg) -> None:
    from loam.core.flags import Flag
    from loam.core.grid import land_cover_codes
    from loam.moisture.masks import land_cover_flags

    path = (
        real_data
        / "static/glo30_worldcover_bowvalley/p2/ESA_WorldCover_10m_2021_v200_N51W117_Map.tif"
    )
    codes = open_raster(path)
    box = codes.odc.output_geobox("EPSG:32611", resolution=20)
    flags = land_cover_flags(land_cover_codes(path, box), cfg.sources.landcover)
    share = float((codes.values == 10).mean())
    assert share > 0.05
    assert ((flags & Flag.FOREST) > 0).mean() == pytest.approx(share, abs=0.08)
