"""Soil properties from SSURGO, POLARIS, SoilGrids and texture maps, under one set of names and units.

The next provider is a function from files to a dataset with some of `PROPERTIES`, and an entry in `READERS`.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Grid, Soil
from loam.errors import LoamError
from loam.grid import coarsened, target_grid, to_grid
from loam.pedotransfer import hydrologic_group, residual_water, saxton_rawls
from loam.raster import write_zarr
from loam.sources.files import RASTERS, listed
from loam.sources.ssurgo import KEY_RASTER, TABLES, map_unit_properties
from loam.tiles import joined_tiles

# Loam's name: (units, lowest, highest plausible value, long name)
PROPERTIES = {
    "sand": ("%", 0, 100, "sand by mass"),
    "silt": ("%", 0, 100, "silt by mass"),
    "clay": ("%", 0, 100, "clay by mass"),
    "bulk_density": ("g cm-3", 0.02, 2.6, "bulk density"),
    "theta_r": ("m3 m-3", 0, 0.4, "residual volumetric water content"),
    "theta_s": ("m3 m-3", 0.1, 0.98, "saturated volumetric water content"),
    "ksat": ("mm d-1", 0, 100_000, "saturated hydraulic conductivity"),
    "hydrologic_group": ("1", 1, 4, "hydrologic soil group, 1 for A to 4 for D"),
}
CODES = {"hydrologic_group": {"flag_values": [1, 2, 3, 4], "flag_meanings": "A B C D"}}  # properties without values between
ORGANIC_PERCENT = 2.5  # ASSUME: where a source knows no organic matter, that of a typical topsoil (Saxton & Rawls 2006)
CARBON_TO_MATTER = 1.724  # van Bemmelen: organic matter is 58 % carbon
TEXTURES = Path(__file__).parents[3] / "resources/soil_texture.csv"
Converter = tuple[str, Callable[[xr.DataArray], xr.DataArray]]  # our name, and how their numbers become ours
POLARIS: Mapping[str, Converter] = {  # Chaney et al. 2019, doi 10.1029/2018WR022797; log10 of cm/h and of %
    "theta_s": ("theta_s", lambda v: v),
    "theta_r": ("theta_r", lambda v: v),
    "sand": ("sand", lambda v: v),
    "silt": ("silt", lambda v: v),
    "clay": ("clay", lambda v: v),
    "bd": ("bulk_density", lambda v: v),
    "ksat": ("ksat", lambda v: 10**v * 240),
    "om": ("organic", lambda v: 10**v),
}
SOILGRIDS: Mapping[str, Converter] = {  # Poggio et al. 2021, doi 10.5194/soil-7-217-2021; g/kg, cg/cm3, dg/kg
    "sand": ("sand", lambda v: 0.1 * v),
    "silt": ("silt", lambda v: 0.1 * v),
    "clay": ("clay", lambda v: 0.1 * v),
    "bdod": ("bulk_density", lambda v: 0.01 * v),
    "soc": ("organic", lambda v: 0.01 * CARBON_TO_MATTER * v),
}
OTHER_STATISTICS = {"p5", "p50", "p95", "q0", "q05", "q5", "q95", "uncertainty", "mode"}
DEPTHS = re.compile(r"(?<!\d)(\d{1,3})[-_/](\d{1,3})(?:cm)?(?=[_/.\-]|$)")


def import_soil(soil: list[Path], out: Path, source: Soil, grid: Grid, cube: str | None) -> None:
    """Write soil properties around the area, each with its source, no finer than they are and no finer than the grid."""
    box = target_grid(grid, Path(cube) if cube else None)
    write_zarr(read_soil(soil, source, box), out)


def read_soil(paths: list[Path], source: Soil, box: GeoBox) -> xr.Dataset:
    """Read `PROPERTIES` around the area; what the source lacks follows from texture (Saxton & Rawls 2006).

    Raises:
        LoamError: files are missing, or values are out of bounds.
    """
    found = READERS[source.kind](paths, source, box)
    layers = completed(
        {name: coarsened(values, box, "mode" if name in CODES else "average") for name, values in found.items()}, source.kind
    )
    for name, values in layers.items():
        _require_bounds(values, name, paths[0])
    first = next(iter(layers.values()))
    return xr.Dataset({name: layers[name] for name in PROPERTIES if name in layers}).odc.assign_crs(first.odc.crs)


def _require_bounds(values: xr.DataArray, name: str, path: Path) -> None:
    units, lowest, highest, _ = PROPERTIES[name]
    low, high = float(values.min()), float(values.max())
    if low < lowest or high > highest:
        msg = f"{path}: {name} reaches from {low:g} to {high:g} {units}, outside {lowest:g} to {highest:g}; check units and nodata"
        raise LoamError(msg)


def soil_cover(data: xr.Dataset, path: Path, box: GeoBox) -> None:
    """Tell the share of the area without soil.

    Raises:
        LoamError: nothing of the area has any.
    """
    for name, values in data.items():
        gap = float(np.isnan(to_grid(values, box, "nearest")).mean())
        if gap == 1:
            msg = f"{path}: {name} has no value in the area of interest (sources.soil); bring the soil of this area"
            raise LoamError(msg)
        if gap:
            logging.getLogger(__name__).warning("%s: %s is missing on %.1f %% of the area of interest", path, name, 100 * gap)


def completed(layers: dict[str, xr.DataArray], source: str) -> dict[str, xr.DataArray]:
    """Add what a source lacks, pixel by pixel, from its texture; every layer tells where it comes from.

    Args:
        layers: some of `PROPERTIES`, and maybe `organic` matter [%], `(y, x)`.
        source: name of the source, for the attribute.

    Returns:
        All that can be told, without `organic`.
    """
    organic = layers.pop("organic", None)
    if {"sand", "clay"} <= layers.keys():
        sand, clay = layers["sand"], layers["clay"]
        matter = np.full(sand.shape, ORGANIC_PERCENT) if organic is None else np.where(np.isfinite(organic), organic, ORGANIC_PERCENT)
        derived = saxton_rawls(sand.values, clay.values, np.clip(matter, 0, 8))  # the equations were fitted to less than 8 %
        porosity = layers["theta_s"].values if "theta_s" in layers else derived["theta_s"]
        fills = {
            "silt": (100 - sand.values - clay.values, "100 % less sand and clay"),
            "bulk_density": (derived["bulk_density"], "Saxton & Rawls 2006"),
            "theta_s": (derived["theta_s"], "Saxton & Rawls 2006"),
            "ksat": (derived["ksat"], "Saxton & Rawls 2006"),
            "theta_r": (residual_water(sand.values, clay.values, porosity), "Rawls & Brakensiek 1985"),
        }
        layers = layers | {name: _filled(layers.get(name), sand, values, method, source) for name, (values, method) in fills.items()}
    if "ksat" in layers:
        ksat = layers["ksat"]
        layers["hydrologic_group"] = _filled(
            layers.get("hydrologic_group"), ksat, hydrologic_group(ksat.values), "NRCS 2009 from ksat", source
        )
    return {name: _dressed(values, name, source) for name, values in layers.items()}


def _filled(own: xr.DataArray | None, like: xr.DataArray, values: np.ndarray, method: str, source: str) -> xr.DataArray:
    if own is None or not np.isfinite(own.values).any():
        return like.copy(data=values).assign_attrs(source=f"{method}, from {source}")
    gaps = np.isnan(own.values) & np.isfinite(values)
    note = f"{source}, gaps by {method}" if gaps.any() else source
    return own.copy(data=np.where(gaps, values, own.values)).assign_attrs(source=note)


def _dressed(values: xr.DataArray, name: str, source: str) -> xr.DataArray:
    units, _, _, long_name = PROPERTIES[name]
    told = {"source": values.attrs.get("source", source), "units": units, "long_name": long_name}
    return values.astype("float32").assign_attrs(told | CODES.get(name, {}))


def ssurgo(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """SSURGO or gNATSGO: a raster of map unit keys, and tables component and chorizon (and muaggatt) as CSV.

    Raises:
        LoamError: a table or column is missing, or no map unit of the area is in the tables.
    """
    files = listed(paths, RASTERS | {".csv"})
    rasters = [path for path in files if path.suffix.lower() in RASTERS]
    if not rasters:
        msg = f"{paths[0]}: holds no raster of map unit keys; export it from the geodatabase as GeoTIFF"
        raise LoamError(msg)
    keys = joined_tiles(rasters, box, KEY_RASTER)
    frames = {path.stem.lower(): pd.read_csv(path, low_memory=False) for path in files if path.stem.lower() in TABLES}
    properties = map_unit_properties(frames, source.depth_cm, paths[0])
    index = properties.index.to_numpy(dtype=float)
    rows = np.searchsorted(index, keys.values).clip(0, len(index) - 1)
    known = index[rows] == keys.values
    if not known.any():
        msg = f"{paths[0]}: none of the map unit keys of the area is in the tables; bring those of the same survey area"
        raise LoamError(msg)
    columns = {str(name): column.to_numpy(dtype=np.float32) for name, column in properties.items()}
    return {name: keys.copy(data=np.where(known, column[rows], np.float32(np.nan))) for name, column in columns.items()}


def polaris(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """POLARIS: tiles by property, statistic and depth, in folders (`sand/mean/0_5/…`) or names (`sand_mean_0_5…`)."""
    return _by_layers(paths, POLARIS, source.depth_cm, box)


def soilgrids(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """SoilGrids 2.0: `sand_0-5cm_mean.tif` and so on."""
    return _by_layers(paths, SOILGRIDS, source.depth_cm, box)


def _by_layers(paths: list[Path], names: Mapping[str, Converter], depth_cm: float, box: GeoBox) -> dict[str, xr.DataArray]:
    """Properties averaged over the layers of the topsoil, each with its thickness within it."""
    tiles: dict[tuple[str, int, int], list[Path]] = {}
    for path in listed(paths, RASTERS):
        theirs, depth = _told(path, names)
        if theirs and depth and depth[0] < depth_cm:
            tiles.setdefault((theirs, *depth), []).append(path)
    if not tiles:
        msg = f"{paths[0]}: no file names a property ({', '.join(names)}) and a depth as 0_5 or 0-5cm; keep the provider's names"
        raise LoamError(msg)
    sums: dict[str, list[tuple[xr.DataArray, float]]] = {}
    for (theirs, top, bottom), files in tiles.items():
        ours, convert = names[theirs]
        sums.setdefault(ours, []).append((convert(joined_tiles(files, box)), min(bottom, depth_cm) - top))
    return {name: _weighted(parts) for name, parts in sums.items()}


def _told(path: Path, names: Iterable[str]) -> tuple[str | None, tuple[int, int] | None]:
    """Property and depth [cm] that a path tells by its name or its last folders; only means are read."""
    parts = [part.lower() for part in reversed(path.parts[-4:])]
    words = {word for part in parts for word in re.split(r"[_.\-]", part)} | {
        name for name in ("theta_s", "theta_r") if name in "/".join(parts)
    }
    found = [(int(top), int(bottom)) for part in parts for top, bottom in DEPTHS.findall(part) if int(top) < int(bottom)]
    property_ = next((name for name in names if name in words), None)
    return (None, None) if words & OTHER_STATISTICS or not found else (property_, found[0])


def _weighted(parts: list[tuple[xr.DataArray, float]]) -> xr.DataArray:
    total = sum(weight for _, weight in parts)
    mean = sum(values * (weight / total) for values, weight in parts[1:]) if len(parts) > 1 else 0
    first, weight = parts[0]
    return (first * (weight / total) + mean).odc.assign_crs(first.odc.crs)


def texture_class(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """A raster of USDA texture classes, whose properties stand in `resources/soil_texture.csv`.

    Raises:
        LoamError: the table has no such codes, or the raster none of them.
    """
    table = pd.read_csv(TEXTURES, comment="#")
    key = f"code_{source.texture_codes}"
    if key not in table:
        known = ", ".join(str(name).removeprefix("code_") for name in table if str(name).startswith("code_"))
        msg = (
            f"sources.soil.texture_codes = '{source.texture_codes}': resources/soil_texture.csv has {known}; name "
            f"one, or add a column {key}"
        )
        raise LoamError(msg)
    codes = joined_tiles(listed(paths, RASTERS), box, "nearest")
    if not np.isin(codes.values, table[key]).any():
        msg = f"{paths[0]}: no value is a texture class of '{source.texture_codes}' (1 to 12); check sources.soil.texture_codes"
        raise LoamError(msg)
    order = table.sort_values(key)
    rows = np.searchsorted(order[key], codes.values).clip(0, len(order) - 1)
    some = np.isin(codes.values, table[key])
    wanted = {name: order[name].to_numpy(dtype=np.float32) for name in ("sand", "clay", "theta_r", "theta_s", "ksat")}
    return {name: codes.copy(data=np.where(some, column[rows], np.float32(np.nan))) for name, column in wanted.items()}


READERS: Mapping[str, Callable[[list[Path], Soil, GeoBox], dict[str, xr.DataArray]]] = {
    "ssurgo": ssurgo, "polaris": polaris, "soilgrids": soilgrids, "texture_class": texture_class,
}  # fmt: skip
