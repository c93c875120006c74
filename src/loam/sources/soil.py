"""Soil properties from SSURGO, POLARIS, SoilGrids and texture maps, under one set of names and units.

The next provider is a function from files to a dataset with some of `PROPERTIES`, and an entry in `READERS`.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Grid
from loam.config.sources import Soil
from loam.core.errors import LoamError
from loam.core.grid import coarsened, target_grid, to_grid
from loam.core.pedotransfer import hydrologic_group, residual_water, saxton_rawls
from loam.core.raster import write_zarr
from loam.core.shipped import shipped
from loam.core.tiles import joined_tiles
from loam.sources.files import RASTERS, listed
from loam.sources.soil_layers import distinct, polaris, soilgrids
from loam.sources.ssurgo import KEY_RASTER, map_unit_properties, survey_tables

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
# Properties without values between.
CODES = {"hydrologic_group": {"flag_values": [1, 2, 3, 4], "flag_meanings": "A B C D"}}
ORGANIC_PERCENT = 2.5  # ASSUME: where a source knows no organic matter, that of a typical topsoil (Saxton & Rawls 2006)
TEXTURES = "resources/soil_texture.csv"


def import_soil(soil: list[Path], out: Path, source: Soil, grid: Grid, cube: str | None) -> None:
    """Write soil properties around the area, each with its source, no finer than they are and no finer than the grid.

    Args:
        soil: files of the source.
        out: Zarr to write.
        source: section `sources.soil`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    write_zarr(read_soil(soil, source, box), out)


def read_soil(paths: list[Path], source: Soil, box: GeoBox) -> xr.Dataset:
    """Read `PROPERTIES` around the area; what the source lacks follows from texture (Saxton & Rawls 2006).

    Raises:
        LoamError: files are missing, or values are out of bounds.
    """
    found = READERS[source.kind](paths, source, box)
    layers = completed(
        {
            name: coarsened(values, box, "mode" if name in CODES else "average")
            for name, values in found.items()
        },
        source.kind,
    )
    for name, values in layers.items():
        _require_bounds(values, name, paths[0])
    first = next(iter(layers.values()))
    return xr.Dataset({name: layers[name] for name in PROPERTIES if name in layers}).odc.assign_crs(
        first.odc.crs
    )


def _require_bounds(values: xr.DataArray, name: str, path: Path) -> None:
    units, lowest, highest, _ = PROPERTIES[name]
    low, high = float(values.min()), float(values.max())
    if name in {"sand", "silt", "clay"} and 0 < high <= 1:
        msg = f"{path}: {name} never exceeds {high:g} %: it is a share of 1; multiply it by 100, or keep the provider's numbers"
        raise LoamError(msg)
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
            logging.getLogger(__name__).warning(
                "%s: %s is missing on %.1f %% of the area of interest", path, name, 100 * gap
            )


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
        matter = (
            np.full(sand.shape, ORGANIC_PERCENT)
            if organic is None
            else np.where(np.isfinite(organic), organic, ORGANIC_PERCENT)
        )
        # The equations were fitted to less than 8 %.
        derived = saxton_rawls(sand.values, clay.values, np.clip(matter, 0, 8))
        porosity = layers["theta_s"].values if "theta_s" in layers else derived["theta_s"]
        fills = {
            "silt": (100 - sand.values - clay.values, "100 % less sand and clay"),
            "bulk_density": (derived["bulk_density"], "Saxton & Rawls 2006"),
            "theta_s": (derived["theta_s"], "Saxton & Rawls 2006"),
            "ksat": (derived["ksat"], "Saxton & Rawls 2006"),
            "theta_r": (
                residual_water(sand.values, clay.values, porosity),
                "Rawls & Brakensiek 1985",
            ),
        }
        layers = layers | {
            name: _filled(layers.get(name), sand, values, method, source)
            for name, (values, method) in fills.items()
        }
    if "ksat" in layers:
        ksat = layers["ksat"]
        layers["hydrologic_group"] = _filled(
            layers.get("hydrologic_group"),
            ksat,
            hydrologic_group(ksat.values),
            "NRCS 2009 from ksat",
            source,
        )
    return {name: _dressed(values, name, source) for name, values in layers.items()}


def _filled(
    own: xr.DataArray | None, like: xr.DataArray, values: np.ndarray, method: str, source: str
) -> xr.DataArray:
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
    keys = joined_tiles(distinct(rasters, "map unit keys"), box, KEY_RASTER)
    mukeys = np.unique(keys.values[np.isfinite(keys.values)])
    tables = survey_tables(
        [path for path in files if path.suffix.lower() not in RASTERS], mukeys, paths[0]
    )
    properties = map_unit_properties(tables, source.depth_cm)
    if properties.empty and len(tables["chorizon"]):
        msg = f"{paths[0]}: no horizon of the area's map units lies within the upper {source.depth_cm:g} cm; "
        msg += "check hzdept_r and hzdepb_r [cm]"
        raise LoamError(msg)
    index = properties.index.to_numpy(dtype=float)
    rows = np.searchsorted(index, keys.values).clip(0, max(len(index) - 1, 0))
    known = index[rows] == keys.values if index.size else np.zeros(keys.shape, bool)
    if not known.any():
        msg = f"{paths[0]}: none of the map unit keys of the area is in the tables; bring those of the same survey area"
        raise LoamError(msg)
    columns = {str(name): column.to_numpy(dtype=np.float32) for name, column in properties.items()}
    return {
        name: keys.copy(data=np.where(known, column[rows], np.float32(np.nan)))
        for name, column in columns.items()
    }


def texture_class(paths: list[Path], source: Soil, box: GeoBox) -> dict[str, xr.DataArray]:
    """A raster of USDA texture classes, whose properties stand in `resources/soil_texture.csv`.

    Raises:
        LoamError: the table has no such codes, or the raster none of them.
    """
    table = pd.read_csv(shipped(TEXTURES), comment="#")
    key = f"code_{source.texture_codes}"
    if key not in table:
        known = ", ".join(
            str(name).removeprefix("code_") for name in table if str(name).startswith("code_")
        )
        msg = (
            f"sources.soil.texture_codes = '{source.texture_codes}': resources/soil_texture.csv has {known}; name "
            f"one, or add a column {key}"
        )
        raise LoamError(msg)
    codes = joined_tiles(distinct(listed(paths, RASTERS), "texture classes"), box, "nearest")
    if not np.isin(codes.values, table[key]).any():
        msg = f"{paths[0]}: no value is a texture class of '{source.texture_codes}' (1 to 12); check sources.soil.texture_codes"
        raise LoamError(msg)
    order = table.sort_values(key)
    rows = np.searchsorted(order[key], codes.values).clip(0, len(order) - 1)
    some = np.isin(codes.values, table[key])
    wanted = {
        name: order[name].to_numpy(dtype=np.float32)
        for name in ("sand", "clay", "theta_r", "theta_s", "ksat")
    }
    return {
        name: codes.copy(data=np.where(some, column[rows], np.float32(np.nan)))
        for name, column in wanted.items()
    }


READERS: Mapping[str, Callable[[list[Path], Soil, GeoBox], dict[str, xr.DataArray]]] = {
    "ssurgo": ssurgo,
    "polaris": polaris,
    "soilgrids": soilgrids,
    "texture_class": texture_class,
}
