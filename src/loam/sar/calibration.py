"""From digital numbers to beta nought: calibration, thermal noise, borders without signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from scipy import ndimage

from loam.core.errors import LoamError
from loam.sar.safe import Safe

# A noise floor outside is in other units than the image: Sentinel-1's lies between -30 and -20 dB (sigma nought).
PLAUSIBLE_NOISE_DB = (-40.0, -12.0)
BORDER_SMOOTH_PX = 5  # samples; narrow enough for a narrow border
USUAL_NOISE_DB = -27.0  # sigma nought; stands in where a product's own table cannot be right
BAND = 256  # lines calibrated at once, so that no table is held for a whole image
BORDER_LEVEL = 0.5  # of the noise floor: below it there was no signal at all


@dataclass(frozen=True)
class Table:
    """Values at some lines and some pixels of each."""

    lines: np.ndarray  # (vector)
    pixels: Sequence[np.ndarray]  # (pixel) per vector
    values: Sequence[np.ndarray]  # (pixel) per vector

    def along(self, pixels: np.ndarray) -> np.ndarray:
        """Values at given pixels of every vector `(vector, pixel)`."""
        return np.stack(
            [
                np.interp(pixels, at, values)
                for at, values in zip(self.pixels, self.values, strict=True)
            ]
        )


@dataclass(frozen=True)
class AzimuthNoise:
    """Noise over lines, for one sub-swath's part of the image; both ends included."""

    first_line: int
    last_line: int
    first_pixel: int
    last_pixel: int
    lines: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Noise:
    """Thermal noise power in squared digital numbers: range times azimuth, the latter since IPF 2.9."""

    range: Table
    azimuth: Sequence[AzimuthNoise]


def read_calibration(safe: Safe, polarisation: str, quantity: str = "betaNought") -> Table:
    """Read a calibration table: digital number over it is the square root of the quantity.

    Args:
        safe: the product.
        polarisation: vv or vh.
        quantity: betaNought, sigmaNought, gamma.

    Raises:
        LoamError: the file is missing or holds no such table.
    """
    name = safe.find("annotation/calibration", "calibration-", polarisation, ".xml")
    return _table(
        safe, name, safe.xml(name).findall("calibrationVectorList/calibrationVector"), quantity
    )


def read_noise(safe: Safe, polarisation: str) -> Noise:
    """Read the noise tables of either generation: range and azimuth vectors, or noise vectors before IPF 2.9.

    Raises:
        LoamError: the file is missing, or holds no table.
    """
    name = safe.find("annotation/calibration", "noise-", polarisation, ".xml")
    root = safe.xml(name)
    vectors = root.findall("noiseRangeVectorList/noiseRangeVector")
    if vectors:
        azimuth = [_azimuth(safe, name, found) for found in root.iterfind("*/noiseAzimuthVector")]
        return Noise(_table(safe, name, vectors, "noiseRangeLut"), azimuth)
    return Noise(_table(safe, name, root.findall("noiseVectorList/noiseVector"), "noiseLut"), [])


def _table(safe: Safe, name: str, vectors: Sequence[ElementTree.Element], tag: str) -> Table:
    try:
        lines = [int(vector.findtext("line") or "") for vector in vectors]
        pixels = [_numbers(vector, "pixel") for vector in vectors]
        values = [_numbers(vector, tag) for vector in vectors]
    except ValueError:
        values = []
    if not values or any(
        len(at) != len(found) or not len(at) for at, found in zip(pixels, values, strict=True)
    ):
        msg = f"{safe.path}: {name} holds no whole {tag} table; download the product again"
        raise LoamError(msg)
    return Table(np.array(lines, dtype=np.float64), pixels, values)


def _numbers(vector: ElementTree.Element, tag: str) -> np.ndarray:
    return np.array((vector.findtext(tag) or "").split(), dtype=np.float64)


def _azimuth(safe: Safe, name: str, vector: ElementTree.Element) -> AzimuthNoise:
    tags = ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
    try:
        limits = [int(vector.findtext(tag) or "") for tag in tags]
        lines, values = _numbers(vector, "line"), _numbers(vector, "noiseAzimuthLut")
    except ValueError:
        limits, lines, values = [0] * 4, np.empty(0), np.empty(0)
    if not len(lines) or len(lines) != len(values):
        msg = (
            f"{safe.path}: {name} holds no whole noiseAzimuthLut table; download the product again"
        )
        raise LoamError(msg)
    return AzimuthNoise(limits[0], limits[1], limits[2], limits[3], lines, values)


def table_on(table: Table, lines: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Table at lines and pixels of the image, bilinear, `(line, pixel)` float32."""
    across = table.along(pixels).astype(np.float32)
    place = np.interp(lines, table.lines, np.arange(len(table.lines)))
    below = np.minimum(place.astype(np.intp), max(len(table.lines) - 2, 0))
    above = np.minimum(below + 1, len(table.lines) - 1)
    share = (place - below)[:, None].astype(np.float32)
    return np.asarray(across[below] * (1 - share) + across[above] * share)


def noise_on(noise: Noise, lines: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Thermal noise power at lines and pixels of the image [squared digital number], `(line, pixel)` float32."""
    out = table_on(noise.range, lines, pixels)
    for part in noise.azimuth:
        rows = slice(*np.searchsorted(lines, [part.first_line, part.last_line + 1]))
        columns = slice(*np.searchsorted(pixels, [part.first_pixel, part.last_pixel + 1]))
        out[rows, columns] *= np.interp(lines[rows], part.lines, part.values).astype(np.float32)[
            :, None
        ]
    return out


def noise_floor_db(noise: Noise, sigma: Table) -> float:
    """Median noise floor that a noise table says, sigma nought [dB].

    Args:
        noise: the table.
        sigma: the sigmaNought table of the same image.
    """
    floor = [
        np.median(eta) / np.median(scale) ** 2
        for eta, scale in zip(noise.range.values, sigma.values, strict=False)
    ]
    return float(10 * np.log10(max(float(np.median(floor)), 1e-30)))


def require_noise_units(noise: Noise, sigma: Table, what: str) -> None:
    """Stop when the noise table cannot be noise of this image: early products hold it in other units.

    Raises:
        LoamError: the noise floor it says is no Sentinel-1's.
    """
    floor_db, (low, high) = noise_floor_db(noise, sigma), PLAUSIBLE_NOISE_DB
    if not low <= floor_db <= high:
        msg = f"{what}: its noise table says a floor of {floor_db:.1f} dB, not {low:g} to {high:g}; set sar.flatten.thermal_noise to false"
        raise LoamError(msg)


def beta_nought(
    number: np.ndarray, lines: np.ndarray, pixels: np.ndarray, beta: Table, noise: Noise | None
) -> np.ndarray:
    """Radar brightness: beta0 = (DN² - noise) / A². Noise-subtracted power may be negative; it is kept as it is.

    Args:
        number: digital numbers `(line, pixel)`; 0 is no data.
        lines: their lines in the image `(line)`.
        pixels: their pixels in the image `(pixel)`.
        beta: the betaNought table A.
        noise: thermal noise to take away, or None.

    Returns:
        `(line, pixel)` float32 linear power, NaN without data.
    """
    out = np.empty(number.shape, dtype=np.float32)
    for start in range(0, len(lines), BAND):
        rows = slice(start, start + BAND)
        power = number[rows].astype(np.float32) ** 2
        empty = power == 0
        if noise is not None:
            power -= noise_on(noise, lines[rows], pixels)
        power /= table_on(beta, lines[rows], pixels) ** 2
        power[empty] = np.nan
        out[rows] = power
    return out


def border_mask(
    number: np.ndarray, noise: np.ndarray, edges: tuple[bool, bool, bool, bool]
) -> np.ndarray:
    """Where an image ends in border noise: very low values in one piece with its edge (before IPF 2.9 above all).

    Args:
        number: digital numbers `(line, pixel)`.
        noise: thermal noise power `(line, pixel)` [squared digital number].
        edges: whether the array's top, bottom, left and right are edges of the image.

    Returns:
        `(line, pixel)` bool, True where nothing was seen.
    """
    power = ndimage.uniform_filter(number.astype(np.float32) ** 2, BORDER_SMOOTH_PX, mode="nearest")
    low = power < BORDER_LEVEL * noise
    edge = np.zeros_like(low)
    edge[0], edge[-1] = edges[:2]
    edge[:, 0] |= edges[2]
    edge[:, -1] |= edges[3]
    pieces, _ = ndimage.label(low)
    touching = np.unique(pieces[edge & low])
    border = np.isin(pieces, touching[touching > 0])
    return np.asarray(
        ndimage.binary_dilation(border, iterations=BORDER_SMOOTH_PX // 2)
        if border.any()
        else border
    )
