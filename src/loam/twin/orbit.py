"""A Sentinel-1 orbit over the area, fixed to the Earth, and where it sees a point at zero Doppler."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.optimize import least_squares

SEMI_MAJOR_M, FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS 84
ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)
RADIUS_M = 7_071_000.0  # 693 km above the equator
INCLINATION = np.deg2rad(98.18)
# 175 orbits in 12 days; the plane keeps its angle to the sun, so the Earth turns below it once in 24 hours exactly.
MOTION = 2 * np.pi * 175 / (12 * 86400.0)  # [rad s-1]
TURN = 2 * np.pi / 86400.0  # [rad s-1]
CYCLE_S = 12 * 86400.0  # after which the track repeats
COS_I, SIN_I = float(np.cos(INCLINATION)), float(np.sin(INCLINATION))


@dataclass(frozen=True)
class Orbit:
    """A circular orbit. ASSUME: eccentricity, drag and the Earth's bulge change nothing within the minutes of a scene.

    Times are seconds since the middle of the scene, when the area's centre is seen.
    """

    argument_rad: float  # from the ascending node along the orbit, at time 0
    node_rad: float  # longitude of the ascending node, at time 0

    @property
    def since_node_s(self) -> float:
        """Time since the ascending node [s]."""
        return float(np.mod(self.argument_rad, 2 * np.pi)) / MOTION

    def state(self, time_s: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Position [m] and velocity [m s-1] in the Earth-fixed frame.

        Args:
            time_s: any shape [s].

        Returns:
            Both of that shape plus `(3,)`; the velocity is the position's exact derivative.
        """
        u, node = (
            self.argument_rad + MOTION * np.asarray(time_s, float),
            self.node_rad - TURN * np.asarray(time_s, float),
        )
        along, across = np.cos(u), np.sin(u) * COS_I
        place = _turned(along, across, np.sin(u) * SIN_I, node)
        swing = _turned(-np.sin(u), np.cos(u) * COS_I, np.cos(u) * SIN_I, node)
        turning = np.stack([-place[..., 1], place[..., 0], np.zeros_like(u)], axis=-1)
        return RADIUS_M * place, RADIUS_M * (MOTION * swing - TURN * turning)


def _turned(x: np.ndarray, y: np.ndarray, z: np.ndarray, node: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.cos(node) * x - np.sin(node) * y, np.sin(node) * x + np.cos(node) * y, z], axis=-1
    )


def earth_fixed(
    longitude_deg: np.ndarray | float, latitude_deg: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the ellipsoid and its outward normals; a point at height h is `point + h * normal`.

    Args:
        longitude_deg: any shape [degree].
        latitude_deg: geodetic, same shape [degree].

    Returns:
        Both of that shape plus `(3,)`: Earth-fixed [m], unit vectors [1].
    """
    lon, lat = np.deg2rad(longitude_deg), np.deg2rad(latitude_deg)
    normal = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    curvature = SEMI_MAJOR_M / np.sqrt(1 - ECCENTRICITY_2 * np.sin(lat) ** 2)
    return curvature[..., None] * normal * np.array([1, 1, 1 - ECCENTRICITY_2]), normal


def orbit_over(
    longitude_deg: float, latitude_deg: float, incidence_deg: float, ascending: bool
) -> Orbit:
    """Place the orbit so that a point of the ellipsoid is seen to the right, at a given angle, at time 0.

    Args:
        longitude_deg: of the point [degree].
        latitude_deg: of the point [degree]; within 75 degrees of the equator.
        incidence_deg: angle between the ellipsoid's normal and the direction to the satellite [degree].
        ascending: whether it flies northwards.
    """
    point, normal = earth_fixed(longitude_deg, latitude_deg)
    sine = np.sin(np.deg2rad(latitude_deg)) / SIN_I
    u = np.arcsin(sine) if ascending else np.pi - np.arcsin(sine)
    # From above the point itself, step away: a right-looking satellite has the point on its right.
    aside = np.deg2rad(0.75 * incidence_deg / 4) / np.cos(np.deg2rad(latitude_deg))
    node = (
        np.deg2rad(longitude_deg)
        - np.arctan2(np.sin(u) * COS_I, np.cos(u))
        + (-aside if ascending else aside)
    )

    def miss(unknown: np.ndarray) -> list[float]:
        place, speed = Orbit(*unknown).state(0.0)
        sight = place - point
        cosine = sight @ normal / np.linalg.norm(sight)
        return [float(sight @ speed) / 1e9, float(cosine - np.cos(np.deg2rad(incidence_deg)))]

    found = least_squares(miss, [u, node], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    return Orbit(float(found[0]), float(found[1]))


@njit(cache=True, nogil=True)
def zero_doppler(
    x: float, y: float, z: float, u0: float, node0: float, guess_s: float
) -> tuple[float, float, float, float, float]:
    """Time at which the satellite's velocity is at right angles to the line of sight, by Newton's method.

    Args:
        x: Earth-fixed [m].
        y: Earth-fixed [m].
        z: Earth-fixed [m].
        u0: argument of latitude at time 0 [rad].
        node0: longitude of the node at time 0 [rad].
        guess_s: where to begin [s].

    Returns:
        Time [s], slant range [m] and the satellite's position then [m].
    """
    t = guess_s
    for _ in range(20):
        u, node = u0 + MOTION * t, node0 - TURN * t
        cu, su, cn, sn = np.cos(u), np.sin(u), np.cos(node), np.sin(node)
        sx, sy, sz = (
            RADIUS_M * (cn * cu - sn * su * COS_I),
            RADIUS_M * (sn * cu + cn * su * COS_I),
            RADIUS_M * su * SIN_I,
        )
        ux, uy, uz = (
            RADIUS_M * (-cn * su - sn * cu * COS_I),
            RADIUS_M * (-sn * su + cn * cu * COS_I),
            RADIUS_M * cu * SIN_I,
        )
        vx, vy, vz = MOTION * ux + TURN * sy, MOTION * uy - TURN * sx, MOTION * uz
        ax = -(MOTION**2) * sx + 2 * MOTION * TURN * uy - TURN**2 * sx
        ay = -(MOTION**2) * sy - 2 * MOTION * TURN * ux - TURN**2 * sy
        az = -(MOTION**2) * sz
        dx, dy, dz = x - sx, y - sy, z - sz
        step = (dx * vx + dy * vy + dz * vz) / (
            vx * vx + vy * vy + vz * vz - dx * ax - dy * ay - dz * az
        )
        t += step
        if abs(step) < 1e-9:  # 7 micrometres of flight: what is left falls with its square
            break
    sx, sy, sz = sx + vx * step, sy + vy * step, sz + vz * step
    return t, np.sqrt((x - sx) ** 2 + (y - sy) ** 2 + (z - sz) ** 2), sx, sy, sz


@njit(cache=True, nogil=True)
def _locate(points: np.ndarray, u0: float, node0: float, out: np.ndarray) -> None:
    for i in range(points.shape[0]):
        t, slant, _, _, _ = zero_doppler(points[i, 0], points[i, 1], points[i, 2], u0, node0, 0.0)
        out[0, i], out[1, i] = t, slant


def locate(points: np.ndarray, orbit: Orbit) -> tuple[np.ndarray, np.ndarray]:
    """Zero-Doppler time [s] and slant range [m] of Earth-fixed points `(..., 3)` [m]; results lose the last axis."""
    flat = np.ascontiguousarray(points.reshape(-1, 3), dtype=float)
    out = np.empty((2, len(flat)))
    _locate(flat, orbit.argument_rad, orbit.node_rad, out)
    return out[0].reshape(points.shape[:-1]), out[1].reshape(points.shape[:-1])
