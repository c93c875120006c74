"""Where the ground lies in a radar image, and how it is looked at: exact at a few nodes, polynomials between them.

Over some tens of kilometres, range, time and look direction are so smooth that a polynomial of low degree through
exact values at Chebyshev nodes is right to micrometres. Each pixel then costs a few multiplications, not an iteration.
"""

from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from loam.core.errors import LoamError
from loam.sar.annotation import Annotation
from loam.sar.orbit import Orbit

# Nodes in y, x and height. A block of 40 km at 800 km distance: the first term left out is below 1e-6 m.
NODES = (7, 7, 4)
STEP_M = 10.0  # of the differences that give the map's directions in space
SPEED_STEP_M = 200.0  # of the differences that give the lines' speed over ground
# ASSUME: see `_record_shift`.
LARGEST_SHIFT_S, LARGEST_SPREAD_S = 0.2, 0.03


@dataclass(frozen=True)
class View:
    """How an image sees a block of ground: polynomials in map coordinates and height.

    With the surface `P(x, y, h(x, y))`, the oriented area of a facet of `dx dy` is
    `N = (a + h_x b + h_y c) dx dy`, where `a = P_x x P_y`, `b = P_h x P_y`, `c = P_x x P_h`.
    """

    centre: tuple[float, float, float]  # x, y, height [m]
    half: tuple[float, float, float]  # half extents [m]
    fields: np.ndarray  # coefficients (field, power of y, power of x, power of height)


def look_at(box: GeoBox, heights_m: tuple[float, float], orbit: Orbit) -> View:
    """Fit how an orbit sees a block of ground.

    Args:
        box: the block, in a projected CRS.
        heights_m: lowest and highest height above the ellipsoid [m].
        orbit: the satellite's path.

    Returns:
        Fields, in order: zero-Doppler time [s], slant range [m], `a·l`, `b·l`, `c·l` with the unit vector `l` to the
        satellite, the metric: `a·a`, `b·b`, `c·c`, `a·b`, `a·c`, `b·c`, and the speed at which lines sweep over the
        ground [m/s].

    Raises:
        LoamError: the satellite does not pass the block.
    """
    bounds = box.boundingbox
    low, high = heights_m[0] - 1.0, heights_m[1] + 1.0
    centre = ((bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2, (low + high) / 2)
    half = ((bounds.right - bounds.left) / 2, (bounds.top - bounds.bottom) / 2, (high - low) / 2)
    nodes = [np.cos(np.pi * (np.arange(count) + 0.5) / count) for count in NODES]
    y, x, h = np.meshgrid(
        nodes[0] * half[1] + centre[1],
        nodes[1] * half[0] + centre[0],
        nodes[2] * half[2] + centre[2],
        indexing="ij",
    )
    to_space = Transformer.from_crs(str(box.crs), "EPSG:4978", always_xy=True)
    values = np.stack(
        [*_fields(_frame(to_space, x, y, h), orbit), _line_speed(to_space, (x, y, h), orbit)]
    )
    inverses = [np.linalg.inv(np.vander(place, increasing=True)) for place in nodes]
    fields = np.einsum("fyxh,iy,jx,kh->fijk", values, *inverses)
    return View(centre, half, np.ascontiguousarray(fields))


def _to_space(to_space: Transformer, x: np.ndarray, y: np.ndarray, h: np.ndarray) -> np.ndarray:
    return np.stack(to_space.transform(x, y, h))


def _frame(
    to_space: Transformer, x: np.ndarray, y: np.ndarray, h: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Positions in space and their derivatives by x, y and height, each `(axis, y, x, h)`."""
    steps = np.eye(3) * STEP_M
    central = [
        (_to_space(to_space, x + dx, y + dy, h + dh) - _to_space(to_space, x - dx, y - dy, h - dh))
        / (2 * STEP_M)
        for dx, dy, dh in steps
    ]
    return _to_space(to_space, x, y, h), *central


def _fields(frame: tuple[np.ndarray, ...], orbit: Orbit) -> list[np.ndarray]:
    place, by_x, by_y, by_h = frame
    time, distance, look = zero_doppler(place, orbit)
    a, b, c = (
        np.cross(first, second, axis=0)
        for first, second in ((by_x, by_y), (by_h, by_y), (by_x, by_h))
    )
    pairs = ((a, look), (b, look), (c, look), (a, a), (b, b), (c, c), (a, b), (a, c), (b, c))
    return [time, distance, *((first * second).sum(axis=0) for first, second in pairs)]


def _line_speed(
    to_space: Transformer, at: tuple[np.ndarray, np.ndarray, np.ndarray], orbit: Orbit
) -> np.ndarray:
    """Metres on level ground from a zero-Doppler line to the next, per second between them [m/s]."""
    x, y, h = at
    slowness = np.zeros(x.shape)
    for dx, dy in ((SPEED_STEP_M, 0.0), (0.0, SPEED_STEP_M)):
        ahead, back = (_to_space(to_space, x + sign * dx, y + sign * dy, h) for sign in (1, -1))
        change = zero_doppler(ahead, orbit)[0] - zero_doppler(back, orbit)[0]
        slowness += (change / np.sqrt(((ahead - back) ** 2).sum(axis=0))) ** 2
    return np.asarray(1 / np.sqrt(slowness))


def zero_doppler(place: np.ndarray, orbit: Orbit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When and how far away a satellite passes abeam of ground points, by Newton's method.

    Args:
        place: Earth-fixed positions `(axis, …)` [m].
        orbit: the satellite's path.

    Returns:
        Time after the orbit's epoch [s], slant range [m], both `(…)`, and unit vectors to the satellite `(axis, …)`.

    Raises:
        LoamError: a point is passed before the first or after the last state vector.
    """
    time = np.full(place.shape[1:], np.mean(orbit.span_s))
    for _ in range(20):
        position, velocity, acceleration = orbit.at(time)
        offset = place - position
        change = (offset * velocity).sum(axis=0) / ((offset * acceleration) - velocity**2).sum(
            axis=0
        )
        time = np.clip(time - change, orbit.span_s[0] - 1, orbit.span_s[1] + 1)
        if np.abs(change).max() < 1e-10:
            break
    else:
        msg = f"the satellite does not pass the area between its first and last state vector (epoch {orbit.epoch}); bring another scene"
        raise LoamError(msg)
    to_satellite = orbit.at(time)[0] - place
    distance = np.sqrt((to_satellite**2).sum(axis=0))
    return time, distance, to_satellite / distance


@dataclass(frozen=True)
class ImageGrid:
    """How zero-Doppler time and slant range become line and pixel. All times after the view's epoch."""

    first_line_s: float
    line_interval_s: float
    range_spacing_m: float
    record_s: np.ndarray  # times of the ground-range polynomials (record)
    start_m: np.ndarray  # sr0 (record)
    coefficients: np.ndarray  # (record, power)


def image_grid(annotation: Annotation, epoch: np.datetime64) -> ImageGrid:
    """Image grid of one product, with times after the epoch."""
    second = np.timedelta64(1, "s")
    records = annotation.ground_range
    shift = _record_shift(annotation)
    return ImageGrid(
        float((annotation.first_line - epoch) / second),
        annotation.line_interval_s,
        annotation.range_spacing_m,
        (records.times - epoch) / second - shift,
        records.start_m,
        records.coefficients,
    )


def _record_shift(annotation: Annotation) -> float:
    """How much later the ground-range records are stamped than they hold [s].

    In both real products at hand every row of tie points lies 0.084 to 0.092 s before a record and follows it exactly,
    while records are 1 s apart and change by up to 14 pixels. ASSUME: the records hold at the rows' times, and change
    linearly between. Where rows and records do not keep one distance, the stamps are taken as they are.
    """
    rows, records = annotation.tie_times, annotation.ground_range.times
    if len(records) < 2 or not len(rows):
        return 0.0
    gaps = (records[None, :] - rows[:, None]) / np.timedelta64(1, "s")
    nearest = gaps[np.arange(len(rows)), np.abs(gaps).argmin(axis=1)]
    # A row's own points spread by milliseconds; rows beyond the records say nothing.
    near = nearest[np.abs(nearest) < LARGEST_SHIFT_S]
    if len(near) < 0.9 * len(rows) or np.ptp(near) > LARGEST_SPREAD_S:
        return 0.0
    return float(np.median(near))
