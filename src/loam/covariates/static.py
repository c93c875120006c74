"""Terrain and soil on the target grid."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Grid, Soil, Static
from loam.covariates.terrain import terrain_attributes
from loam.errors import LoamError
from loam.grid import empty_like_grid, heights_on_grid, target_grid, to_grid
from loam.raster import open_dataset, open_raster, require, write_zarr

# Slopes need a pixel around the grid; the wetness index gains from the catchment above it.
MARGIN_PX = 64
TERRAIN_UNITS = {"elevation": "m", "slope": "degree", "northness": "1", "eastness": "1", "wetness_index": "1"}


def prepare_static(dem: Path, soil: Path | None, out: Path, cfg: Static, grid: Grid, cube: str | None, properties: Soil | None) -> None:
    """Write elevation, slope, aspect terms, wetness index and soil as `static.zarr (channel, y, x)`."""
    box = target_grid(grid, Path(cube) if cube else None)
    layers = terrain_on_grid(open_raster(dem), box, dem, wetness_index=cfg.wetness_index)
    if soil is not None and properties is not None:
        properties_on_grid = soil_on_grid(open_dataset(soil), box, soil, properties.variables)
        if clash := layers.keys() & properties_on_grid.keys():
            msg = f"{soil}: {sorted(clash)} are names of terrain too; rename them in the file"
            raise LoamError(msg)
        layers |= properties_on_grid
    write_zarr(as_channels(layers, box), out)


def terrain_on_grid(dem: xr.DataArray, box: GeoBox, path: Path, *, wetness_index: bool) -> dict[str, xr.DataArray]:
    """Terrain attributes, computed at the DEM's own resolution in the target's CRS and then averaged.

    Args:
        dem: heights `(y, x)` [m], any CRS.
        box: the target grid.
        path: the DEM, for messages.
        wetness_index: add the topographic wetness index.

    Raises:
        LoamError: the DEM leaves part of the grid without a height.
    """
    heights_on_grid(dem, box, path)  # stops at a void
    native = dem.odc.reproject(_native_grid(dem, box), resampling="bilinear", dst_nodata=np.nan)
    height = _without_voids(native.values.astype(np.float64))
    attributes = terrain_attributes(height, abs(native.odc.geobox.resolution.x), wetness_index=wetness_index)
    layers = {name: native.copy(data=values.astype(np.float32)) for name, values in attributes.items()}
    return {name: to_grid(values, box, "average").assign_attrs(units=TERRAIN_UNITS[name]) for name, values in layers.items()}


def _native_grid(dem: xr.DataArray, box: GeoBox) -> GeoBox:
    """The target grid cut into pixels about as fine as the DEM's, with a margin as far as the DEM reaches."""
    source = dem.odc.output_geobox(box.crs)
    parts = max(1, round(abs(box.resolution.x) / abs(source.resolution.x)))
    fine = box.zoom_out(1 / parts) if parts > 1 else box
    dem_edge, edge = source.extent.boundingbox, fine.boundingbox
    spare = min(edge.left - dem_edge.left, dem_edge.right - edge.right, edge.bottom - dem_edge.bottom, dem_edge.top - edge.top)
    return fine.pad(int(np.clip(spare // abs(fine.resolution.x), 0, MARGIN_PX)))


def _without_voids(height: np.ndarray) -> np.ndarray:
    """Voids outside the area of interest take the nearest height, so that no slope is lost to them."""
    from scipy.ndimage import distance_transform_edt

    void = np.isnan(height)
    if not void.any():
        return height
    nearest = distance_transform_edt(void, return_distances=False, return_indices=True)
    return height[tuple(nearest)]


def soil_on_grid(data: xr.Dataset, box: GeoBox, path: Path, names: tuple[str, ...]) -> dict[str, xr.DataArray]:
    """Soil properties on the target grid; gaps stay NaN and are told.

    Raises:
        LoamError: a property is missing or has no units.
    """
    names = names or tuple(str(name) for name, values in data.data_vars.items() if set(values.dims) == {"y", "x"})
    require(data, names, path)
    layers = {}
    for name in names:
        if "units" not in data[name].attrs:
            msg = f"{path}: {name} has no units; set the attribute"
            raise LoamError(msg)
        values = data[name].astype("float32")
        resampling = "nearest" if data[name].dtype.kind in "iu" else "bilinear"  # codes have no values between them
        layers[name] = to_grid(values.compute(), box, resampling).assign_attrs(units=data[name].attrs["units"])
        gap = float(np.isnan(layers[name]).mean())
        if gap:
            logging.getLogger(__name__).warning("%s: %s is missing on %.1f %% of the area of interest", path, name, 100 * gap)
    return layers


def as_channels(layers: dict[str, xr.DataArray], box: GeoBox) -> xr.Dataset:
    """Stack layers `(y, x)` into one variable `static (channel, y, x)`, with the units of each channel."""
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
        },
    )
    return xr.Dataset({"static": static}).odc.assign_crs(box.crs)
