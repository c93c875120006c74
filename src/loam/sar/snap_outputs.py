"""From the GeoTIFFs that pyroSAR writes to a dataset on the target grid."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.flags import Mask, layer_attributes
from loam.core.grid import empty_like_grid, to_grid
from loam.core.raster import open_raster

# What follows a scene's name in pyroSAR's file names.
INCIDENCE_NAME = "localIncidenceAngle"
MASK_NAME = "layoverShadowMask"
GAMMA0_NAME = "{}_gamma0-rtc"

# SNAP counts 1 layover, 2 shadow, 3 both.
LAYOVER_CODES, SHADOW_CODES = (1, 3), (2, 3)

ALIGNED_PX = 0.01  # distance at which two pixels are the same place

log = logging.getLogger("loam.sar.snap")


def collect_outputs(
    folder: Path, box: GeoBox, polarisations: tuple[str, ...], scene: str
) -> xr.Dataset:
    """Read pyroSAR's outputs of one pass onto the target grid.

    Args:
        folder: where pyroSAR wrote, of this pass alone.
        box: the target grid.
        polarisations: 'vv', 'vh'.
        scene: name of the product, for messages.

    Returns:
        On `box`, `(y, x)`: each polarisation [1], `incidence` [degree], `mask` bits.

    Raises:
        LoamError: an output is missing.
    """
    power = {
        name: on_box(_layer(folder, GAMMA0_NAME.format(name.upper()), scene), box, "average")
        for name in polarisations
    }
    incidence = on_box(_layer(folder, INCIDENCE_NAME, scene), box, "average")
    codes = _layer(folder, MASK_NAME, scene)
    layover, shadow = (
        on_box(codes.isin(which).astype(np.float32), box, "max") > 0
        for which in (LAYOVER_CODES, SHADOW_CODES)
    )
    unseen = xr.concat([layer.isnull() for layer in power.values()], "layer").any("layer")
    bits = ((unseen, Mask.NO_OBSERVATION), (layover, Mask.LAYOVER), (shadow, Mask.SHADOW))
    mask = xr.concat([where * int(bit) for where, bit in bits], "bit").sum("bit").astype(np.uint8)
    layers = power | {"incidence": incidence, "mask": mask}
    return xr.Dataset(
        {name: layer.assign_attrs(layer_attributes(name)) for name, layer in layers.items()}
    )


def _layer(folder: Path, name: str, scene: str) -> xr.DataArray:
    found = sorted(folder.glob(f"*_{name}.tif"))
    if not found:
        have = ", ".join(sorted(path.name for path in folder.glob("*.tif"))) or "nothing"
        msg = f"{scene}: SNAP ended without an error but wrote no {name} (it wrote: {have}); run gpt on the workflow in {folder}"
        raise LoamError(msg)
    return open_raster(found[0])


def on_box(layer: xr.DataArray, box: GeoBox, resampling: str) -> xr.DataArray:
    """Bring a layer onto the target grid: cut to it where the pixels coincide, else resampled, with a line in the log.

    Args:
        layer: `(y, x)` with a CRS, missing as NaN.
        box: the target grid.
        resampling: a rasterio name, for a layer whose pixels lie elsewhere.

    Returns:
        float32 `(y, x)` on `box`, NaN beyond the layer.
    """
    offset = pixel_offset(layer.odc.geobox, box)
    if offset is None:
        log.warning("SNAP's pixels do not lie on the target grid; resampling them (%s)", resampling)
        values = to_grid(layer.astype(np.float32), box, resampling).values
    else:
        values = _cut(layer.values.astype(np.float32), offset, (box.shape.y, box.shape.x))
    return xr.DataArray(values, dims=("y", "x"), coords=empty_like_grid(box))


def pixel_offset(native: GeoBox, box: GeoBox) -> tuple[int, int] | None:
    """Row and column of a raster's first pixel in the target grid, or None when their pixels do not coincide."""
    if native.crs != box.crs:
        return None
    to_pixels = ~box.transform @ native.transform
    corners = np.array(
        [to_pixels @ corner for corner in ((0, 0), (native.shape.x, native.shape.y))]
    )
    whole = np.round(corners)
    same_size = np.array_equal(whole[1] - whole[0], (native.shape.x, native.shape.y))
    if not same_size or np.abs(corners - whole).max() > ALIGNED_PX:
        return None
    column, row = whole[0].astype(int)
    return int(row), int(column)


def _cut(values: np.ndarray, offset: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """The part of `values` that lies on a grid of this shape, at its place; NaN around it."""
    out = np.full(shape, np.nan, dtype=np.float32)
    ends = [
        (max(0, start), min(size, start + length))
        for start, size, length in zip(offset, shape, values.shape, strict=True)
    ]
    if all(first < last for first, last in ends):
        target = tuple(slice(first, last) for first, last in ends)
        source = tuple(
            slice(first - start, last - start)
            for (first, last), start in zip(ends, offset, strict=True)
        )
        out[target] = values[source]
    return out
