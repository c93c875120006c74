"""From facets to an image of power: impulse response, point targets, speckle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import ndimage

from loam.twin.facets import Facets
from loam.twin.frame import SPACING_M, Frame
from loam.twin.orbit import locate
from loam.twin.relief import Relief

# Half-power widths of IW GRDH, 22 m in azimuth and 20 m in range, on pixels of 10 m. A facet falls on the image as a cubic
# B-spline (variance 1/3 pixel²), which keeps sums and centres of mass whatever the part of a pixel it falls on; three taps
# more bring the variance to that of the width.
TAPS = tuple(((width / 2.3548) ** 2 - 1 / 3) / 2 for width in (2.2, 2.0))
# Speckle is correlated over 1.25 half-power widths, the integral of its autocorrelation, as a spectrum under ESA's Hamming window
# of 0.7 makes it; a Gaussian kernel of amplitudes with standard deviation s has sqrt(2 pi) s.
SPECKLE_PX = tuple(1.25 * width / np.sqrt(2 * np.pi) for width in (2.2, 2.0))
PAD = 4  # pixels around the image in which facets still reach into it


@dataclass(frozen=True)
class Target:
    """A point that scatters strongly, such as a corner reflector on the ground."""

    x: float  # in the map [m]
    y: float  # in the map [m]
    cross_section_m2: float  # [m2]


def smooth(power: np.ndarray) -> np.ndarray:
    """Widen the cubic spline to the impulse response, and cut off the padding, `(..., line, pixel)`."""
    for axis, tap in zip((-2, -1), TAPS, strict=True):
        power = ndimage.correlate1d(
            power, np.array([tap, 1 - 2 * tap, tap]), axis=axis, mode="constant"
        )
    return power[..., PAD:-PAD, PAD:-PAD]


def clutter(facets: Facets, gamma0: np.ndarray, frame: Frame) -> np.ndarray:
    """Beta nought of the ground, without speckle and noise.

    Args:
        facets: the ground.
        gamma0: gamma nought by pixel of the ground's box `(band, y, x)` [linear].
        frame: the image.

    Returns:
        `(band, line, pixel)` float32 [linear].
    """
    out = np.zeros((len(gamma0), frame.lines + 2 * PAD, frame.pixels + 2 * PAD), np.float32)
    _spread(
        facets.line,
        facets.pixel,
        facets.weight,
        facets.steps,
        np.ascontiguousarray(gamma0, dtype=np.float32),
        out,
    )
    return smooth(out)


def coverage(facets: Facets, frame: Frame) -> np.ndarray:
    """Where there is ground at all, lit or not, whole within the reach of the impulse response, `(line, pixel)` bool."""
    out = np.zeros((1, frame.lines + 2 * PAD, frame.pixels + 2 * PAD), np.float32)
    ones = np.ones((1, *(size // facets.steps for size in facets.line.shape)), np.float32)
    everywhere = np.broadcast_to(np.float32(1), facets.weight.shape)
    _spread(facets.line, facets.pixel, everywhere, facets.steps, ones, out)
    count = smooth(out)[0]
    # Ground that falls away steeply is drawn out to a tenth or so.
    ground = count > 0.02 * np.median(count)
    return np.asarray(ndimage.binary_erosion(ground, iterations=3, border_value=1))


@njit(cache=True, nogil=True)
def _spline(part: float, out: np.ndarray) -> None:
    """Cubic B-spline at -1 - part, -part, 1 - part, 2 - part."""
    rest = 1 - part
    out[0], out[3] = rest**3 / 6, part**3 / 6
    out[1], out[2] = 2 / 3 - part**2 * (2 - part) / 2, 2 / 3 - rest**2 * (2 - rest) / 2


@njit(cache=True, nogil=True)
def _spread(
    line: np.ndarray,
    pixel: np.ndarray,
    weight: np.ndarray,
    steps: int,
    gamma0: np.ndarray,
    out: np.ndarray,
) -> None:
    down, right = np.empty(4, np.float32), np.empty(4, np.float32)
    for r in range(line.shape[0]):
        for c in range(line.shape[1]):
            i, j = int(np.floor(line[r, c])), int(np.floor(pixel[r, c]))
            top, left = i - 1 + PAD, j - 1 + PAD
            if (
                weight[r, c] == 0
                or top < 0
                or left < 0
                or top + 4 > out.shape[1]
                or left + 4 > out.shape[2]
            ):
                continue
            _spline(line[r, c] - i, down)
            _spline(pixel[r, c] - j, right)
            for band in range(out.shape[0]):
                power = weight[r, c] * gamma0[band, r // steps, c // steps]
                for a in range(4):
                    share = power * down[a]
                    for b in range(4):
                        out[band, top + a, left + b] += share * right[b]


def bright_points(targets: Sequence[Target], relief: Relief, frame: Frame) -> np.ndarray:
    """Beta nought of point targets: cross section over the pixel's area, spread by the impulse response.

    Args:
        targets: the points, on the ground.
        relief: the ground.
        frame: the image.

    Returns:
        `(line, pixel)` float32 [linear].
    """
    out = np.zeros((1, frame.lines + 2 * PAD, frame.pixels + 2 * PAD), np.float32)
    if targets:
        time_s, slant = locate(
            np.stack([relief.point(target.x, target.y) for target in targets]), frame.orbit
        )
        line, pixel = frame.line_pixel(time_s, slant)
        length = np.diff(frame.slant_range(line, np.stack([pixel - 0.5, pixel + 0.5])), axis=0)[0]
        power = np.array([target.cross_section_m2 for target in targets]) / (length * SPACING_M)
        lines, pixels, powers = (
            values[:, None].astype(np.float32) for values in (line, pixel, power)
        )
        _spread(lines, pixels, powers, 1, np.ones((1, len(targets), 1), np.float32), out)
    return np.asarray(smooth(out)[0])


def speckle(shape: tuple[int, int], looks: float, rng: np.random.Generator) -> np.ndarray:
    """Speckle of intensity: the mean of independent looks, each a complex Gaussian field of the image's resolution.

    All looks weigh the same but the last, which makes up what a whole number of looks misses (Goodman 1976; a GRD's equivalent
    number of looks is no whole number because its looks overlap).

    Args:
        shape: lines and pixels.
        looks: equivalent number of looks, mean² / variance; infinite for none.
        rng: source of randomness.

    Returns:
        `(line, pixel)` float32, mean 1.
    """
    total = np.zeros(shape, np.float32)
    if np.isinf(looks):
        return total + np.float32(1)
    whole = int(np.ceil(looks)) - 1
    # (n + a)² / (n + a²) = looks, for the weight a of the last one.
    last = (
        (whole - np.sqrt(looks * (whole + 1 - looks) * whole)) / (looks - 1) if looks > 1 else 1.0
    )
    for weight in [1.0] * whole + [last]:
        for _ in range(2):
            total += np.float32(weight) * _waves(shape, rng) ** 2
    return np.maximum(total / np.float32(2 * (whole + last)), np.float32(1e-9))


def _waves(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Gaussian field of variance 1, correlated as amplitudes in the image are."""
    field = rng.standard_normal(shape, dtype=np.float32)
    for axis, width in enumerate(SPECKLE_PX):
        reach = np.arange(-4, 5)
        taps = np.exp(-0.5 * (reach / width) ** 2)
        field = ndimage.correlate1d(field, taps / np.sqrt((taps**2).sum()), axis=axis, mode="wrap")
    return field
