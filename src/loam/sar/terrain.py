"""Terrain under a radar beam: illuminated area (Small 2011), local incidence angle, layover and shadow.

Heights stand at the corners of facets, `oversampling` facets to the edge of a pixel of the grid.
"""

import numpy as np

from loam.sar import kernels
from loam.sar.geometry import ImageGrid, View


class Facets:
    """Heights at facet corners, with the map coordinates of the first one."""

    def __init__(self, heights_m: np.ndarray, left: float, top: float, step_m: float) -> None:
        """Hold heights.

        Args:
            heights_m: above the ellipsoid, rows running south, `(y + 1, x + 1)` float32 [m].
            left: x of the first column of corners [m].
            top: y of the first row of corners [m].
            step_m: edge of a facet [m].
        """
        self.heights_m, self.left, self.top, self.step_m = heights_m, left, top, step_m

    def packed(self) -> "Facets":
        """The same in an array of its own, as the kernels want it."""
        return Facets(np.ascontiguousarray(self.heights_m), self.left, self.top, self.step_m)

    def place(self, view: View) -> np.ndarray:
        """What the kernels need to turn rows, columns and heights into a view's own coordinates."""
        x, y, h = view.centre
        dx, dy, dh = view.half
        return np.array(
            [
                (self.left - x) / dx,
                self.step_m / dx,
                (self.top - y) / dy,
                self.step_m / dy,
                h,
                dh,
                self.step_m,
            ]
        )


def image_positions(facets: Facets, view: View, image: ImageGrid) -> tuple[np.ndarray, np.ndarray]:
    """Line and pixel of the four corners and the middle of a block, at its own heights: for choosing a window.

    Returns:
        Lines and pixels, each `(5)` or more, fractional.
    """
    every = max(1, max(facets.heights_m.shape) // 16)
    rows = np.unique(
        np.append(np.arange(0, facets.heights_m.shape[0], every), facets.heights_m.shape[0] - 1)
    )
    columns = np.unique(
        np.append(np.arange(0, facets.heights_m.shape[1], every), facets.heights_m.shape[1] - 1)
    )
    low, high = float(facets.heights_m.min()), float(facets.heights_m.max())
    found = [
        kernels.positions(
            np.full((rows.size, columns.size), height),
            rows,
            columns,
            facets.place(view),
            view.fields,
            *_grid(image),
        )
        for height in (low, high)
    ]
    return np.concatenate([lines for lines, _ in found]), np.concatenate(
        [pixels for _, pixels in found]
    )


def _grid(image: ImageGrid) -> tuple[np.ndarray, ...]:
    numbers = np.array([image.first_line_s, image.line_interval_s, image.range_spacing_m])
    return numbers, image.record_s, image.start_m, image.coefficients


def simulated_beta(
    facets: Facets,
    shadow: np.ndarray,
    per_pixel: int,
    view: View,
    image: ImageGrid,
    window: tuple[int, int, int, int],
    cell_px: int,
) -> np.ndarray:
    """Beta nought that ground of gamma nought 1 would have: its illuminated area over the area that beta nought is defined by.

    Each facet's area, projected along the line of sight, goes to the four cells around its place in the image (Small
    2011, doi 10.1109/TGRS.2011.2120616); slopes that lie over one another add up, facets in shadow give nothing.

    Args:
        facets: terrain, reaching beyond the window's ground.
        shadow: mask bits of the pixels `(y, x)`, `per_pixel` facets to an edge.
        per_pixel: facets to the edge of a pixel.
        view: how the image sees the block.
        image: the image's grid.
        window: first line, first pixel, lines and pixels of the result in the image.
        cell_px: edge of a cell in which areas are gathered [image pixel].

    Returns:
        `(line / cell, pixel / cell)` float64 [1], 0 where nothing is lit.
    """
    line, pixel, lines, pixels = window
    area = np.zeros((lines // cell_px + 2, pixels // cell_px + 2))
    origin = np.array([line, pixel, cell_px], dtype=np.float64)
    kernels.illuminate(
        area,
        facets.heights_m,
        shadow,
        per_pixel,
        facets.place(view),
        view.fields,
        origin,
        *_grid(image),
    )
    return area


def gather(
    facets: Facets,
    per_pixel: int,
    view: View,
    image: ImageGrid,
    window: tuple[int, int, int, int],
    beta: np.ndarray,
    area: np.ndarray,
    cell_px: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Image and simulated image at every facet, added up over the pixels of the grid.

    Args:
        facets: terrain of exactly the pixels wanted.
        per_pixel: facets to the edge of a pixel.
        view: how the image sees the block.
        image: the image's grid.
        window: first line, first pixel, lines and pixels of `beta` in the image.
        beta: beta nought `(channel, line, pixel)`, NaN without data.
        area: as `simulated_beta` returns it, of the same window.
        cell_px: edge of its cells [image pixel].

    Returns:
        Sums of beta nought `(channel, y, x)` and of simulated beta nought `(channel, y, x)`, over the facets that have both.
    """
    rows, columns = ((size - 1) // per_pixel for size in facets.heights_m.shape)
    seen, expected = np.zeros((2, len(beta), rows, columns))
    origin = np.array([window[0], window[1], cell_px], dtype=np.float64)
    kernels.gather(
        seen,
        expected,
        beta,
        area,
        facets.heights_m,
        per_pixel,
        facets.place(view),
        view.fields,
        origin,
        *_grid(image),
    )
    return seen, expected


def local_incidence(facets: Facets, per_pixel: int, view: View) -> np.ndarray:
    """Angle between the line of sight and the normal of a pixel's mean slope `(y, x)` float32 [degree]."""
    rows, columns = ((size - 1) // per_pixel for size in facets.heights_m.shape)
    angle = np.empty((rows, columns), dtype=np.float32)
    kernels.incidence(angle, facets.heights_m, per_pixel, facets.place(view), view.fields)
    return angle


def layover_shadow(facets: Facets, per_pixel: int, view: View) -> np.ndarray:
    """Bits of layover and shadow, by looking along each pixel's line of sight `(y, x)` uint8.

    A pixel lies in layover when another place on its way to the satellite, or behind it, is as far from the satellite;
    in shadow when the terrain before it stands above its line of sight. ASSUME: over a block's relief the wave front is flat.
    """
    heights = facets.heights_m
    centres = heights[per_pixel // 2 :: per_pixel, per_pixel // 2 :: per_pixel]
    rows, columns = ((size - 1) // per_pixel for size in heights.shape)
    centres = np.ascontiguousarray(centres[:rows, :columns])
    bits = np.zeros((rows, columns), dtype=np.uint8)
    kernels.occlude(
        bits,
        centres,
        float(centres.min()),
        float(centres.max()),
        per_pixel,
        facets.place(view),
        view.fields,
    )
    return bits
