"""Step `prepare-heights`: heights above the ellipsoid at the corners of facets, which terrain flattening stands on."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject

from loam.config.base import Grid
from loam.config.sar import Heights
from loam.config.sources import Dem
from loam.core.elevation import FILL, PLAUSIBLE_HEIGHTS_M, require_metres
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.core.raster import write_geotiff
from loam.core.tiles import joined_tiles
from loam.core.voids import require_heights_around, without_voids
from loam.sar.terrain import Facets

NODATA = -9999.0
GEOID_M = (-110.0, 90.0)  # of the Earth


@dataclass(frozen=True)
class Terrain:
    """Heights at facet corners, on a grid and a margin around it."""

    box: GeoBox  # the target grid
    per_pixel: int  # facets to the edge of a pixel
    margin_px: int  # pixels around the grid
    heights_m: np.ndarray  # (row of corners, column of corners) float32

    def facets(self, rows: slice, columns: slice, margin_px: int) -> Facets:
        """Facets of a block of pixels with a margin.

        Args:
            rows: of the target grid.
            columns: of the target grid.
            margin_px: at most this terrain's own.
        """
        n, reach = self.per_pixel, self.margin_px - margin_px
        top, left = (part.start + reach for part in (rows, columns))
        bottom, right = (part.stop + self.margin_px + margin_px for part in (rows, columns))
        part = self.heights_m[top * n : bottom * n + 1, left * n : right * n + 1]
        pixel, affine = self.box.resolution.x, self.box.affine
        x, y = (
            affine.c + (columns.start - margin_px) * pixel,
            affine.f - (rows.start - margin_px) * pixel,
        )
        return Facets(part, x, y, pixel / n)


def prepare_heights(
    dem: Path, geoid: Path | None, out: Path, source: Dem, grid: Grid, heights: Heights
) -> None:
    """Bring the DEM to the corners of facets and above the ellipsoid; write a GeoTIFF.

    Args:
        dem: heights, of `mosaic_dem`.
        geoid: raster of the geoid's height above WGS 84 [m]; None where `source` gives a number or the ellipsoid.
        out: GeoTIFF to write.
        source: section `sources.dem`.
        grid: section `grid`.
        heights: section `sar.heights`.
    """
    box = target_grid(grid, None)
    per_pixel, margin = facets_per_pixel(box, heights.facet_m), margin_pixels(box, heights.margin_m)
    corners = corner_grid(box, per_pixel, margin)
    require_metres(dem)
    values = resampled(dem, corners, "sources.dem.path", PLAUSIBLE_HEIGHTS_M)
    if missing := require_heights_around(values, dem):
        text = (
            "%s: no height on %.2f %% of the area and its margin; filled from around (sources.dem)"
        )
        logging.getLogger(__name__).warning(text, dem, 100 * missing)
        values = without_voids(values).astype(np.float32)
    values += np.float32(undulation(source.geoid, geoid, corners))
    text = "height above the ellipsoid at facet corners"
    write_geotiff(
        values, corners, out, NODATA, "m", text, margin_px=margin, facets_per_pixel=per_pixel
    )


def read_terrain(path: Path, box: GeoBox) -> Terrain:
    """Read what `prepare-heights` wrote.

    Raises:
        LoamError: it was made for another grid.
    """
    with rasterio.open(path) as file:
        per_pixel, margin = int(file.tags()["facets_per_pixel"]), int(file.tags()["margin_px"])
        expected = corner_grid(box, per_pixel, margin)
        if file.shape != tuple(expected.shape) or not file.transform.almost_equals(
            expected.transform, 1e-6
        ):
            msg = f"{path}: was made for another grid; remove it and run again"
            raise LoamError(msg)
        return Terrain(box, per_pixel, margin, file.read(1))


def facets_per_pixel(box: GeoBox, facet_m: float) -> int:
    """Facets to the edge of a pixel: even, so that a corner stands in its middle, and none larger than asked."""
    return 2 * int(np.ceil(box.resolution.x / (2 * facet_m)))


def margin_pixels(box: GeoBox, margin_m: float) -> int:
    """Margin in whole pixels of the grid."""
    return int(np.ceil(margin_m / box.resolution.x))


def corner_grid(box: GeoBox, per_pixel: int, margin_px: int) -> GeoBox:
    """Grid whose pixel centres are the corners of facets, on the target grid and a margin around it."""
    step = box.resolution.x / per_pixel
    shape = tuple((size + 2 * margin_px) * per_pixel + 1 for size in box.shape)
    reach = margin_px * box.resolution.x + step / 2
    return GeoBox(
        (int(shape[0]), int(shape[1])),
        Affine(step, 0, box.affine.c - reach, 0, -step, box.affine.f + reach),
        box.crs,
    )


def resampled(path: Path, corners: GeoBox, key: str, plausible: tuple[float, float]) -> np.ndarray:
    """A raster at the corners of facets: cubic where it is coarser than they are, averaged where it is finer.

    Args:
        path: raster with a CRS.
        corners: grid of the corners.
        key: setting that names the raster, for messages.
        plausible: lowest and highest value that can be.

    Returns:
        `(y, x)` float32, NaN where the raster has no value.

    Raises:
        LoamError: it cannot be read, does not reach the grid, or has no plausible value there.
    """
    values = joined_tiles(
        [path], corners, values=partial(_plausible, plausible=plausible), fill=FILL
    )
    box = values.odc.geobox
    out = np.full(tuple(corners.shape), np.nan, dtype=np.float32)
    finer = box.resolution.x * (111_320 if box.crs.geographic else 1) < 0.75 * corners.resolution.x
    # tolerance 0: places are transformed exactly, not between a few of each row.
    reproject(
        values.values,
        out,
        src_crs=str(box.crs),
        src_transform=box.transform,
        src_nodata=np.nan,
        dst_crs=str(corners.crs),
        dst_transform=corners.transform,
        dst_nodata=np.nan,
        resampling=Resampling.average if finer else Resampling.cubic,
        tolerance=0,
    )
    if np.isnan(out).all():
        msg = f"{path}: has no value from {plausible[0]:g} to {plausible[1]:g} m on the area ({key}); bring one of this place"
        raise LoamError(msg)
    return out


def _plausible(_path: Path, values: np.ndarray, plausible: tuple[float, float]) -> np.ndarray:
    """NaN for what cannot be: nodata that is not declared."""
    return np.where((values >= plausible[0]) & (values <= plausible[1]), values, np.float32(np.nan))


def undulation(named: str | float | None, path: Path | None, corners: GeoBox) -> np.ndarray | float:
    """What turns the DEM's heights into heights above the ellipsoid [m].

    Args:
        named: setting `sources.dem.geoid`: ellipsoid, metres, or a raster.
        path: the raster, if it is one.
        corners: grid of the corners.

    Raises:
        LoamError: no vertical datum is named, or the raster holds no geoid.
    """
    if named is None:
        msg = "sources.dem.geoid: the DEM's vertical datum is not named; set ellipsoid, the geoid's height in metres, or a raster of it"
        raise LoamError(msg)
    if named == "ellipsoid":
        return 0.0
    if path is None:
        return float(named)
    values = resampled(path, corners, "sources.dem.geoid", GEOID_M)
    if missing := float(np.isnan(values).mean()):
        msg = f"{path}: no value on {missing:.1%} of the area and its margin of sar.heights.margin_m (sources.dem.geoid); bring one without"
        raise LoamError(msg + " voids there")
    return values
