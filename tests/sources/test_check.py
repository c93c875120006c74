"""What is found out before the first job."""

import os

import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from helpers import days, merged

from loam.config import Config
from loam.core.errors import LoamError
from loam.sources.check import check_inputs


def check_all(cfg: Config) -> None:
    check_inputs(cfg, list(type(cfg.sources).model_fields))


@pytest.fixture
def site(tmp_path, box, layer, load):
    """A whole small site on disk, and its configuration with overrides."""
    cube = xr.Dataset(
        {"vv": layer(np.full((3, *box.shape), -10.0), days("2020-03-01", 3, 6), units="dB")}
    ).assign_coords(track=("time", list("ADA")))
    cube.odc.assign_crs(box.crs).to_netcdf(tmp_path / "cube.nc")
    coarse = box.zoom_out(8)
    rain = layer(
        np.zeros((90, *coarse.shape)),
        days("2020-01-02", 90),
        on=coarse,
        units="mm",
        standard_name="precipitation_amount",
    )
    wind = layer(
        np.full((90, *coarse.shape), 2.0),
        days("2020-01-02", 90),
        on=coarse,
        units="m s-1",
        standard_name="wind_speed",
    )
    xr.Dataset({"rain": rain, "wind": wind}).odc.assign_crs(box.crs).to_netcdf(
        tmp_path / "weather.nc"
    )
    layer(np.zeros(box.shape, np.float32)).rio.to_raster(tmp_path / "dem.tif")
    small = box[:, :8]
    layer(np.zeros(small.shape, np.float32), on=small).rio.to_raster(tmp_path / "small.tif")

    def make(**overrides):
        sources = {
            "backscatter": {"kind": "cube", "path": str(tmp_path / "cube.nc")},
            "weather": {"path": str(tmp_path / "weather.nc")},
            "dem": {"path": str(tmp_path / "dem.tif")},
        }
        sources = merged(sources, overrides.pop("sources", {}))
        grid = {"aoi": "source", "crs": "source"} | overrides.pop("grid", {})
        return load(
            **(
                {
                    "sources": sources,
                    "grid": grid,
                    "period": {"start": "2020-03-01", "end": "2020-03-30"},
                }
                | overrides
            )
        )

    def small_patches(**overrides):
        return make(**merged({"samples": {"patches": {"size_px": 8}}}, overrides))

    return small_patches


def test_a_good_site_passes(site) -> None:
    check_all(site())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"period": {"start": "2021-03-01", "end": "2021-03-30"}},
            "cube.nc: no acquisition between 2021-03-01 and 2021-03-30",
        ),
        (
            {"period": {"start": "2020-03-01", "end": "2020-04-30"}},
            "needs 2020-01-02 to 2020-04-30; extend the weather or cut the period",
        ),
        (
            {"learning": {"experiments": {"sequence": {"days": 61}}}},
            "longest window of 61 days needs 2020-01-01 to 2020-03-30",
        ),
        (
            {"grid": {"aoi": [0, 0, 400, 400], "crs": "EPSG:32618"}},
            "grid.aoi lies outside the cube",
        ),
        ({"grid": {"crs": "EPSG:999999"}}, "grid.crs = 'EPSG:999999': no such code"),
        (
            {"samples": {"patches": {"size_px": 32}}},
            "12 x 16 pixels are less than one patch of samples.patches.size_px = 32",
        ),
        ({"moisture": {"signal": {"polarisation": "vh"}}}, "variable vh is missing"),
    ],
)
def test_what_does_not_fit_is_named(site, overrides: dict, said: str) -> None:
    with pytest.raises(LoamError, match=said):
        check_all(site(**overrides))


def test_a_dem_that_is_too_small_is_named_with_its_share(site, tmp_path) -> None:
    with pytest.raises(
        LoamError, match=r"small.tif: covers 50% of the area of interest \(sources.dem\)"
    ):
        check_all(site(sources={"dem": {"path": str(tmp_path / "small.tif")}}))


def test_a_dem_under_scenes_must_reach_beyond_the_area(site, tmp_path, box, layer) -> None:
    """Terrain beyond the area lays over it; how far is a setting."""
    grid = {"aoi": list(box.boundingbox), "crs": "EPSG:32618"}
    scenes = {"backscatter": {"kind": "scenes", "path": str(tmp_path)}}
    with pytest.raises(LoamError, match=r"covers .*with a margin of sar.heights.margin_m"):
        check_all(site(sources=scenes, grid=grid))
    around = box.pad(60)
    layer(np.zeros(around.shape, np.float32), on=around).rio.to_raster(tmp_path / "large.tif")
    check_all(
        site(
            sources=scenes | {"dem": {"path": str(tmp_path / "large.tif"), "geoid": "ellipsoid"}},
            grid=grid,
        )
    )


def test_what_is_yet_to_be_made_is_not_looked_at(site) -> None:
    check_all(site(sources={"dem": {"path": "resources/here/twin/dem.tif"}}))


def test_tiles_of_a_dem_serve_together(site, tmp_path, box, layer) -> None:
    layer(np.zeros((box.shape[0], 8), np.float32), on=box[:, 8:]).rio.to_raster(
        tmp_path / "rest.tif"
    )
    check_all(
        site(sources={"dem": {"path": [str(tmp_path / "small.tif"), str(tmp_path / "rest.tif")]}})
    )
    with pytest.raises(
        LoamError, match=r"no height on .*% of the area of interest \(sources.dem\)"
    ):
        check_all(
            site(
                sources={
                    "dem": {"path": [str(tmp_path / "small.tif"), str(tmp_path / "small.tif")]}
                }
            )
        )


def test_soil_that_leaves_part_uncovered_is_told_and_none_at_all_refused(
    site, tmp_path, box, layer, caplog
) -> None:
    codes = np.full((box.shape[0], 8), 7, np.uint8)
    layer(codes, on=box[:, :8]).rio.to_raster(tmp_path / "texture.tif")
    check_all(
        site(sources={"soil": {"kind": "texture_class", "path": str(tmp_path / "texture.tif")}})
    )
    assert "sand is missing on 50.0 % of the area of interest" in caplog.text
    layer(np.zeros(box.shape, np.uint8)).rio.to_raster(tmp_path / "texture.tif")
    with pytest.raises(LoamError, match="no value is a texture class"):
        check_all(
            site(sources={"soil": {"kind": "texture_class", "path": str(tmp_path / "texture.tif")}})
        )


def test_looks_that_leave_part_uncovered_are_named(site, tmp_path, box, layer) -> None:
    small = box[:, :8]
    layer(np.full(small.shape, 5000, np.int16), on=small).rio.to_raster(
        tmp_path / "MOD13Q1.A2020033.h12v05.061.NDVI.tif"
    )
    with pytest.raises(
        LoamError, match=r"NDVI.tif: covers [0-9]+% of the area of interest \(sources.ndvi\)"
    ):
        check_all(
            site(
                sources={
                    "ndvi": {
                        "kind": "mod13q1",
                        "path": str(tmp_path / "MOD13Q1.A2020033.h12v05.061.NDVI.tif"),
                    }
                }
            )
        )


def test_weather_without_wind_says_what_to_set(site, tmp_path) -> None:
    weather = xr.load_dataset(tmp_path / "weather.nc")
    weather.drop_vars("wind").to_netcdf(tmp_path / "calm.nc")
    calm = {"weather": {"path": str(tmp_path / "calm.nc")}}
    with pytest.raises(LoamError, match=r"no wind_speed; .* covariates.weather.missing_wind_m_s"):
        check_all(site(sources=calm))
    check_all(site(sources=calm, covariates={"weather": {"missing_wind_m_s": 2}}))


def test_soil_of_other_axes_is_named_and_what_serves_nothing_told(
    site, tmp_path, box, layer, caplog
) -> None:
    def soil(name: str, variables: tuple[str, ...] = (), **fields):
        xr.Dataset(fields).odc.assign_crs(box.crs).to_netcdf(tmp_path / name)
        return site(
            sources={
                "soil": {
                    "kind": "netcdf",
                    "path": str(tmp_path / name),
                    "variables": list(variables),
                }
            }
        )

    flat = layer(np.full(box.shape, 40.0), units="%")
    deep = flat.expand_dims(depth=[5, 15])
    check_all(soil("two.nc", sand=flat, clay=deep))
    assert "clay have other axes than y and x, and are not used" in caplog.text
    with pytest.raises(LoamError, match=r"clay has an axis depth of 2 values \(5, 15\)"):
        check_all(soil("named.nc", ("clay",), sand=flat, clay=deep))
    with pytest.raises(LoamError, match="clay has an axis depth of 2 values"):
        check_all(soil("deep.nc", clay=deep))


def test_weather_that_cannot_be_true_is_named_before_the_first_job(site, tmp_path) -> None:
    weather = xr.load_dataset(tmp_path / "weather.nc")
    rain = np.random.default_rng(1).gamma(0.3, 8.0, 90) / 1000
    weather["rain"] = weather["rain"].copy(
        data=np.broadcast_to(rain[:, None, None], weather["rain"].shape)
    )
    weather.to_netcdf(tmp_path / "metres.nc")
    with pytest.raises(LoamError, match=r"precipitation is .* mm a year.*; check its units"):
        check_all(site(sources={"weather": {"path": str(tmp_path / "metres.nc")}}))


def test_folders_with_loops_and_pipes_are_searched(site, tmp_path) -> None:
    folder = tmp_path / "weather"
    folder.mkdir()
    (folder / "loop").symlink_to(folder)
    (folder / "gone.nc").symlink_to(tmp_path / "nowhere.nc")
    os.mkfifo(folder / "pipe.nc")
    (tmp_path / "weather.nc").rename(folder / "weather.nc")
    check_all(site(sources={"weather": {"path": str(folder)}}))
    with pytest.raises(LoamError, match=r"pipe.nc: is a pipe or device"):
        check_all(site(sources={"weather": {"path": str(folder / "pipe.nc")}}))
