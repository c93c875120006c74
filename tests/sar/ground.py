"""Ground of known shape and brightness, and what tests ask of images of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from loam.config.base import Grid
from loam.config.sar import Flatten, Heights
from loam.config.sources import Dem
from loam.core.grid import target_grid
from loam.sar.annotation import StateVectors
from loam.sar.heights import Terrain, prepare_heights, read_terrain
from loam.twin.safe import Options, View, look_at

PIXEL_M, MARGIN_PX = 20, 60
WHEN = datetime(2022, 1, 1, 22, 50)
CLEAN = Options(looks=np.inf, noise_db=-np.inf)
FLATTEN = Flatten(thermal_noise=False, border_noise=True, block_px=512)  # for CLEAN images


@dataclass(frozen=True)
class Ground:
    """A piece of ground with its DEM, how it is seen, and the heights that flattening stands on."""

    grid: Grid
    box: GeoBox  # the area
    around: GeoBox  # with a margin
    view: View
    dem: Path
    terrain: Terrain

    def constant(self, **values: float) -> dict[str, np.ndarray]:
        """The same gamma nought everywhere."""
        return {name: np.full(self.around.shape, value) for name, value in values.items()}


def make_ground(
    folder: Path,
    pixels: int,
    relief_m: float,
    smooth_px: float,
    incidence_deg: float,
    ascending: bool = True,
) -> Ground:
    area = (330000, 4290000, 330000 + pixels * PIXEL_M, 4290000 + pixels * PIXEL_M)
    grid = Grid(aoi=area, crs="EPSG:32618", resolution_m=PIXEL_M)
    box = target_grid(grid, None)
    around = box.pad(MARGIN_PX)
    heights = gaussian_filter(np.random.default_rng(1).standard_normal(around.shape), smooth_px)
    heights = (relief_m * heights / np.ptp(heights)).astype(np.float32)
    where = {
        "height": around.shape.y,
        "width": around.shape.x,
        "crs": "EPSG:32618",
        "transform": around.transform,
    }
    with rasterio.open(
        folder / "dem.tif", "w", driver="GTiff", dtype="float32", count=1, **where
    ) as file:
        file.write(heights, 1)
    dem = Dem(path="dem.tif", geoid="ellipsoid")
    prepare_heights(
        folder / "dem.tif",
        None,
        folder / "heights.tif",
        dem,
        grid,
        Heights(facet_m=10, margin_m=1000),
    )
    view = look_at(
        around,
        heights,
        incidence_deg=incidence_deg,
        ascending=ascending,
        relative_orbit=4,
        inset_m=400.0,
    )
    return Ground(
        grid, box, around, view, folder / "dem.tif", read_terrain(folder / "heights.tif", box)
    )


def decibel(power: Any) -> np.ndarray:
    """Linear power in dB."""
    return np.asarray(10 * np.log10(power))


def mean_of(blocks: np.ndarray, edge: int) -> np.ndarray:
    """Means of blocks of pixels, NaN where one is missing."""
    rows, columns = (size // edge * edge for size in blocks.shape)
    return np.asarray(
        blocks[:rows, :columns].reshape(rows // edge, edge, columns // edge, edge).mean(axis=(1, 3))
    )


def relief_of(terrain: Terrain) -> float:
    """Highest minus lowest height [m]."""
    return float(np.ptp(terrain.heights_m))


def places(rng: np.random.Generator, box: GeoBox, count: int) -> Sequence[tuple[float, float]]:
    """Random places well inside a box."""
    bounds = box.boundingbox
    inset = 0.15 * (bounds.right - bounds.left)
    x = rng.uniform(bounds.left + inset, bounds.right - inset, count)
    y = rng.uniform(bounds.bottom + inset, bounds.top - inset, count)
    return list(zip(x, y, strict=True))


def write_orbit_file(path: Path, vectors: StateVectors, mission: str = "Sentinel-1A") -> Path:
    """State vectors as an orbit file of ESA's form."""
    rows = []
    for time, place, speed in zip(
        vectors.times, vectors.position_m, vectors.velocity_ms, strict=True
    ):
        numbers = zip(("X", "Y", "Z", "VX", "VY", "VZ"), (*place, *speed), strict=True)
        row = "".join(f"<{axis}>{value:.6f}</{axis}>" for axis, value in numbers)
        rows.append(f"<OSV><UTC>UTC={str(time)[:26]}</UTC>{row}</OSV>")
    head = f"<Earth_Explorer_Header><Fixed_Header><Mission>{mission}</Mission></Fixed_Header></Earth_Explorer_Header>"
    body = f"<Data_Block><List_of_OSVs>{''.join(rows)}</List_of_OSVs></Data_Block>"
    path.write_text(f"<Earth_Explorer_File>{head}{body}</Earth_Explorer_File>")
    return path
