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
from loam.core.elevation import mosaic
from loam.core.errors import LoamError
from loam.core.grid import covered_share, target_grid
from loam.core.paths import files_of
from loam.core.raster import open_dataset, require
from loam.core.tiles import covered_by, joined_tiles
from loam.core.voids import require_few_voids, require_heights_around
from loam.sources.cube import check_overlap, open_cube
from loam.sources.layers import plain
from loam.sources.ndvi import first_look
from loam.sources.soil import read_soil, soil_cover
from loam.sources.weather import read_weather


def check_inputs(cfg: Config, sources: list[str]) -> None:
    """Check every source that is already there against the grid and the period; write nothing.

    Args:
        cfg: the configuration.
        sources: names of those that the run reads.

    Raises:
        LoamError: the first source that cannot serve.
    """
    scenes = cfg.sources.backscatter.kind == "scenes"
    cube = None if scenes else _present(cfg, "backscatter")
    data = None if cube is None else open_cube(cube, cfg.period, cfg.sources.backscatter.units)
    if cube is not None and data is not None:
        _check_cube(data, cube, cfg)
    if cube is None and "source" in (cfg.grid.aoi, cfg.grid.crs):
        return
    box = target_grid(cfg.grid, cube)
    if min(box.shape) < cfg.samples.patches.size_px:
        msg = (
            f"grid.aoi: {box.shape.y} x {box.shape.x} pixels are less than one patch of samples.patches.size_px = "
            f"{cfg.samples.patches.size_px}; lower size_px, or make the area larger"
        )
        raise LoamError(msg)
    if cube is not None and data is not None:
        check_overlap(data, box, cube)
    checks: dict[str, Callable[[list[Path], Config, GeoBox], None]] = {
        "weather": _check_weather,
        "dem": _check_dem,
        "ndvi": _check_ndvi,
        "landcover": _check_landcover,
        "soil": _check_soil,
    }
    for name, check in checks.items():
        if name in sources and (paths := _present_files(cfg, name)):
            check(paths, cfg, box)


def _present_files(cfg: Config, name: str) -> list[Path]:
    """Paths of a source that a user has brought; none if one is not there."""
    named = files_of(getattr(getattr(cfg.sources, name), "path", None))
    paths = [Path(path) for path in named if not path.startswith(cfg.made_by_the_twin)]
    return paths if all(path.exists() for path in paths) else []


def _present(cfg: Config, name: str) -> Path | None:
    """Path of a source that a user has brought; what the twin makes may be about to be made again."""
    return next(iter(_present_files(cfg, name)), None)


def _check_cube(data: xr.Dataset, path: Path, cfg: Config) -> None:
    require(data, (cfg.moisture.signal.polarisation,), path)
    finite = data["vv"].isel(time=slice(0, 8)).notnull().any() or data["vv"].notnull().any()
    if not bool(finite):
        msg = f"{path}: vv is NaN everywhere in the period; check the cube"
        raise LoamError(msg)
    training = data["track"].values[: round(cfg.samples.splits.train_share * data.sizes["time"])]
    for track in np.unique(data["track"].values):
        count, least = int((training == track).sum()), cfg.moisture.references.min_dates
        if count < least:
            text = "%s: track %s has %d training dates, fewer than moisture.references.min_dates = %d; it is flagged too_few_dates"
            logging.getLogger(__name__).warning(text, path, track, count, least)


def _check_weather(paths: list[Path], cfg: Config, box: GeoBox) -> None:
    path = paths[0]
    dem = _present(cfg, "dem")
    weather = read_weather(paths, cfg.sources.weather, box, dem, cfg.period)
    require_cover(weather, box, path, "sources.weather", half_cell=True)
    if "precipitation" not in weather:
        msg = f"{path}: no precipitation, neither by standard name nor in sources.weather.variables; name it there"
        raise LoamError(msg)
    if "wind_speed" not in weather and cfg.covariates.weather.missing_wind_m_s is None:
        msg = f"{path}: no wind_speed; name it in sources.weather.variables, or set covariates.weather.missing_wind_m_s (FAO-56: 2)"
        raise LoamError(msg)
    first, last = (weather["time"].values[i].astype("datetime64[D]").item() for i in (0, -1))
    needed = cfg.period.start - timedelta(days=cfg.learning.longest_window - 1)
    if first > needed or last < cfg.period.end:
        msg = (
            f"{path}: covers {first} to {last}, but the period with its longest window of {cfg.learning.longest_window} days "
            f"needs {needed} to {cfg.period.end}; extend the weather or cut the period"
        )
        raise LoamError(msg)


def _check_dem(paths: list[Path], cfg: Config, box: GeoBox) -> None:
    scenes = cfg.sources.backscatter.kind == "scenes"  # terrain beyond the area lays over it
    around = box.pad(math.ceil(cfg.sar.heights.margin_m / box.resolution.x)) if scenes else box
    key = "sources.dem, with a margin of sar.heights.margin_m" if scenes else "sources.dem"
    if (
        len(paths) == 1
    ):  # tiles of the sea are not made: what several leave out is known by its voids
        require_share(covered_by(paths, around), paths[0], key)
    heights = mosaic(paths, around)
    if scenes:
        require_heights_around(
            heights.odc.reproject(around, resampling="bilinear", dst_nodata=np.nan), paths[0]
        )
    require_few_voids(
        heights.odc.reproject(box, resampling="bilinear", dst_nodata=np.nan),
        paths[0],
        cfg.covariates.static.max_void_share,
    )


def _check_landcover(paths: list[Path], cfg: Config, box: GeoBox) -> None:
    classes = cfg.sources.landcover
    assert classes is not None
    path = paths[0]
    require_share(covered_by(paths, box), path, "sources.landcover")
    named = (*classes.codes.water, *classes.codes.built_up, *classes.codes.forest)
    if not np.isin(joined_tiles(paths, box, "nearest").values, named).any():
        text = "%s: none of the codes %s of the legend %s occurs (sources.landcover.legend); nothing will be flagged by land cover"
        logging.getLogger(__name__).warning(text, path, sorted(named), classes.legend)


def _check_soil(paths: list[Path], cfg: Config, box: GeoBox) -> None:
    source = cfg.sources.soil
    assert source is not None
    if source.kind != "netcdf":
        soil_cover(read_soil(paths, source, box), paths[0], box)
        return
    data = open_dataset(paths[0])
    require(data, source.variables, paths[0])
    flat = [str(name) for name, values in data.data_vars.items() if {*values.dims} == {"y", "x"}]
    for name in source.variables or flat[:1] or [str(name) for name in data.data_vars][:1]:
        plain(data[name], paths[0], ("y", "x"))
    if not source.variables and len(flat) < len(data.data_vars):
        idle = ", ".join(str(name) for name in data.data_vars if name not in flat)
        text = "%s: %s have other axes than y and x, and are not used; "
        text += "choose a layer of them, or name those to use in sources.soil.variables"
        logging.getLogger(__name__).warning(text, paths[0], idle)
    require_cover(data, box, paths[0], "sources.soil")


def _check_ndvi(paths: list[Path], cfg: Config, box: GeoBox) -> None:
    source = cfg.sources.ndvi
    assert source is not None
    if source.kind != "netcdf":
        require_cover(first_look(paths, source, box), box, paths[0], "sources.ndvi")
        return
    data = open_dataset(paths[0])
    require(data, (source.variable,), paths[0])
    require_cover(data, box, paths[0], "sources.ndvi")


def require_cover(
    data: xr.Dataset | xr.DataArray, box: GeoBox, path: Path, key: str, *, half_cell: bool = False
) -> None:
    """Stop when a source leaves part of the area of interest uncovered.

    Args:
        data: the source, with its CRS.
        box: the target grid.
        path: file of the source, for the message.
        key: setting that names it, for the message.
        half_cell: whether the outer half of a cell at the edge may be missing.

    Raises:
        LoamError: with the share that is covered.
    """
    require_share(covered_share(data, box, half_cell), path, key)


def require_share(share: float, path: Path, key: str) -> None:
    """Stop when a source covers less than the area of interest.

    Raises:
        LoamError: with the share that is covered.
    """
    if share < 0.999:
        msg = f"{path}: covers {share:.0%} of the area of interest ({key}); bring one that covers it all, or make grid.aoi smaller"
        raise LoamError(msg)
