"""Backend `loam`: one pass from its products to gamma nought on the target grid."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.sar import Flatten
from loam.core.flags import Mask, layer_attributes
from loam.core.grid import empty_like_grid
from loam.sar.geometry import View, look_at
from loam.sar.heights import Terrain
from loam.sar.image import Image
from loam.sar.product import Product
from loam.sar.terrain import (
    Facets,
    gather,
    image_positions,
    layover_shadow,
    local_incidence,
    simulated_beta,
)

CELL_PX = 2  # image pixels to the edge of a cell in which areas are gathered: the 20 m that IW GRDH resolves
RIM_M = 80.0  # around a block, whose facets share cells with it
STEEPEST_TANGENT = 0.5  # of the incidence angle at near range, for how far layover reaches


@dataclass
class Sums:
    """What the products of a pass add up to on the target grid."""

    seen: np.ndarray  # beta nought (channel, y, x)
    expected: np.ndarray  # simulated beta nought (channel, y, x)
    incidence_deg: np.ndarray  # (y, x)
    mask: np.ndarray  # layover and shadow bits (y, x)


def flatten_pass(
    slices: Sequence[Product],
    polarisations: Sequence[str],
    orbit_file: Path | None,
    terrain: Terrain,
    cfg: Flatten,
    threads: int,
) -> xr.Dataset:
    """Gamma nought of one pass on the target grid.

    Args:
        slices: products of the pass, in order of time.
        polarisations: vv, vh.
        orbit_file: precise or restituted orbit; None: the annotations'.
        terrain: heights.
        cfg: section `sar.flatten`.
        threads: blocks worked on at once.

    Returns:
        `vv`, `vh` [linear power], `incidence` [degree], `mask` [bits], `(y, x)`.

    Raises:
        LoamError: a product is damaged, or does not see the area.
    """
    images = [
        Image(
            product,
            polarisations,
            orbit_file,
            thermal_noise=cfg.thermal_noise,
            border_noise=cfg.border_noise,
        )
        for product in slices
    ]
    whole = terrain.facets(slice(0, terrain.box.shape.y), slice(0, terrain.box.shape.x), 0)
    for image in images:
        image.prepare(_window(image, _view(image, terrain.box, whole), whole))
    total = _empty_sums(terrain.box, len(polarisations))
    with ThreadPoolExecutor(threads) as pool:
        tasks = [
            pool.submit(_add_block, total, images, terrain, *block)
            for block in blocks(terrain.box, cfg.block_px)
        ]
        for task in tasks:
            task.result()
    return _as_dataset(total, polarisations, terrain.box).assign_attrs(orbit=images[0].orbit.source)


def blocks(box: GeoBox, size: int) -> Iterable[tuple[slice, slice]]:
    """Rows and columns of every block of a grid."""
    height, width = (int(n) for n in box.shape)
    for top in range(0, height, size):
        for left in range(0, width, size):
            yield slice(top, min(top + size, height)), slice(left, min(left + size, width))


def _empty_sums(box: GeoBox, channels: int) -> Sums:
    shape = int(box.shape.y), int(box.shape.x)
    seen, expected = np.zeros((2, channels, *shape), dtype=np.float32)
    return Sums(
        seen, expected, np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.uint8)
    )


def _add_block(
    total: Sums, images: Sequence[Image], terrain: Terrain, rows: slice, columns: slice
) -> None:
    """Add what every image of a pass sees of a block."""
    margin = _margin(terrain, rows, columns)
    around, own = (
        terrain.facets(rows, columns, margin).packed(),
        terrain.facets(rows, columns, 0).packed(),
    )
    n = terrain.per_pixel
    for number, image in enumerate(images):
        view = _view(image, terrain.box[rows, columns].pad(margin), around)
        window = _window(image, view, own)
        if number == 0:
            bits = layover_shadow(around, n, view)
            total.incidence_deg[rows, columns] = local_incidence(own, n, view)
            total.mask[rows, columns] = bits[
                margin : bits.shape[0] - margin, margin : bits.shape[1] - margin
            ]
        beta = image.read(window)
        if beta is not None:
            area = simulated_beta(around, bits, n, view, image.grid, window, CELL_PX)
            seen, expected = gather(own, n, view, image.grid, window, beta, area, CELL_PX)
            total.seen[:, rows, columns] += seen
            total.expected[:, rows, columns] += expected


def _margin(terrain: Terrain, rows: slice, columns: slice) -> int:
    """Pixels around a block from which layover or shadow can reach it."""
    around = terrain.facets(rows, columns, terrain.margin_px).heights_m
    return min(_reach(around, terrain.box), terrain.margin_px)


def _reach(heights_m: np.ndarray, box: GeoBox) -> int:
    """How far relief lays over at most, and the facets beyond that share cells with what it meets [pixel]."""
    return int(np.ceil((float(np.ptp(heights_m)) / STEEPEST_TANGENT + RIM_M) / box.resolution.x))


def warn_of_short_margin(terrain: Terrain) -> None:
    """Tell where relief could lay over farther than the heights around the area reach."""
    reach = _reach(terrain.heights_m, terrain.box)
    if reach > terrain.margin_px:
        text = "sar.heights.margin_m: %d pixels, but the highest ground could lay over %d; layover near the area's edge may go unseen"
        logging.getLogger(__name__).warning(text, terrain.margin_px, reach)


def _view(image: Image, box: GeoBox, facets: Facets) -> View:
    return look_at(box, (float(facets.heights_m.min()), float(facets.heights_m.max())), image.orbit)


def _window(image: Image, view: View, facets: Facets) -> tuple[int, int, int, int]:
    """Part of an image that holds a block of ground: first line and pixel, lines and pixels, in whole cells."""
    spans = []
    for places in image_positions(facets, view, image.grid):
        # Whole cells counted from the image's corner: the result must not depend on where a block begins.
        first, last = np.floor(places.min() / CELL_PX) - 2, np.ceil(places.max() / CELL_PX) + 2
        spans.append((int(first) * CELL_PX, int(last - first) * CELL_PX))
    (line, lines), (pixel, pixels) = spans
    return line, pixel, lines, pixels


def _as_dataset(total: Sums, polarisations: Sequence[str], box: GeoBox) -> xr.Dataset:
    layers: dict[str, tuple[tuple[str, str], np.ndarray, dict[str, Any]]] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for channel, name in enumerate(polarisations):
            gamma = np.where(
                total.expected[channel] > 0, total.seen[channel] / total.expected[channel], np.nan
            )
            layers[name] = (("y", "x"), gamma.astype(np.float32), layer_attributes(name))
    empty = ~np.all([np.isfinite(layers[name][1]) for name in polarisations], axis=0)
    layers["incidence"] = (("y", "x"), total.incidence_deg, layer_attributes("incidence"))
    mask = total.mask | np.where(empty, int(Mask.NO_OBSERVATION), 0).astype(np.uint8)
    layers["mask"] = (("y", "x"), mask, layer_attributes("mask"))
    return xr.Dataset(layers, coords=empty_like_grid(box))
