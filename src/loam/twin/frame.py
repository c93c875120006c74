"""The image's frame: which line and pixel a time and a slant range belong to, as Sentinel-1's ground range products define it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import Polynomial

from loam.twin.orbit import ECCENTRICITY_2, SEMI_MAJOR_M, Orbit, locate
from loam.twin.relief import Relief

SPACING_M = 10.0  # of IW GRDH, in range and azimuth
DEGREE = 8  # of the range polynomials, as in ESA's products


@dataclass(
    frozen=True, eq=False
)  # compared by identity, so that what follows from a frame can be kept
class Frame:
    """Lines are zero-Doppler times, pixels ground ranges; the centre of line 0, pixel 0 is at `first_s` and `near_m`."""

    orbit: Orbit
    first_s: float  # [s]
    interval_s: float  # between lines [s]
    lines: int
    pixels: int
    near_m: float  # slant range of pixel 0 [m]
    # Ground range [m] of (slant range - near) [m], and back: coefficients at time 0 and their change per second `(2, degree + 1)`.
    to_ground: np.ndarray
    to_slant: np.ndarray

    def times(self, lines: np.ndarray | int) -> np.ndarray:
        """Zero-Doppler times of lines [s]."""
        return np.asarray(self.first_s + self.interval_s * np.asarray(lines))

    def slant_range(self, lines: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Slant range of lines and pixels, broadcast [m]."""
        return self.near_m + self._evaluate(
            self.to_slant, self.times(lines), SPACING_M * np.asarray(pixels, float)
        )

    def line_pixel(self, time_s: np.ndarray, slant_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Line and pixel, with fractions, of zero-Doppler times [s] and slant ranges [m]."""
        ground = self._evaluate(
            self.to_ground, np.asarray(time_s), np.asarray(slant_m) - self.near_m
        )
        return (np.asarray(time_s) - self.first_s) / self.interval_s, ground / SPACING_M

    @staticmethod
    def _evaluate(coefficients: np.ndarray, time_s: np.ndarray, value: np.ndarray) -> np.ndarray:
        result = np.zeros(np.broadcast(time_s, value).shape)
        for start, change in coefficients.T[::-1]:
            result = result * value + (start + change * time_s)
        return result

    def cut(self, first: int, lines: int) -> "Frame":
        """Take some of the lines: a slice of the pass."""
        return (
            self
            if (first, lines) == (0, self.lines)
            else replace(self, first_s=float(self.times(first)), lines=lines)
        )

    def tie_points(self, lines: np.ndarray, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Where the ellipsoid is seen.

        Args:
            lines: `(line,)`.
            pixels: `(pixel,)`.

        Returns:
            `(line, pixel)` each: latitude and longitude, incidence and elevation (off nadir) angle [degree], slant range [m].
        """
        slant = self.slant_range(lines[:, None], pixels[None, :])
        angle = np.empty_like(slant)
        for number, time_s in enumerate(self.times(lines)):
            angle[number] = _angles_of(self.orbit, float(time_s), slant[number])
        place, seen = _ellipsoid_at(self.orbit, self.times(lines)[:, None], angle)
        flat = np.hypot(seen[..., 0], seen[..., 1])
        latitude = np.arctan2(seen[..., 2], (1 - ECCENTRICITY_2) * flat)
        longitude = np.arctan2(seen[..., 1], seen[..., 0])
        normal = np.stack(
            [
                np.cos(latitude) * np.cos(longitude),
                np.cos(latitude) * np.sin(longitude),
                np.sin(latitude),
            ],
            axis=-1,
        )
        cosine = ((place - seen) * normal).sum(-1) / slant
        degrees = {
            "latitude": latitude,
            "longitude": longitude,
            "incidenceAngle": np.arccos(cosine),
            "elevationAngle": angle,
        }
        return {name: np.rad2deg(values) for name, values in degrees.items()} | {
            "slantRange": slant
        }


def make_frame(relief: Relief, orbit: Orbit, inset_m: float) -> Frame:
    """Frame the ground, save a rim.

    Args:
        relief: the ground.
        orbit: the orbit.
        inset_m: the image covers the ground up to this far from its edge [m].
    """
    inset = inset_m / relief.spacing_m - 0.5
    rows, columns = (np.linspace(inset, size - 1 - inset, 9) for size in relief.height_m.shape)
    base, normal = relief.earth(*np.meshgrid(rows, columns, indexing="ij"))
    levels = np.array([relief.height_m.min(), relief.height_m.max()])[:, None, None, None]
    time_s, slant = locate(base + levels * normal, orbit)
    near, far = float(slant.min()), float(slant.max())
    to_ground, to_slant = _polynomials(orbit, near, far, float(np.abs(time_s).max()))
    # Whole microseconds, the resolution of times in the product.
    first, interval = np.floor(time_s.min() * 1e6) / 1e6, _interval(orbit, (near + far) / 2)
    frame = Frame(orbit, float(first), interval, 0, 0, near, to_ground, to_slant)
    line, pixel = frame.line_pixel(time_s, slant)
    return replace(frame, lines=int(np.ceil(line.max())) + 1, pixels=int(np.ceil(pixel.max())) + 1)


def _interval(orbit: Orbit, slant_m: float) -> float:
    """Time between lines that are 10 m apart on the ellipsoid, at the middle of the image [s]."""
    middle = np.array([slant_m])
    ends = np.concatenate(
        [_ellipsoid_at(orbit, step, _angles_of(orbit, step, middle))[1] for step in (-0.5, 0.5)]
    )
    return SPACING_M / float(np.linalg.norm(ends[1] - ends[0]))


def _polynomials(
    orbit: Orbit, near_m: float, far_m: float, reach_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit ground range against slant range at both ends of the pass; between them the coefficients change linearly."""
    reach = max(reach_s, 1.0)
    ends = [_fit(orbit, time_s, near_m, far_m) for time_s in (-reach, reach)]
    pairs = [(np.array([a, b])) for a, b in zip(*ends, strict=True)]
    return tuple(np.stack([pair.mean(axis=0), (pair[1] - pair[0]) / (2 * reach)]) for pair in pairs)  # type: ignore[return-value]


def _fit(orbit: Orbit, time_s: float, near_m: float, far_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients slant to ground and ground to slant; the ground range is the way along the ellipsoid from the near range."""
    first, last = _angles_of(orbit, time_s, np.array([near_m - 300, far_m + 300]))
    angle = np.linspace(first, last, 401)
    place, seen = _ellipsoid_at(orbit, np.full(angle.shape, time_s), angle)
    slant = np.linalg.norm(seen - place, axis=-1) - near_m
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(seen, axis=0), axis=-1))])
    forth = Polynomial.fit(slant, way, DEGREE)
    way = way - forth(0.0)
    forth, back = Polynomial.fit(slant, way, DEGREE), Polynomial.fit(way, slant, DEGREE)
    slant_coefficients = back.convert().coef
    slant_coefficients[0] = 0.0
    return forth.convert().coef, slant_coefficients


def _ellipsoid_at(
    orbit: Orbit, time_s: np.ndarray | float, angle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Satellite and the ellipsoid's point that it sees at zero Doppler, off nadir by an angle [rad]."""
    place, speed = orbit.state(np.broadcast_to(time_s, angle.shape))
    ahead = speed / np.linalg.norm(speed, axis=-1, keepdims=True)
    down = -place + (place * ahead).sum(-1, keepdims=True) * ahead
    down = down / np.linalg.norm(down, axis=-1, keepdims=True)
    right = np.cross(ahead, -down)
    sight = np.cos(angle)[..., None] * down + np.sin(angle)[..., None] * right
    scale = np.array([1, 1, 1 / np.sqrt(1 - ECCENTRICITY_2)]) / SEMI_MAJOR_M
    s, d = place * scale, sight * scale
    a, b, c = (d * d).sum(-1), (s * d).sum(-1), (s * s).sum(-1) - 1
    reach = (-b - np.sqrt(b * b - a * c)) / a
    return place, place + reach[..., None] * sight


def _angles_of(orbit: Orbit, time_s: float, slant_m: np.ndarray) -> np.ndarray:
    """Angles off nadir at which the ellipsoid is at given slant ranges, by Newton's method [rad]."""
    place, _ = orbit.state(time_s)
    high = float(np.linalg.norm(place))
    low = high - 700e3
    guess = np.arccos((high**2 + slant_m**2 - low**2) / (2 * high * slant_m))
    for _ in range(6):
        slope = (_slant(orbit, time_s, guess + 1e-5) - _slant(orbit, time_s, guess - 1e-5)) / 2e-5
        guess = guess - (_slant(orbit, time_s, guess) - slant_m) / slope
    return guess


def _slant(orbit: Orbit, time_s: float, angle: np.ndarray) -> np.ndarray:
    place, seen = _ellipsoid_at(orbit, time_s, angle)
    return np.asarray(np.linalg.norm(seen - place, axis=-1))
