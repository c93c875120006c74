"""NDVI from MODIS composites and Sentinel-2 scenes, clouds taken out.

The next provider is a function from files to looks, and an entry in `READERS`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Grid
from loam.config.sources import Ndvi
from loam.core.errors import LoamError
from loam.core.grid import coarsened, target_grid, to_grid
from loam.core.raster import write_zarr
from loam.core.raster_file import opened
from loam.core.tiles import common_grid, joined_tiles
from loam.sources.files import RASTERS, date_in_name, listed

# The day from which it is known, and NDVI (y, x), clouds NaN.
Look = tuple[np.datetime64, xr.DataArray]
# MOD13Q1 collection 6.1 (Didan 2021, doi 10.5067/MODIS/MOD13Q1.061)
MODIS_SCALE, MODIS_RANGE = 1e-4, (-0.2, 1.0)
MODIS_USABLE = (0, 1)  # pixel reliability: good, marginal; 2 is snow, 3 is cloud
# With a time of day since 2024.
ORDINAL_DAY = re.compile(r"(?:\.A|doy)(\d{4})(\d{3})(?:\d{6})?(?!\d)", re.IGNORECASE)
# Sentinel-2 level 2A: vegetation, bare soil, water, unclassified; all else is cloud, shadow, snow or defect.
CLEAR_SCENE_CLASSES = (4, 5, 6, 7)
S2_NAME = re.compile(r"_(\d{8})T\d{6}_.*?(B04|B08|SCL)(?:_\d+m)?\.", re.IGNORECASE)
S2_TILE = re.compile(r"(?<![A-Za-z0-9])T(\d{2}[A-Z]{3})_")
S2_BASELINE = re.compile(r"_N(\d{4})_")
S2_SCALE = 1e-4
S2_OFFSET = 1000  # of digital numbers, since processing baseline 04.00
S2_OFFSET_SINCE = np.datetime64("2022-01-25")
CLEAR_SHARE = 0.5  # ASSUME: a cell that is half clear shows its vegetation


def import_ndvi(ndvi: list[Path], out: Path, source: Ndvi, grid: Grid, cube: str | None) -> None:
    """Write NDVI around the area, a look per composite or scene, no finer than it is and no finer than the grid.

    Args:
        ndvi: files of the source.
        out: Zarr to write.
        source: section `sources.ndvi`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    write_zarr(read_ndvi(ndvi, source, box), out)


def read_ndvi(paths: list[Path], source: Ndvi, box: GeoBox) -> xr.Dataset:
    """Read all looks at the area in order of time, `ndvi (time, y, x)` [1].

    Raises:
        LoamError: there is none.
    """
    looks = sorted(READERS[source.kind](paths, source, box), key=lambda look: look[0])
    first = looks[0][1]
    values = np.stack([look.values for _, look in looks]).astype(np.float32)
    coords = {
        "time": np.array([day for day, _ in looks]).astype("datetime64[ns]"),
        "y": first["y"],
        "x": first["x"],
    }
    attributes = {"units": "1", "long_name": "NDVI, clouds taken out", "source": source.kind}
    return (
        xr.DataArray(values, dims=("time", "y", "x"), coords=coords, attrs=attributes, name="ndvi")
        .to_dataset()
        .odc.assign_crs(first.odc.crs)
    )


def first_look(paths: list[Path], source: Ndvi, box: GeoBox) -> xr.DataArray:
    """One look, to see whether the files can serve.

    Raises:
        LoamError: they cannot.
    """
    return next(iter(READERS[source.kind](paths, source, box)))[1]


def mod13q1(paths: list[Path], source: Ndvi, box: GeoBox) -> Iterator[Look]:
    """MODIS composites in tiles: scaled, with the reliability layer where it lies beside, known when their period is over."""
    by_day: dict[np.datetime64, list[Path]] = {}
    for path in listed(paths, RASTERS):
        by_day.setdefault(modis_day(path), []).append(path)
    grid = common_grid(
        [path for paths in by_day.values() for path in paths if not _is_reliability(path)], box
    )
    for day in sorted(by_day):
        reliability = [path for path in by_day[day] if _is_reliability(path)]
        tiles = [path for path in by_day[day] if "ndvi" in path.name.lower()] or [
            path for path in by_day[day] if path not in reliability
        ]
        if not any("ndvi" in path.name.lower() for path in tiles) and len(by_day[day]) > 1:
            msg = (
                f"{tiles[0]}: its name does not say that it is NDVI, and there are several files of {str(day)[:10]}; "
                "keep the provider's names"
            )
            raise LoamError(msg)
        look = joined_tiles(tiles, box, "nearest", _modis_values, scaled=False, onto=grid)
        if reliability:
            grades = joined_tiles(reliability, box, "nearest", onto=grid)
            look = look.where(np.isin(grades.values, MODIS_USABLE))
        # A composite holds the best look of its period: on its first day it would show days to come.
        known = day + np.timedelta64(source.composite_days - 1, "D")
        yield known, coarsened(look.astype("float32").odc.assign_crs(look.odc.crs), box)


def _is_reliability(path: Path) -> bool:
    return "reliability" in path.name.lower()


def _modis_values(path: Path, digits: np.ndarray) -> np.ndarray:
    """NDVI [1] of a composite's digits, or of values that were scaled before; NaN for fill and what lies outside the product's range.

    Raises:
        LoamError: they are neither.
    """
    tile, known = opened(path), digits[np.isfinite(digits)]
    if tile.kind in {"uint8", "int8", "uint16"}:
        msg = f"{path}: holds {tile.kind} numbers, and MODIS' NDVI has int16 from -3000 to 10000; bring the layer 250m_16_days_NDVI"
        raise LoamError(msg)
    is_scaled = known.size > 0 and bool((known != np.round(known)).any())
    # The scale that a file declares is 0.0001, 10000 (to divide by) or none; a user's own counts where it gives an index.
    declared = (known * tile.scale + tile.offset) if tile.scale != 1 else np.zeros(0)
    scale = tile.scale if declared.size and np.abs(declared).max() <= 1 + 1e-6 else MODIS_SCALE
    values = digits if is_scaled else digits * scale
    good = (values >= MODIS_RANGE[0] - 1e-6) & (values <= MODIS_RANGE[1] + 1e-6)
    fill = -3000 * (MODIS_SCALE if is_scaled else 1)
    if known.size and not good.any() and not np.isclose(known, fill).all():
        msg = (
            f"{path}: values from {known.min():g} to {known.max():g} are no NDVI of MODIS, which has digits of -2000 to 10000, or -0.2 to 1"
            " where they are scaled; bring the layer 250m_16_days_NDVI"
        )
        raise LoamError(msg)
    return np.where(good, values, np.float32(np.nan))


def modis_day(path: Path) -> np.datetime64:
    """First day of a composite by its name: `.A2013257`, `doy2013257`, or a date.

    Raises:
        LoamError: the name tells none.
    """
    match = ORDINAL_DAY.search(path.name)
    if match is None:
        return date_in_name(path)
    found = np.datetime64(f"{match[1]}-01-01", "ns") + np.timedelta64(int(match[2]) - 1, "D")
    if not 1 <= int(match[2]) <= 366 or str(found)[:4] != match[1]:
        msg = f"{path}: its name tells no day: {match[1]} has no day {match[2]}; keep the provider's name"
        raise LoamError(msg)
    return found


def sentinel2(paths: list[Path], source: Ndvi, box: GeoBox) -> Iterator[Look]:
    """Sentinel-2 level 2A: bands 4 and 8 under the scene classification, averaged to `resolution_m` over the area.

    Raises:
        LoamError: no file is a band, or a day lacks one.
    """
    cells = GeoBox.from_bbox(
        box.boundingbox, box.crs, resolution=max(source.resolution_m, abs(box.resolution.x))
    )
    days: dict[np.datetime64, dict[str, list[Path]]] = {}
    for path in listed(paths, RASTERS):
        if match := S2_NAME.search(path.name):
            sensed = np.datetime64(f"{match[1][:4]}-{match[1][4:6]}-{match[1][6:]}", "ns")
            days.setdefault(sensed, {}).setdefault(match[2].upper(), []).append(path)
    if not days:
        msg = f"{paths[0]}: holds no band B04, B08 or SCL of a Sentinel-2 level 2A product; keep the names of its files"
        raise LoamError(msg)
    for day in sorted(days):
        yield day, _look_of_day(days[day], day, cells)


def _look_of_day(
    bands: Mapping[str, list[Path]], day: np.datetime64, cells: GeoBox
) -> xr.DataArray:
    for name in ("B04", "B08", "SCL"):
        if name not in bands:
            msg = f"{next(iter(bands.values()))[0]}: band {name} of {str(day)[:10]} is missing; bring it, or remove the day's others"
            raise LoamError(msg)
    reflectance = partial(_reflectance, day=day)
    near_infrared = joined_tiles(_finest(bands["B08"]), cells, values=reflectance)
    red = _onto(joined_tiles(_finest(bands["B04"]), cells, values=reflectance), near_infrared)
    classes = _onto(joined_tiles(_finest(bands["SCL"]), cells, "nearest"), near_infrared)
    clear = np.isin(classes.values, CLEAR_SCENE_CLASSES)
    values = ndvi_of(red.values, near_infrared.values, clear)
    share = to_grid(
        near_infrared.copy(data=np.isfinite(values).astype("float32")), cells, "average"
    )
    return to_grid(near_infrared.copy(data=values), cells, "average").where(share >= CLEAR_SHARE)


def _reflectance(path: Path, digits: np.ndarray, day: np.datetime64) -> np.ndarray:
    """Reflectance [1] of a file's digits, NaN where they are 0, no data: each file has its own processing baseline.

    A file that declares a scale and an offset comes with both applied.
    """
    tile = opened(path)
    if (tile.scale, tile.offset) != (1.0, 0.0):
        return np.where(np.isclose(digits, tile.offset), np.nan, digits)
    return np.where(digits > 0, (digits - _offset(path, day)) * S2_SCALE, np.nan)


def ndvi_of(red: np.ndarray, near_infrared: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """NDVI [1] of reflectances, NaN where it is not clear or a band has no value.

    Args:
        red: `(y, x)` [1].
        near_infrared: the same.
        clear: where the scene classification says so.
    """
    total = red + near_infrared
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (near_infrared - red) / total
        # Reflectances at or below zero, in deep shadow, have no meaningful ratio.
        good = clear & (total > 0) & (np.abs(ratio) <= 1)
    return np.where(good, ratio, np.nan).astype(np.float32)


def _onto(values: xr.DataArray, grid: xr.DataArray) -> xr.DataArray:
    return (
        values
        if values.odc.geobox == grid.odc.geobox
        else to_grid(values, grid.odc.geobox, "nearest")
    )


def _finest(paths: list[Path]) -> list[Path]:
    """A product holds the same band at 10, 20 and 60 m: the finest that is there of each tile."""
    by_tile: dict[str, list[Path]] = {}
    for path in paths:
        match = S2_TILE.search(str(path))
        by_tile.setdefault(match[1] if match else "", []).append(path)
    return [path for files in by_tile.values() for path in _finest_of_tile(files)]


def _finest_of_tile(paths: list[Path]) -> list[Path]:
    for size in ("_10m", "_20m", "_60m"):
        if found := [path for path in paths if size in path.name]:
            return found
    return paths


def _offset(path: Path, day: np.datetime64) -> float:
    """Offset of digital numbers by the processing baseline that a folder's name tells, else by the day."""
    match = S2_BASELINE.search(str(path))
    # ASSUME: without a baseline in its path, a scene was processed when it was taken, and not again.
    return float(S2_OFFSET) if (int(match[1]) >= 400 if match else day >= S2_OFFSET_SINCE) else 0.0


READERS: Mapping[str, Callable[[list[Path], Ndvi, GeoBox], Iterator[Look]]] = {
    "mod13q1": mod13q1,
    "sentinel2": sentinel2,
}
