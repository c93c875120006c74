"""One look at every source before the first job runs: what cannot serve is named at once."""

import logging
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Config
from loam.errors import LoamError
from loam.grid import covered_share, heights_on_grid, target_grid
from loam.raster import open_dataset, open_raster, require
from loam.sources.cube import check_overlap, open_cube
from loam.sources.weather import read_weather


def check_inputs(cfg: Config) -> None:
    """Check every source that is already there against the grid and the period; write nothing.

    Raises:
        LoamError: the first source that cannot serve.
    """
    scenes = cfg.sources.backscatter.kind == "scenes"
    cube = None if scenes else _present(cfg, "backscatter")
    data = None if cube is None else open_cube(cube, cfg.period)
    if cube is not None and data is not None:
        _check_cube(data, cube, cfg)
    if cube is None and "source" in (cfg.grid.aoi, cfg.grid.crs):
        return
    box = target_grid(cfg.grid, cube)
    if min(box.shape) < cfg.learning.patches.size_px:
        msg = (
            f"grid.aoi: {box.shape.y} x {box.shape.x} pixels are less than one patch of learning.patches.size_px = "
            f"{cfg.learning.patches.size_px}; lower size_px, or make the area larger"
        )
        raise LoamError(msg)
    if cube is not None and data is not None:
        check_overlap(data, box, cube)
    checks: dict[str, Callable[[Path, Config, GeoBox], None]] = {
        "weather": _check_weather, "dem": _check_dem, "ndvi": _check_ndvi, "landcover": _check_landcover, "soil": _check_soil,
    }  # fmt: skip
    for name, check in checks.items():
        path = _present(cfg, name)
        if path is not None:
            check(path, cfg, box)


def _present(cfg: Config, name: str) -> Path | None:
    """Path of a source that a user has brought; what the twin makes may be about to be made anew."""
    path = cfg.sources.path(name)
    if path is None or path.startswith(cfg.made_by_the_twin) or not Path(path).exists():
        return None
    return Path(path)


def _check_cube(data: xr.Dataset, path: Path, cfg: Config) -> None:
    require(data, (cfg.moisture.signal.polarisation,), path)
    finite = data["vv"].isel(time=slice(0, 8)).notnull().any() or data["vv"].notnull().any()
    if not bool(finite):
        msg = f"{path}: vv is NaN everywhere in the period; check the cube"
        raise LoamError(msg)
    training = data["track"].values[: round(cfg.learning.splits.train_share * data.sizes["time"])]
    for track in np.unique(data["track"].values):
        count, least = int((training == track).sum()), cfg.moisture.references.min_dates
        if count < least:
            text = "%s: track %s has %d training dates, fewer than moisture.references.min_dates = %d; it is flagged too_few_dates"
            logging.getLogger(__name__).warning(text, path, track, count, least)


def _check_weather(path: Path, cfg: Config, box: GeoBox) -> None:
    weather = read_weather(path, cfg.sources.weather)
    require_cover(weather, box, path, "sources.weather", half_cell=True)
    for name in ("precipitation", "wind_speed"):
        if name not in weather:
            msg = f"{path}: no {name}, neither by standard name nor in sources.weather.variables; name it there"
            raise LoamError(msg)
    first, last = (weather["time"].values[i].astype("datetime64[D]").item() for i in (0, -1))
    needed = cfg.period.start - timedelta(days=cfg.learning.longest_window - 1)
    if first > needed or last < cfg.period.end:
        msg = (
            f"{path}: covers {first} to {last}, but the period with its longest window of {cfg.learning.longest_window} days "
            f"needs {needed} to {cfg.period.end}; extend the weather or cut the period"
        )
        raise LoamError(msg)


def _check_dem(path: Path, cfg: Config, box: GeoBox) -> None:
    dem = open_raster(path)
    scenes = cfg.sources.backscatter.kind == "scenes"  # terrain beyond the area lays over it
    around = box.pad(math.ceil(cfg.sar.heights.margin_m / box.resolution.x)) if scenes else box
    require_cover(dem, around, path, "sources.dem, with a margin of sar.heights.margin_m" if scenes else "sources.dem")
    heights_on_grid(dem, box, path)


def _check_landcover(path: Path, cfg: Config, box: GeoBox) -> None:
    classes = cfg.sources.landcover
    assert classes is not None
    data = open_raster(path)
    require_cover(data, box, path, "sources.landcover")
    named = (*classes.water, *classes.built_up, *classes.forest)
    if not np.isin(data.values, named).any():
        text = "%s: none of the codes %s occurs (sources.landcover.water, built_up, forest); nothing will be flagged by land cover"
        logging.getLogger(__name__).warning(text, path, sorted(named))


def _check_soil(path: Path, cfg: Config, box: GeoBox) -> None:
    assert cfg.sources.soil is not None
    data = open_dataset(path)
    require(data, cfg.sources.soil.variables, path)
    require_cover(data, box, path, "sources.soil")


def _check_ndvi(path: Path, cfg: Config, box: GeoBox) -> None:
    assert cfg.sources.ndvi is not None
    data = open_dataset(path)
    require(data, (cfg.sources.ndvi.variable,), path)
    require_cover(data, box, path, "sources.ndvi")


def require_cover(data: xr.Dataset | xr.DataArray, box: GeoBox, path: Path, key: str, *, half_cell: bool = False) -> None:
    """Stop when a source leaves part of the area of interest uncovered.

    Raises:
        LoamError: with the share that is covered.
    """
    share = covered_share(data, box, half_cell)
    if share < 0.999:
        msg = f"{path}: covers {share:.0%} of the area of interest ({key}); bring one that covers it all, or make grid.aoi smaller"
        raise LoamError(msg)
