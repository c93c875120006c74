"""What is true of every place on the ground: its local incidence angle, layover and shadow. Traced, not read off an image."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from odc.geo.geobox import GeoBox

from loam.twin.facets import EARTH_M, between, height_at, is_hidden, sight_on_map
from loam.twin.orbit import Orbit, locate
from loam.twin.relief import Relief

STEP_M = 5.0  # of the rays


@dataclass(frozen=True)
class Sight:
    """All `(y, x)` on the target grid."""

    # Between the line of sight and the normal of the surface, float32 [degree].
    incidence_deg: np.ndarray
    layover: np.ndarray  # other ground at the same time and slant range, bool
    shadow: np.ndarray  # other ground blocks the line of sight, bool


def local_incidence(relief: Relief, orbit: Orbit, target: GeoBox) -> np.ndarray:
    """Local incidence angle of the spline surface, from its derivatives.

    Args:
        relief: the ground.
        orbit: the orbit.
        target: grid in the ground's CRS, within its box.

    Returns:
        `(y, x)` float32 [degree].
    """
    rows, columns = _axes(relief, target)
    place = np.meshgrid(rows, columns, indexing="ij")
    base, up = relief.earth(*place)
    sides = []
    for axis in (0, 1):
        step = [0.5 * (axis == 0), 0.5 * (axis == 1)]
        ahead, behind = (
            relief.earth(place[0] + sign * step[0], place[1] + sign * step[1])[0]
            for sign in (1, -1)
        )
        rise = relief.spline(rows, columns, dx=int(axis == 0), dy=int(axis == 1))
        sides.append(ahead - behind + rise[..., None] * up)
    normal = np.cross(sides[0], sides[1])  # southwards by eastwards
    points = base + relief.spline(rows, columns)[..., None] * up
    sight = orbit.state(locate(points, orbit)[0])[0] - points
    cosine = (
        (normal * sight).sum(-1) / np.linalg.norm(normal, axis=-1) / np.linalg.norm(sight, axis=-1)
    )
    return np.rad2deg(np.arccos(cosine.clip(-1, 1))).astype(np.float32)


def _axes(relief: Relief, target: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the ground's box at the target's pixel centres."""
    x, y = (target.coords[name].values for name in ("x", "y"))
    return relief.places(x[:1], y)[0], relief.places(x, y[:1])[1]


def look_around(relief: Relief, orbit: Orbit, target: GeoBox) -> Sight:
    """Trace every pixel centre's line of sight, and the ground at its slant range.

    ASSUME: within the relief's height, the plane of zero Doppler stands upright on the map (it leans by 0.2 degree).

    Args:
        relief: the ground.
        orbit: the orbit.
        target: grid in the ground's CRS, within its box.
    """
    steps = int(np.ceil(relief.spacing_m / STEP_M))
    height = relief.fine_heights(steps)
    rows, columns = ((places + 0.5) * steps for places in _axes(relief, target))
    layover, shadow = (np.zeros((rows.size, columns.size), bool) for _ in range(2))
    toward, near = sight_on_map(relief, orbit), _slant_range(relief, orbit)
    _trace(
        height,
        toward,
        near,
        relief.tie_step * steps,
        relief.spacing_m / steps,
        rows,
        columns,
        layover,
        shadow,
    )
    return Sight(local_incidence(relief, orbit, target), layover, shadow)


def _slant_range(relief: Relief, orbit: Orbit) -> np.ndarray:
    """Slant range of the ellipsoid on the ties, `(tie, tie, 3)` thrice the same [m]."""
    return np.repeat(locate(relief.ties[0], orbit)[1][..., None], 3, axis=-1)


@njit(cache=True, nogil=True)
def _is_folded(
    height: np.ndarray,
    row: float,
    column: float,
    toward: np.ndarray,
    slant: float,
    spacing: float,
    bounds: tuple[float, float],
) -> bool:
    """Whether some ground before or behind is at the same slant range.

    The satellite is at `slant`, in the direction `toward`; ground a distance `s` towards it and `d` higher is at
    `sqrt((slant cos(e) - s)² + (slant sin(e) - d)²)`, `e` the elevation and `d` less the Earth's curvature.
    """
    here = height_at(height, row, column)
    cosine = 1 / np.sqrt(1 + toward[2] ** 2)
    level, above = slant * cosine, slant * cosine * toward[2]
    for way in (-1, 1):
        step = 0
        while True:
            step += 1
            s = way * step * spacing
            best = (bounds[1] if way < 0 else bounds[0]) - here  # what would have to be there
            if _nearer(level, above, s, best, slant) == (way > 0):
                break
            other = height_at(
                height, row + s / spacing * toward[0], column + s / spacing * toward[1]
            )
            if other < -1e8:
                break
            if _nearer(level, above, s, other - here, slant) != (way > 0):
                return True
    return False


@njit(cache=True, nogil=True)
def _nearer(level: float, above: float, s: float, rise: float, slant: float) -> bool:
    up = rise - s * s / (2 * EARTH_M)
    return (level - s) ** 2 + (above - up) ** 2 < slant * slant


@njit(cache=True, nogil=True)
def _trace(
    height: np.ndarray,
    toward: np.ndarray,
    slant: np.ndarray,
    tie: int,
    spacing: float,
    rows: np.ndarray,
    columns: np.ndarray,
    layover: np.ndarray,
    shadow: np.ndarray,
) -> None:
    here, far = np.empty(3), np.empty(3)
    bounds = (float(height.min()), float(height.max()))
    for i in range(rows.size):
        for j in range(columns.size):
            between(toward, rows[i] / tie, columns[j] / tie, here)
            between(slant, rows[i] / tie, columns[j] / tie, far)
            layover[i, j] = _is_folded(height, rows[i], columns[j], here, far[0], spacing, bounds)
            shadow[i, j] = is_hidden(height, rows[i], columns[j], here, spacing, bounds[1])
