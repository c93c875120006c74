"""Terrain, soils and land cover of the synthetic catchment."""

from dataclasses import dataclass

import numpy as np
import pyflwdir
from odc.geo.geobox import GeoBox
from scipy import ndimage
from scipy.spatial import cKDTree

from loam.core.pedotransfer import AIR_DRY, ORGANIC_PERCENT, saxton_rawls
from loam.twin.fields import random_field, spectral_field, standardised

MARGIN_M = (
    1600.0  # the DEM reaches this far beyond the grid, so that a radar image is full around it
)
TREE, GRASS, CROP, BUILT, WATER = 10, 30, 40, 50, 80  # ESA WorldCover 2021 v200 codes

HILL_LENGTH_M = 2500.0  # ASSUME: wavelength above which the relief stops growing; ridges a kilometre or so apart
SMOOTH_LENGTH_M = 90.0  # ASSUME: creep rounds hillslopes below this wavelength
EROSION_STEPS = 20  # enough for rivers to reach every hollow of the first surface
# ASSUME: of a step; balanced so that dissected hills remain, with valleys every few hundred metres.
UPLIFT = 0.02  # as a share of the relief drawn
ERODIBILITY = 0.4  # for a drained area of one pixel
EDGE_PX = 32  # cut off, for the edge is a scarp
ROUGHNESS = 0.6  # of the first surface; higher leaves undrained flats, lower leaves rivers straight
FALL = 0.4  # ASSUME: fall of the whole area to the east, as a share of the relief; it gives the rivers a way out
FIELD_M = 250.0  # ASSUME: mean distance between fields, 150 to 400 m across
SHARES = {WATER: 0.02, BUILT: 0.04, TREE: 0.28, GRASS: 0.27}  # ASSUME: the rest, 39 %, is cropland


@dataclass(frozen=True)
class Terrain:
    """Heights with their margin `(y + 2 margin, x + 2 margin)`; all else on the grid `(y, x)`."""

    elevation_m: np.ndarray
    slope_rad: np.ndarray
    aspect_rad: np.ndarray  # direction downslope, clockwise from north
    wetness: np.ndarray  # standardised topographic wetness index

    @property
    def margin_px(self) -> int:
        """Width of the margin [pixel]."""
        return (len(self.elevation_m) - len(self.slope_rad)) // 2

    @property
    def inner_m(self) -> np.ndarray:
        """Heights on the grid `(y, x)` [m]."""
        return inside(self.elevation_m, self.margin_px)


@dataclass(frozen=True)
class Soil:
    """Soil properties, all `(y, x)`; retention and conductivity by Saxton & Rawls (2006)."""

    sand: np.ndarray  # [%]
    clay: np.ndarray  # [%]
    theta_r: np.ndarray  # residual water content [m3 m-3]
    theta_wp: np.ndarray  # at 1500 kPa [m3 m-3]
    theta_fc: np.ndarray  # at 33 kPa [m3 m-3]
    theta_s: np.ndarray  # saturated [m3 m-3]
    ksat: np.ndarray  # saturated conductivity [mm d-1]
    exponent: np.ndarray  # of conductivity against theta / theta_s [1]


def inside(padded: np.ndarray, margin_px: int) -> np.ndarray:
    """Take the grid's part of an array that has the margin."""
    return padded[margin_px:-margin_px, margin_px:-margin_px]


def make_terrain(grid: GeoBox, relief_m: float, rng: np.random.Generator) -> Terrain:
    """Draw hills and valleys, and what follows from their shape.

    Args:
        grid: the target grid.
        relief_m: lowest to highest point, margin included [m].
        rng: source of randomness.
    """
    margin = int(np.ceil(MARGIN_M / grid.resolution.x))
    padded = grid.pad(margin)
    elevation = inside(_incise(grid.pad(margin + EDGE_PX), rng), EDGE_PX)
    elevation = (elevation - elevation.min()) / np.ptp(elevation) * relief_m + 10
    # The DEM file holds float32: the twin sees the same heights.
    elevation = elevation.astype(np.float32).astype(float)
    slope, aspect = slope_aspect(elevation, padded.resolution.x)
    wetness = wetness_index(elevation, slope, padded)
    return Terrain(
        elevation,
        inside(slope, margin),
        inside(aspect, margin),
        standardised(inside(wetness, margin)),
    )


def _hills(box: GeoBox, rng: np.random.Generator) -> np.ndarray:
    """Self-affine surface, flat above the hills' wavelength and rounded below the hillslopes'. Range about 1."""
    long, short = box.resolution.x / HILL_LENGTH_M, SMOOTH_LENGTH_M / box.resolution.x

    def gain(wave: np.ndarray) -> np.ndarray:
        # Natural terrain has spectra near k^-4 in two dimensions, Hurst exponent about 0.8 (Turcotte 1997).
        return np.asarray((long**2 + wave**2) ** -0.95 * np.exp(-((wave * short) ** 2)))

    shape = (int(box.shape.y), int(box.shape.x))
    hills = spectral_field(shape, gain, int(HILL_LENGTH_M / box.resolution.x), rng) / 5
    fall = np.linspace(0, FALL, shape[1])[None, :] + np.linspace(0, FALL / 2, shape[0])[:, None]
    return np.asarray(hills - fall)


def _incise(box: GeoBox, rng: np.random.Generator) -> np.ndarray:
    """Let rivers cut into the surface until it drains, and creep round what they leave."""
    elevation = ROUGHNESS * _hills(box, rng)
    for _ in range(EROSION_STEPS):
        # Else flats drain in parallel lines.
        elevation += 0.02 * ROUGHNESS * rng.standard_normal(elevation.shape)
        elevation[1:-1, 1:-1] += UPLIFT  # the edge is the base level
        elevation = ndimage.gaussian_filter(_erode(_filled(elevation), box), 0.7)
    return _filled(ndimage.gaussian_filter(elevation, 1.0))


def _erode(elevation: np.ndarray, box: GeoBox) -> np.ndarray:
    """Cut one step by the stream power law, rate = k sqrt(area) slope, implicit (Braun & Willett 2013)."""
    flow = _flow(elevation, box)
    strength = ERODIBILITY * np.sqrt(flow.upstream_area("cell").ravel().clip(1))
    height, below, rank = elevation.ravel().copy(), flow.idxs_ds, flow.rank.ravel()
    order = np.argsort(rank, kind="stable")
    # From the outlets upwards, all cells equally far from them at once: each needs only the new height below it.
    for cells in np.split(order, np.flatnonzero(np.diff(rank[order])) + 1)[1:]:
        height[cells] = (height[cells] + strength[cells] * height[below[cells]]) / (
            1 + strength[cells]
        )
    return height.reshape(elevation.shape)


def _filled(elevation: np.ndarray) -> np.ndarray:
    """Remove the pits (Wang & Liu 2006)."""
    return np.asarray(
        pyflwdir.dem.fill_depressions(elevation.astype(np.float32), nodata=-9999.0)[0], dtype=float
    )


def drained_area(elevation: np.ndarray, box: GeoBox) -> np.ndarray:
    """Area upstream of each pixel by steepest descent over the filled surface (pyflwdir, after Wang & Liu 2006).

    Args:
        elevation: `(y, x)`, any unit of height.
        box: its GeoBox.

    Returns:
        `(y, x)` [m2], the pixel itself included.
    """
    return np.asarray(_flow(elevation, box).upstream_area("m2"), dtype=float).clip(
        min=box.resolution.x**2
    )


def _flow(elevation: np.ndarray, box: GeoBox) -> pyflwdir.FlwdirRaster:
    return pyflwdir.from_dem(
        elevation.astype(np.float32), nodata=-9999.0, transform=box.transform, latlon=False
    )


def slope_aspect(elevation: np.ndarray, resolution_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope and downslope direction by Horn (1981).

    Args:
        elevation: `(y, x)`, first row in the north [m].
        resolution_m: pixel [m].

    Returns:
        Slope [rad] and direction downslope, clockwise from north [rad].
    """
    east = ndimage.sobel(elevation, axis=1, mode="nearest") / (8 * resolution_m)
    north = -ndimage.sobel(elevation, axis=0, mode="nearest") / (8 * resolution_m)
    return np.arctan(np.hypot(east, north)), np.arctan2(-east, -north)


def wetness_index(elevation: np.ndarray, slope_rad: np.ndarray, box: GeoBox) -> np.ndarray:
    """Topographic wetness index `ln(a / tan slope)` (Beven & Kirkby 1979), smoothed.

    Args:
        elevation: `(y, x)` [m].
        slope_rad: `(y, x)` [rad].
        box: the GeoBox of both.

    Returns:
        `(y, x)` [ln m].
    """
    specific = drained_area(elevation, box) / box.resolution.x
    # Steepest descent draws lines one pixel wide; the ground water below them is broader.
    return np.asarray(ndimage.gaussian_filter(np.log(specific / np.tan(slope_rad).clip(0.01)), 1.5))


def make_texture(
    shape: tuple[int, int], resolution_m: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth sand and clay contents, loams of the mid-Atlantic coastal plain.

    Args:
        shape: rows and columns.
        resolution_m: pixel [m].
        rng: source of randomness.

    Returns:
        Sand and clay, `(y, x)` [%].
    """
    length_px = 1500.0 / resolution_m
    sand = 40 + 15 * random_field(shape, length_px, rng)
    # ASSUME: sandier soils have less clay.
    clay = 18 - 0.25 * (sand - 40) + 5 * random_field(shape, length_px, rng)
    return _within_limits(sand, clay)


def vary_texture(
    sand: np.ndarray, clay: np.ndarray, resolution_m: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Add the variation that no soil map shows.

    Args:
        sand: `(y, x)` [%].
        clay: `(y, x)` [%].
        resolution_m: pixel [m].
        rng: source of randomness.

    Returns:
        Sand and clay, `(y, x)` [%].
    """
    shape, length_px = sand.shape, 150.0 / resolution_m
    # ASSUME: a third of the variance lies within a map unit, as surveys of map-unit purity find (Beckett & Webster 1971).
    return _within_limits(
        sand + 8 * random_field(shape, length_px, rng),
        clay + 3 * random_field(shape, length_px, rng),
    )


def _within_limits(sand: np.ndarray, clay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Saxton & Rawls (2006) fitted their equations to soils of less than 60 % clay; nearly pure sand has no topsoil.
    sand = sand.clip(8, 80)
    return sand, clay.clip(4, np.minimum(45, 95 - sand))


def hydraulic_soil(sand: np.ndarray, clay: np.ndarray) -> Soil:
    """Retention and conductivity from texture by Saxton & Rawls (2006, Soil Sci. Soc. Am. J. 70, 1569, table 1).

    Args:
        sand: `(y, x)` [%].
        clay: `(y, x)` [%].
    """
    soil = saxton_rawls(sand, clay, ORGANIC_PERCENT)
    wilting, exponent = soil["wilting_point"], 3 + 2 / soil["retention_slope"]
    return Soil(
        sand,
        clay,
        AIR_DRY * wilting,
        wilting,
        soil["field_capacity"],
        soil["theta_s"],
        soil["ksat"],
        exponent,
    )


def make_parcels(
    shape: tuple[int, int], resolution_m: float, rng: np.random.Generator
) -> np.ndarray:
    """Divide the land into fields of uneven size: the nearest of scattered points.

    Returns:
        Number of the field, `(y, x)`, from 0 without a gap.
    """
    step = FIELD_M / resolution_m
    rows, columns = np.mgrid[-1 : shape[0] / step + 1, -1 : shape[1] / step + 1]
    points = np.stack([rows.ravel(), columns.ravel()], axis=1)
    points = (points + rng.uniform(-0.45, 0.45, points.shape)) * step
    points = points[rng.random(len(points)) > 0.2]  # a gap makes its neighbours larger
    pixels = np.indices(shape).reshape(2, -1).T
    nearest = cKDTree(points).query(pixels)[1]
    return np.unique(nearest, return_inverse=True)[1].reshape(shape)


def make_landcover(
    terrain: Terrain, parcels: np.ndarray, resolution_m: float, rng: np.random.Generator
) -> np.ndarray:
    """Give every field a use: built-up in clusters, forest on steep land, crops on flat land, water where it gathers.

    Args:
        terrain: slopes and wetness.
        parcels: number of the field `(y, x)`.
        resolution_m: pixel [m].
        rng: source of randomness.

    Returns:
        ESA WorldCover codes `(y, x)`, uint8.
    """
    shape = parcels.shape
    steep = standardised(terrain.slope_rad)
    suits = {
        BUILT: random_field(shape, 600 / resolution_m, rng) - 0.5 * steep,
        TREE: random_field(shape, 700 / resolution_m, rng) + 0.7 * steep + 0.2 * terrain.wetness,
        GRASS: random_field(shape, 500 / resolution_m, rng) + 0.4 * steep,
    }
    cover = _use_of_parcels(suits, parcels)[parcels]
    low = standardised(terrain.inner_m)
    score = ndimage.gaussian_filter(terrain.wetness - 1.2 * low - 0.5 * steep, 2.0)
    cover[score > np.quantile(score, 1 - SHARES[WATER])] = WATER
    return cover


def _use_of_parcels(suits: dict[int, np.ndarray], parcels: np.ndarray) -> np.ndarray:
    """Code of every field: each use takes the fields that suit it best, up to its share of the area."""
    area = np.bincount(parcels.ravel())
    codes = np.full(area.size, CROP, dtype=np.uint8)
    for code, suit in suits.items():
        score = np.bincount(parcels.ravel(), suit.ravel()) / area
        order = [field for field in np.argsort(-score) if codes[field] == CROP]
        # A field counts when more than half of it fits.
        filled = np.cumsum(area[order]) - area[order] / 2
        codes[
            [
                field
                for field, used in zip(order, filled, strict=True)
                if used <= SHARES[code] * parcels.size
            ]
        ] = code
    return codes
