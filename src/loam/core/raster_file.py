"""What a raster says of itself: where its pixels lie, and what its digits mean. None of its pixels is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError

from loam.core.crs import require_on_earth
from loam.core.errors import LoamError

Place = tuple[tuple[float, ...], str]
SMALLEST_PIXEL, LARGEST_PIXEL = 1e-9, 1e9  # degrees or metres; beyond lies a damaged geotransform
# What GDAL raises for a file that it cannot read.
FAULTS = (
    rasterio.errors.RasterioError,
    CPLE_BaseError,
)


@dataclass(frozen=True)
class Tile:
    """Where a raster's pixels lie, and what its digits mean."""

    path: Path
    crs: Any
    box: GeoBox  # its rows may run north
    scale: float
    offset: float
    kind: str  # of its digits, as numpy names it
    unit: str  # of its band; empty where the file names none

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a pixel across and down, in the units of the CRS."""
        return abs(self.box.resolution.x), abs(self.box.resolution.y)


def opened(path: Path) -> Tile:
    """What a raster says of itself; none of its pixels is read.

    Raises:
        LoamError: it cannot be read, or does not say where its pixels lie.
    """
    try:
        with rasterio.open(path) as file:
            require_placed(file, path)
            scale, offset = (
                value if np.isfinite(value) else default
                for value, default in ((file.scales[0], 1.0), (file.offsets[0], 0.0))
            )
            crs = file.crs.to_wkt()
            unit = (file.units[0] or "").strip()
            return Tile(
                path,
                crs,
                GeoBox(file.shape, file.transform, crs),
                scale or 1.0,
                offset,
                file.dtypes[0],
                unit,
            )
    except FAULTS as error:
        msg = f"{path}: cannot be read as a raster ({str(error)[:80]}); replace it by a GeoTIFF"
        raise LoamError(msg) from None


def place_of(path: Path) -> Place:
    """Bounds of a raster, west, south, east, north, and their CRS as WKT.

    Raises:
        LoamError: as `opened`.
    """
    tile = opened(path)
    return tuple(tile.box.extent.boundingbox)[:4], tile.crs


def require_placed(file: Any, path: Path) -> None:
    """Stop unless an opened raster has one band of data, a CRS, and rows and columns along its axes.

    Args:
        file: as rasterio opens it.
        path: the file, for messages.

    Raises:
        LoamError: it has not.
    """
    from rasterio.enums import ColorInterp

    if not file.count or file.subdatasets:
        inside = ", ".join(name.rpartition(":")[2] for name in file.subdatasets[:8])
        msg = f"{path}: holds {inside or 'no raster'}, and one raster is wanted; extract the right one (gdal_translate)"
        raise LoamError(msg)
    bands = [
        band
        for band, meaning in zip(file.indexes, file.colorinterp, strict=True)
        if meaning != ColorInterp.alpha
    ]
    if len(bands) > 1:
        names = ", ".join(file.descriptions[band - 1] or str(band) for band in bands[:8])
        msg = f"{path}: has {len(bands)} bands ({names}), and one is wanted; keep the right one (gdal_translate -b 1 …)"
        raise LoamError(msg)
    if "complex" in file.dtypes[0]:
        msg = f"{path}: holds complex numbers, as single-look radar does; bring a raster of plain numbers"
        raise LoamError(msg)
    if file.crs is None and file.gcps[0]:
        msg = f"{path}: is placed by ground control points alone; bring it onto a grid first (gdalwarp {path.name} on_a_grid.tif)"
        raise LoamError(msg)
    if file.crs is None:
        msg = f"{path}: has no CRS; add one (gdal_edit.py -a_srs EPSG:…)"
        raise LoamError(msg)
    require_on_earth(file.crs.to_wkt(), path)
    if file.transform.is_identity:
        msg = f"{path}: has no geotransform, so nothing says where its pixels lie; add one (gdal_edit.py -a_ullr …)"
        raise LoamError(msg)
    sizes = np.abs([file.transform.a, file.transform.e]) + np.abs(
        [file.transform.b, file.transform.d]
    )
    if not (
        np.isfinite(tuple(file.transform)[:6]).all()
        and (sizes > SMALLEST_PIXEL).all()
        and (sizes < LARGEST_PIXEL).all()
    ):
        msg = f"{path}: its geotransform {tuple(file.transform)[:6]} gives pixels no size; the file is damaged, bring it again"
        raise LoamError(msg)
    if max(abs(file.transform.b), abs(file.transform.d)) > 1e-6 * min(
        abs(file.transform.a), abs(file.transform.e)
    ):
        msg = f"{path}: its rows and columns are rotated against its CRS; turn it north first (gdalwarp {path.name} north_up.tif)"
        raise LoamError(msg)
