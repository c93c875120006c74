"""Terrain and soil on the target grid."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Grid
from loam.config.covariates import Static
from loam.config.sources import Soil
from loam.core.elevation import PLAUSIBLE_HEIGHTS_M, mosaic
from loam.core.errors import LoamError
from loam.core.grid import around, empty_like_grid, target_grid, to_grid
from loam.core.raster import open_dataset, require, write_zarr
from loam.core.raster_file import opened
from loam.core.voids import require_few_voids, without_voids
from loam.covariates.terrain import terrain_attributes

# Slopes need a pixel around the grid; the wetness index gains from the catchment above it.
MARGIN_PX = 64
MARGIN_READ_PX = 4  # of the DEM's pixels, so that the edge is resampled like the middle
TERRAIN_UNITS = {
    "elevation": "m",
    "slope": "degree",
    "northness": "1",
    "eastness": "1",
    "curvature": "m-1",
    "wetness_index": "1",
}
ALIGNED_FROM = 0.8  # of the DEM's pixel: target pixels from this size on are cut into whole parts
FILLED = 1  # bit of `flags`


def prepare_static(
    dem: Path,
    soil: Path | None,
    out: Path,
    cfg: Static,
    grid: Grid,
    cube: str | None,
    properties: Soil | None,
) -> None:
    """Write elevation, slope, aspect terms, curvature, wetness index and soil as `static.zarr (channel, y, x)`, with flags.

    Args:
        dem: heights [m], of `mosaic_dem`.
        soil: soil properties, of `import_soil`; None: without.
        out: Zarr to write.
        cfg: section `covariates.static`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
        properties: section `sources.soil`; None: without.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    layers, filled = terrain_on_grid(heights_around(dem, box), box, dem, cfg)
    if soil is not None and properties is not None:
        properties_on_grid = soil_on_grid(open_dataset(soil), box, soil, properties.variables)
        if clash := layers.keys() & properties_on_grid.keys():
            msg = f"{soil}: {sorted(clash)} are names of terrain too; rename them in the file"
            raise LoamError(msg)
        layers |= properties_on_grid
    write_zarr(as_channels(layers, filled, box), out)


def heights_around(dem: Path, box: GeoBox) -> xr.DataArray:
    """Heights of the grid and of the margin that slopes and the wetness index need `(y, x)` [m]; the file may cover a continent.

    Raises:
        LoamError: the file cannot be read, names other units than metres, or does not reach the grid.
    """
    tile = opened(dem)
    own = tile.box if tile.crs == str(box.crs) else tile.box.to_crs(str(box.crs))
    margin = (MARGIN_PX + MARGIN_READ_PX) * max(abs(own.resolution.x), abs(own.resolution.y))
    return mosaic([dem], box.pad(int(np.ceil(margin / abs(box.resolution.x)))))


def terrain_on_grid(
    dem: xr.DataArray, box: GeoBox, path: Path, cfg: Static
) -> tuple[dict[str, xr.DataArray], np.ndarray]:
    """Terrain attributes, computed at the DEM's own resolution in the target's CRS and then brought onto the grid.

    Args:
        dem: heights `(y, x)` [m], any CRS.
        box: the target grid.
        path: the DEM, for messages.
        cfg: section `covariates.static`.

    Returns:
        Attributes, and where heights were filled, `(y, x)`.

    Raises:
        LoamError: the DEM leaves more of the grid without a height than `max_void_share`.
    """
    native = on_own_resolution(dem, box, path)
    void = native.copy(data=np.isnan(native.values).astype(np.float32))
    filled = to_grid(void, box, "max").fillna(1).values > 0
    missing = require_few_voids(np.where(filled, np.nan, 0), path, cfg.max_void_share)
    if missing:
        logging.getLogger(__name__).warning(
            "%s: no height on %.2f %% of the area of interest; filled from around and flagged",
            path,
            100 * missing,
        )
    layers = terrain_of(
        native.copy(data=without_voids(native.values.astype(np.float64))), path, cfg
    )
    finer = abs(native.odc.geobox.resolution.x) < abs(box.resolution.x) * 0.999
    names = {
        name: to_grid(values, box, "average" if finer else "bilinear")
        for name, values in layers.items()
    }
    return {
        name: values.assign_attrs(units=TERRAIN_UNITS[name], source="dem")
        for name, values in names.items()
    }, filled


def terrain_of(heights: xr.DataArray, path: Path, cfg: Static) -> dict[str, xr.DataArray]:
    """Attributes of a projected elevation model on its own grid.

    Args:
        heights: `(y, x)` [m], without voids.
        path: the DEM, for messages.
        cfg: section `covariates.static`.

    Raises:
        LoamError: its coordinates are degrees: a slope over them would be nearly upright everywhere.
    """
    grid = heights.odc.geobox
    if not grid.crs.projected:
        msg = f"{path}: lies on {grid.crs}, in degrees; slopes need metres: project it first (grid.crs does)"
        raise LoamError(msg)
    pixel_m = abs(grid.resolution.x), abs(grid.resolution.y)
    attributes = terrain_attributes(
        heights.values, pixel_m, curvature=cfg.curvature, wetness_index=cfg.wetness_index
    )
    return {
        name: heights.copy(data=values.astype(np.float32)) for name, values in attributes.items()
    }


def on_own_resolution(dem: xr.DataArray, box: GeoBox, path: Path) -> xr.DataArray:
    """Heights around the grid in its CRS, in pixels as large as the DEM's, with a margin as far as it reaches; voids NaN.

    Only the heights around the grid are read: a file may cover a continent.

    Raises:
        LoamError: the DEM does not reach the grid.
    """
    source = dem.odc.geobox if dem.odc.crs == box.crs else dem.odc.output_geobox(box.crs)
    pixel = abs(source.resolution.x)
    reach, wanted = source.extent.boundingbox, box.boundingbox.buffered(MARGIN_PX * pixel)
    bounds = (
        max(reach.left, wanted.left),
        max(reach.bottom, wanted.bottom),
        min(reach.right, wanted.right),
        min(reach.top, wanted.top),
    )
    if bounds[0] >= bounds[2] or bounds[1] >= bounds[3]:
        msg = (
            f"{path}: does not reach the area of interest (sources.dem); bring heights of this area"
        )
        raise LoamError(msg)
    if dem.odc.crs == box.crs:
        native = dem.sel(x=slice(bounds[0], bounds[2]), y=slice(bounds[3], bounds[1])).load()
    else:
        dem = around(dem, GeoBox.from_bbox(bounds, box.crs, resolution=pixel), MARGIN_READ_PX)
        native = _plausible(dem).odc.reproject(
            _own_grid(bounds, pixel, box), resampling="bilinear", dst_nodata=np.nan
        )
    return _plausible(native)


def _plausible(heights: xr.DataArray) -> xr.DataArray:
    """Voids that are not declared as NaN, before interpolation spreads them."""
    return heights.where((heights > PLAUSIBLE_HEIGHTS_M[0]) & (heights < PLAUSIBLE_HEIGHTS_M[1]))


def _own_grid(bounds: tuple[float, float, float, float], pixel: float, box: GeoBox) -> GeoBox:
    """Grid of the DEM's pixel size; whole parts of the target's pixels where the sizes allow it, so that nothing is resampled twice."""
    target = abs(box.resolution.x)
    if target < ALIGNED_FROM * pixel:  # a coarser DEM keeps its own pixels
        return GeoBox.from_bbox(bounds, box.crs, resolution=pixel)
    fine = box.zoom_out(1 / parts) if (parts := round(target / pixel)) > 1 else box
    edge = fine.boundingbox
    spare = min(
        edge.left - bounds[0], bounds[2] - edge.right, edge.bottom - bounds[1], bounds[3] - edge.top
    )
    return fine.pad(max(0, int(spare // abs(fine.resolution.x))))


def soil_on_grid(
    data: xr.Dataset, box: GeoBox, path: Path, names: tuple[str, ...]
) -> dict[str, xr.DataArray]:
    """Soil properties on the target grid; gaps stay NaN and are told.

    Args:
        data: soil properties `(y, x)`.
        box: the target grid.
        path: their file, for messages.
        names: properties that are wanted.

    Raises:
        LoamError: a property is missing or has no units.
    """
    names = names or tuple(
        str(name) for name, values in data.data_vars.items() if set(values.dims) == {"y", "x"}
    )
    require(data, names, path)
    layers = {}
    for name in names:
        if "units" not in data[name].attrs:
            msg = f"{path}: {name} has no units; set the attribute"
            raise LoamError(msg)
        values = data[name].astype("float32")
        codes = data[name].dtype.kind in "iu" or "flag_values" in data[name].attrs
        resampling = "nearest" if codes else "bilinear"  # codes have no values between them
        kept = {
            key: data[name].attrs[key] for key in ("units", "source") if key in data[name].attrs
        }
        layers[name] = to_grid(values.compute(), box, resampling).assign_attrs(kept)
        gap = float(np.isnan(layers[name]).mean())
        if gap:
            logging.getLogger(__name__).warning(
                "%s: %s is missing on %.1f %% of the area of interest", path, name, 100 * gap
            )
    return layers


def as_channels(layers: dict[str, xr.DataArray], filled: np.ndarray, box: GeoBox) -> xr.Dataset:
    """Stack layers `(y, x)` into one variable `static (channel, y, x)`, with the units and source of each channel, and flags."""
    coords = empty_like_grid(box)
    values = np.stack([layer.values.astype(np.float32) for layer in layers.values()])
    static = xr.DataArray(
        values,
        dims=("channel", "y", "x"),
        coords=coords | {"channel": list(layers)},
        attrs={
            "units": "see channel_units",
            "long_name": "terrain and soil",
            "channel_units": [str(v.attrs["units"]) for v in layers.values()],
            "channel_sources": [str(v.attrs.get("source", "soil")) for v in layers.values()],
        },
    )
    told = {
        "units": "1",
        "long_name": "terrain flags",
        "flag_masks": [FILLED],
        "flag_meanings": "height_filled",
    }
    flags = xr.DataArray(
        np.where(filled, FILLED, 0).astype(np.uint8), dims=("y", "x"), coords=coords, attrs=told
    )
    return xr.Dataset({"static": static, "flags": flags}).odc.assign_crs(box.crs)
