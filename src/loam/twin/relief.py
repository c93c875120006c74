"""The ground as the radar meets it: a smooth surface through the heights, in the Earth-fixed frame."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.interpolate import RectBivariateSpline

from loam.twin.orbit import earth_fixed

TIE_M = 160.0  # between nodes of the map's image in the Earth-fixed frame; straight lines between them are 0.5 mm off


@dataclass(frozen=True)
class Relief:
    """Heights above the ellipsoid, `(y, x)` [m], on a projected GeoBox. Between the posts they are a cubic spline.

    Places are given as rows and columns, counted from the first post (so the first pixel reaches from -0.5 to 0.5).
    """

    box: GeoBox
    height_m: np.ndarray

    @cached_property
    def spline(self) -> RectBivariateSpline:
        """Height [m] of row and column; its derivatives are per pixel."""
        rows, columns = self.height_m.shape
        return RectBivariateSpline(np.arange(rows), np.arange(columns), self.height_m)

    @property
    def spacing_m(self) -> float:
        """Between posts [m]."""
        return float(self.box.resolution.x)

    def places(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of map coordinates [m]."""
        affine = self.box.affine
        return (np.asarray(y, float) - affine.f) / affine.e - 0.5, (
            np.asarray(x, float) - affine.c
        ) / affine.a - 0.5

    def earth(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points of the ellipsoid `(..., 3)` [m] and normals `(..., 3)` [1] below places of the map."""
        affine = self.box.affine
        x, y = (
            affine.c + affine.a * (np.asarray(column, float) + 0.5),
            affine.f + affine.e * (np.asarray(row, float) + 0.5),
        )
        to_degrees = Transformer.from_crs(str(self.box.crs), "EPSG:4979", always_xy=True)
        return earth_fixed(*to_degrees.transform(x, y))

    def point(self, x: float, y: float) -> np.ndarray:
        """Earth-fixed point `(3,)` of the surface at map coordinates [m]."""
        row, column = self.places(np.array(x), np.array(y))
        base, normal = self.earth(row, column)
        return np.asarray(base + self.spline(row, column)[0, 0] * normal)

    @cached_property
    def ties(self) -> tuple[np.ndarray, np.ndarray]:
        """Ellipsoid and normal on a coarse grid that covers the box: nodes every `tie_step` pixels from row and column -0.5."""
        nodes = [
            np.arange(0, size + self.tie_step, self.tie_step) - 0.5 for size in self.height_m.shape
        ]
        return self.earth(*np.meshgrid(*nodes, indexing="ij"))

    @property
    def tie_step(self) -> int:
        """Pixels between ties [pixel]."""
        return max(1, round(TIE_M / self.spacing_m))

    def fine_heights(self, steps: int) -> np.ndarray:
        """Heights at the corners of `steps x steps` facets per pixel.

        Args:
            steps: facets along a pixel's edge.

        Returns:
            `(y * steps + 1, x * steps + 1)` float32 [m], from row and column -0.5.
        """
        rows, columns = (np.arange(size * steps + 1) / steps - 0.5 for size in self.height_m.shape)
        heights = np.empty((rows.size, columns.size), np.float32)
        for first in range(0, rows.size, 256):  # the spline gives float64: a strip of it at a time
            heights[first : first + 256] = self.spline(rows[first : first + 256], columns)
        return heights
