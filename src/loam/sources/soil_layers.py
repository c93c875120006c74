"""Soil maps of properties in layers, a raster each: POLARIS and SoilGrids."""

import filecmp
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.sources import Soil
from loam.core.errors import LoamError
from loam.core.raster_file import Place, place_of
from loam.core.tiles import joined_tiles
from loam.sources.files import RASTERS, listed

CARBON_TO_MATTER = 1.724  # van Bemmelen: organic matter is 58 % carbon
# Our name, and how their numbers become ours.
Converter = tuple[str, Callable[[xr.DataArray], xr.DataArray]]
POLARIS: Mapping[
    str, Converter
] = {  # Chaney et al. 2019, doi 10.1029/2018WR022797; log10 of cm/h and of %
    "theta_s": ("theta_s", lambda v: v),
    "theta_r": ("theta_r", lambda v: v),
    "sand": ("sand", lambda v: v),
    "silt": ("silt", lambda v: v),
    "clay": ("clay", lambda v: v),
    "bd": ("bulk_density", lambda v: v),
    "ksat": ("ksat", lambda v: 10**v * 240),
    "om": ("organic", lambda v: 10**v),
}
SOILGRIDS: Mapping[
    str, Converter
] = {  # Poggio et al. 2021, doi 10.5194/soil-7-217-2021; g/kg, cg/cm3, dg/kg
    "sand": ("sand", lambda v: 0.1 * v),
    "silt": ("silt", lambda v: 0.1 * v),
    "clay": ("clay", lambda v: 0.1 * v),
    "bdod": ("bulk_density", lambda v: 0.01 * v),
    "soc": ("organic", lambda v: 0.01 * CARBON_TO_MATTER * v),
}
OTHER_STATISTICS = {"p5", "p50", "p95", "q0", "q05", "q5", "q95", "uncertainty", "mode"}
# Of both; another pair of numbers is a depth if it says cm.
LAYERS_CM = (
    (0, 5),
    (5, 15),
    (15, 30),
    (30, 60),
    (60, 100),
    (100, 200),
)
DEPTHS = re.compile(r"(?<![\d.])(0|[1-9]\d{0,2})[-_](\d{1,3})(cm)?(?=[_/.\-]|$)")


def polaris(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """POLARIS: tiles by property, statistic and depth, in folders (`sand/mean/0_5/…`) or names (`sand_mean_0_5…`)."""
    return _by_layers(paths, POLARIS, source.depth_cm, box)


def soilgrids(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """SoilGrids 2.0: `sand_0-5cm_mean.tif` and so on. Where sand and clay are both 0 there is no soil: its web service fills so."""
    found = _by_layers(paths, SOILGRIDS, source.depth_cm, box)
    if {"sand", "clay"} <= found.keys() and found["sand"].shape == found["clay"].shape:
        void = (found["sand"].values == 0) & (found["clay"].values == 0)
        if void.any():
            text = "%s: sand and clay are both 0 on %.1f %% of what is around the area; this is taken as no data"
            logging.getLogger(__name__).warning(text, paths[0], 100 * void.mean())
            found = {
                name: values.where(~void) if values.shape == void.shape else values
                for name, values in found.items()
            }
    return found


def _by_layers(
    paths: list[Path], names: Mapping[str, Converter], depth_cm: float, box: GeoBox
) -> dict[str, xr.DataArray]:
    """Properties averaged over the layers of the topsoil, each with its thickness within it."""
    tiles: dict[tuple[str, int, int], list[Path]] = {}
    idle = []
    for path in (files := listed(paths, RASTERS)):
        told = _told(path, names)
        if told is None:
            idle.append(path.name)
        elif told[1] < depth_cm:
            tiles.setdefault(told, []).append(path)
    if not tiles:
        msg = f"{paths[0]}: no file names a property ({', '.join(names)}) and a depth as 0_5 or 0-5cm; keep the provider's names"
        raise LoamError(msg)
    if idle:
        text = "%s: %d of %d rasters name no mean of a property and layer, and are passed over: %s"
        logging.getLogger(__name__).warning(
            text, paths[0], len(idle), len(files), ", ".join(idle)[:300]
        )
    _require_layers(tiles, depth_cm, paths[0])
    sums: dict[str, list[tuple[xr.DataArray, float]]] = {}
    for (theirs, top, bottom), each in tiles.items():
        ours, convert = names[theirs]
        values = joined_tiles(distinct(each, f"{theirs} of {top} to {bottom} cm"), box)
        sums.setdefault(ours, []).append((convert(values), min(bottom, depth_cm) - top))
    return {name: _weighted(parts) for name, parts in sums.items()}


def _require_layers(tiles: Iterable[tuple[str, int, int]], depth_cm: float, path: Path) -> None:
    """Every property has every layer down to the depth: the mean of those that happen to be there is another one's."""
    have: dict[str, set[tuple[int, int]]] = {}
    for name, top, bottom in tiles:
        have.setdefault(name, set()).add((top, bottom))
    for name, layers in have.items():
        lacking = [layer for layer in LAYERS_CM if layer[0] < depth_cm and layer not in layers]
        if lacking:
            text = "%s: %s has no layer of %d to %d cm, though sources.soil.depth_cm is %g; the mean is that of the others"
            logging.getLogger(__name__).warning(text, path, name, *lacking[0], depth_cm)


def _told(path: Path, names: Iterable[str]) -> tuple[str, int, int] | None:
    """Property and depth [cm] that a path tells by its name or its last folders, the nearest first; only means are read.

    Raises:
        LoamError: one name tells several.
    """
    parts = [part.lower() for part in reversed(path.parts[-5:])]
    words = [
        {*re.split(r"[_.\-]", part), *(name for name in ("theta_s", "theta_r") if name in part)}
        for part in parts
    ]
    if any(each & OTHER_STATISTICS for each in words[:4]):
        return None
    known = [[name for name in names if name in each] for each in words]
    depths = [_depths(part) for part in parts]
    property_, depth = (next((each for each in found if each), None) for found in (known, depths))
    if property_ is None or depth is None:
        return None
    if len({*property_}) > 1 or len({*depth}) > 1:
        candidates = ", ".join(map(str, property_ if len({*property_}) > 1 else depth))
        msg = f"{path}: its name tells several properties or depths ({candidates}); keep the provider's names"
        raise LoamError(msg)
    return (str(property_[0]), *depth[0])


def _depths(part: str) -> list[tuple[int, int]]:
    pairs = [((int(top), int(bottom)), unit) for top, bottom, unit in DEPTHS.findall(part)]
    return [pair for pair, unit in pairs if pair in LAYERS_CM or (unit and pair[0] < pair[1])]


def distinct(paths: list[Path], what: str) -> list[Path]:
    """Tiles, each of a place of its own; copies of one file count once. A VRT may lie beside the tiles that it joins, and counts last.

    Raises:
        LoamError: two files of other content cover one place.
    """
    kept: list[tuple[Path, Place]] = []
    joins = [path for path in paths if path.suffix.lower() == ".vrt"]
    for path in (path for path in paths if path not in joins):
        place = place_of(path)
        other = next((known for known, theirs in kept if _same(place, theirs)), None)
        if other is None:
            kept.append((path, place))
        elif not filecmp.cmp(path, other, shallow=False):
            msg = f"{path}: holds {what} of the same place as {other}; keep one of them, or name it in sources.soil.path"
            raise LoamError(msg)
    return [path for path, _ in kept] + joins


def _same(one: Place, other: Place) -> bool:
    """Whether half of the smaller tile lies within the other: neighbours share no more than a rim."""
    (west, south, east, north), (west2, south2, east2, north2) = one[0], other[0]
    shared = max(0.0, min(east, east2) - max(west, west2)) * max(
        0.0, min(north, north2) - max(south, south2)
    )
    return one[1] == other[1] and shared > 0.5 * min(
        (east - west) * (north - south), (east2 - west2) * (north2 - south2)
    )


def _weighted(parts: list[tuple[xr.DataArray, float]]) -> xr.DataArray:
    total = sum(weight for _, weight in parts)
    mean = sum(values * (weight / total) for values, weight in parts[1:]) if len(parts) > 1 else 0
    first, weight = parts[0]
    return (first * (weight / total) + mean).odc.assign_crs(first.odc.crs)
