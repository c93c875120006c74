"""The ground as small facets: where each is in the image, how much of it the radar lights, what hides it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from loam.twin.frame import SPACING_M, Frame
from loam.twin.orbit import Orbit, locate, zero_doppler
from loam.twin.relief import Relief

FACET_M = 5.0  # largest edge of a facet [m]; half an image pixel, so that the facets' spacing leaves no pattern
EARTH_M = 6.371e6  # radius of the curvature that bends the ground away below a ray


@dataclass(frozen=True)
class Facets:
    """Facets, `steps x steps` in each pixel of the ground's box; all `(y * steps, x * steps)` float32."""

    steps: int
    line: np.ndarray
    pixel: np.ndarray
    weight: np.ndarray  # beta nought that gamma nought of 1 gives, times pixels [1]; 0 in shadow and where turned away


def make_facets(relief: Relief, frame: Frame) -> Facets:
    """Cut the ground into facets.

    The weight is `A_gamma / A_beta`: the facet's area as seen along the line of sight, over the area of an image pixel in
    the plane of slant range and azimuth (Small 2011, IEEE Trans. Geosci. Remote Sens. 49, 3081). Added up in the image, and
    times gamma nought, it is beta nought.

    Args:
        relief: the ground.
        frame: the image.
    """
    steps = int(np.ceil(relief.spacing_m / FACET_M))
    height = relief.fine_heights(steps)
    shape = (height.shape[0] - 1, height.shape[1] - 1)
    line, pixel, weight = (np.empty(shape, np.float32) for _ in range(3))
    orbit = (frame.orbit.argument_rad, frame.orbit.node_rad)
    timing = (frame.first_s, frame.interval_s, frame.near_m)
    _place_facets(
        height,
        *relief.ties,
        relief.tie_step * steps,
        orbit,
        timing,
        frame.to_ground,
        line,
        pixel,
        weight,
    )
    hide(height, relief, frame.orbit, steps, weight)
    return Facets(steps, line, pixel, weight)


@njit(cache=True, nogil=True)
def between(ties: np.ndarray, row: float, column: float, out: np.ndarray) -> None:
    """Bilinear interpolation of vectors.

    Args:
        ties: vectors on a coarse grid `(row, column, 3)`.
        row: fractional row.
        column: fractional column.
        out: filled `(3)`.
    """
    i, j = min(int(row), ties.shape[0] - 2), min(int(column), ties.shape[1] - 2)
    a, b = row - i, column - j
    for k in range(3):
        upper = ties[i, j, k] * (1 - b) + ties[i, j + 1, k] * b
        lower = ties[i + 1, j, k] * (1 - b) + ties[i + 1, j + 1, k] * b
        out[k] = upper * (1 - a) + lower * a


@njit(cache=True, nogil=True)
def _corners(
    height: np.ndarray,
    base: np.ndarray,
    normal: np.ndarray,
    tie: int,
    orbit: tuple[float, float],
    r: int,
    out: np.ndarray,
) -> None:
    """Point (0 to 2), satellite (3 to 5), time (6) and slant range (7) of a row of facet corners."""
    guess, below, up = 0.0, np.empty(3), np.empty(3)
    for c in range(height.shape[1]):
        between(base, r / tie, c / tie, below)
        between(normal, r / tie, c / tie, up)
        for k in range(3):
            out[c, k] = below[k] + height[r, c] * up[k]
        guess, slant, sx, sy, sz = zero_doppler(
            out[c, 0], out[c, 1], out[c, 2], orbit[0], orbit[1], guess
        )
        out[c, 3], out[c, 4], out[c, 5], out[c, 6], out[c, 7] = sx, sy, sz, guess, slant


@njit(cache=True, nogil=True)
def _seen_area(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Area of the facet a b / c d across the line of sight: its vector area, half the cross product of its diagonals."""
    p0, p1, p2 = a[0] - d[0], a[1] - d[1], a[2] - d[2]
    q0, q1, q2 = b[0] - c[0], b[1] - c[1], b[2] - c[2]
    s0, s1, s2 = (
        (a[3] + d[3] - a[0] - d[0]) / 2,
        (a[4] + d[4] - a[1] - d[1]) / 2,
        (a[5] + d[5] - a[2] - d[2]) / 2,
    )
    triple = (q1 * p2 - q2 * p1) * s0 + (q2 * p0 - q0 * p2) * s1 + (q0 * p1 - q1 * p0) * s2
    return triple / 2 / np.sqrt(s0 * s0 + s1 * s1 + s2 * s2)


@njit(cache=True, nogil=True)
def _place_facets(
    height: np.ndarray,
    base: np.ndarray,
    normal: np.ndarray,
    tie: int,
    orbit: tuple[float, float],
    timing: tuple[float, float, float],
    to_ground: np.ndarray,
    line: np.ndarray,
    pixel: np.ndarray,
    weight: np.ndarray,
) -> None:
    upper, lower = np.empty((height.shape[1], 8)), np.empty((height.shape[1], 8))
    _corners(height, base, normal, tie, orbit, 0, lower)
    for r in range(line.shape[0]):
        upper, lower = lower, upper
        _corners(height, base, normal, tie, orbit, r + 1, lower)
        for c in range(line.shape[1]):
            time = (upper[c, 6] + upper[c + 1, 6] + lower[c, 6] + lower[c + 1, 6]) / 4
            away = (upper[c, 7] + upper[c + 1, 7] + lower[c, 7] + lower[c + 1, 7]) / 4 - timing[2]
            ground, rate = 0.0, 0.0
            for k in range(to_ground.shape[1] - 1, -1, -1):
                rate = rate * away + ground
                ground = ground * away + to_ground[0, k] + to_ground[1, k] * time
            line[r, c], pixel[r, c] = (time - timing[0]) / timing[1], ground / SPACING_M
            # A pixel's slant length is 10 m of ground range over its rate; its azimuth length is 10 m.
            area = _seen_area(upper[c], upper[c + 1], lower[c], lower[c + 1])
            weight[r, c] = max(area, 0.0) * rate / (SPACING_M * SPACING_M)


def hide(height: np.ndarray, relief: Relief, orbit: Orbit, steps: int, weight: np.ndarray) -> None:
    """Set the weight of what other ground hides to 0, in place.

    Args:
        height: heights at the facets' corners [m].
        relief: the ground.
        orbit: the orbit.
        steps: facets along a pixel's edge.
        weight: of the facets, `(y, x)`.
    """
    toward = sight_on_map(relief, orbit)
    _hide(
        height,
        toward,
        relief.tie_step * steps,
        relief.spacing_m / steps,
        float(height.max()),
        weight,
    )


def sight_on_map(relief: Relief, orbit: Orbit) -> np.ndarray:
    """Direction to the satellite in terms of the map, on the ties.

    Returns:
        `(tie, tie, 3)`: pixels down and to the right per pixel's length on the ground [1], tangent of the elevation [1].
    """
    base, normal = relief.ties
    time_s, _ = locate(base, orbit)
    sight = orbit.state(time_s)[0] - base
    sight /= np.linalg.norm(sight, axis=-1, keepdims=True)
    up = (sight * normal).sum(-1)
    level = sight - up[..., None] * normal
    level /= np.linalg.norm(level, axis=-1, keepdims=True)
    down, right = (np.gradient(base, axis=axis) / relief.tie_step for axis in (0, 1))
    parts = [
        relief.spacing_m * (level * axis).sum(-1) / (axis * axis).sum(-1) for axis in (down, right)
    ]
    return np.stack([*parts, up / np.sqrt(1 - up * up)], axis=-1)


@njit(cache=True, nogil=True)
def height_at(height: np.ndarray, row: float, column: float) -> float:
    """Bilinear height between corners [m]; beyond the edge there is nothing to hide behind."""
    if row < 0 or column < 0 or row > height.shape[0] - 1 or column > height.shape[1] - 1:
        return -1e9
    i, j = min(int(row), height.shape[0] - 2), min(int(column), height.shape[1] - 2)
    a, b = row - i, column - j
    upper = height[i, j] * (1 - b) + height[i, j + 1] * b
    lower = height[i + 1, j] * (1 - b) + height[i + 1, j + 1] * b
    return upper * (1 - a) + lower * a


@njit(cache=True, nogil=True)
def is_hidden(
    height: np.ndarray, row: float, column: float, toward: np.ndarray, spacing: float, top: float
) -> bool:
    """Follow the ray to the satellite until it is above all ground.

    Args:
        height: at the corners of facets [m].
        row: of the point, in corners.
        column: of the point, in corners.
        toward: down, right and tangent of the elevation, from `sight_on_map`.
        spacing: between corners [m].
        top: the highest height [m].
    """
    start = height_at(height, row, column)
    step = 1
    while True:
        ray = start + step * spacing * toward[2] + (step * spacing) ** 2 / (2 * EARTH_M)
        if ray > top:
            return False
        if height_at(height, row + step * toward[0], column + step * toward[1]) > ray:
            return True
        step += 1


@njit(cache=True, nogil=True)
def _hide(
    height: np.ndarray, toward: np.ndarray, tie: int, spacing: float, top: float, weight: np.ndarray
) -> None:
    here = np.empty(3)
    for r in range(weight.shape[0]):
        for c in range(weight.shape[1]):
            between(toward, (r + 0.5) / tie, (c + 0.5) / tie, here)
            if weight[r, c] > 0 and is_hidden(height, r + 0.5, c + 0.5, here, spacing, top):
                weight[r, c] = 0.0
