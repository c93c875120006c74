"""The image of one product: opened once, read window by window as beta nought."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from loam.errors import LoamError
from loam.sar.annotation import read_annotation
from loam.sar.calibration import beta_nought, border_mask, noise_on, read_calibration, read_noise, require_noise_units
from loam.sar.geometry import image_grid
from loam.sar.orbit import fit_orbit, read_orbit_file
from loam.sar.product import Product
from loam.sar.safe import Safe

BORDER_PX = 2000  # how far border noise reaches into an image at most; seen: some hundred pixels
BORDER_STEP_PX = 4  # lines and pixels from one sample to the next when looking for it


class Image:
    """Beta nought of a product's polarisations, with the product's geometry."""

    def __init__(
        self, product: Product, polarisations: Sequence[str], orbit_file: Path | None, *, thermal_noise: bool, border_noise: bool
    ) -> None:
        """Read annotation and tables; the measurement is read later.

        Args:
            product: the product.
            polarisations: vv, vh.
            orbit_file: precise or restituted orbit; None: the annotation's.
            thermal_noise: take thermal noise away.
            border_noise: leave out borders without signal.

        Raises:
            LoamError: something is missing or damaged.
        """
        self._safe, self._border_noise, self._remove = Safe(product.path), border_noise, thermal_noise
        self.polarisations = tuple(polarisations)
        self.annotation = read_annotation(self._safe, self.polarisations[0])
        vectors = self.annotation.orbit
        if orbit_file is not None:
            vectors = read_orbit_file(orbit_file, product.platform, product.start, product.stop)
        self.orbit = fit_orbit(vectors, self.annotation.first_line, str(orbit_file or product.path))
        self.grid = image_grid(self.annotation, self.orbit.epoch)
        self._beta = {name: read_calibration(self._safe, name) for name in self.polarisations}
        self._noise = {name: read_noise(self._safe, name) for name in self.polarisations}
        if thermal_noise:
            for name in self.polarisations:
                require_noise_units(self._noise[name], read_calibration(self._safe, name, "sigmaNought"), f"{product.path} ({name})")
        self._border: tuple[np.ndarray, int, int] | None = None

    def read(self, window: tuple[int, int, int, int]) -> np.ndarray | None:
        """Beta nought in a window, NaN without data and outside the image; None where they do not meet.

        Args:
            window: first line, first pixel, lines, pixels; may reach beyond the image.

        Returns:
            `(channel, line, pixel)` float32 linear power.
        """
        line, pixel, lines, pixels = window
        top, left = max(line, 0), max(pixel, 0)
        bottom, right = min(line + lines, self.annotation.lines), min(pixel + pixels, self.annotation.samples)
        if top >= bottom or left >= right:
            return None
        out = np.full((len(self.polarisations), lines, pixels), np.nan, dtype=np.float32)
        at = np.arange(top, bottom), np.arange(left, right)
        for channel, name in enumerate(self.polarisations):
            number = self._numbers(name, Window(left, top, right - left, bottom - top))
            noise = self._noise[name] if self._remove else None
            out[channel, top - line : bottom - line, left - pixel : right - pixel] = beta_nought(number, *at, self._beta[name], noise)
        if self._border is not None:
            mask, first_line, first_pixel = self._border
            rows, columns = ((where - first) // BORDER_STEP_PX for where, first in zip(at, (first_line, first_pixel), strict=True))
            inside = out[:, top - line : bottom - line, left - pixel : right - pixel]
            inside[:, mask[rows[:, None], columns[None, :]]] = np.nan
        return out

    def find_border(self, window: tuple[int, int, int, int]) -> None:
        """Look for border noise between a window and the edges of the image near it; `read` then leaves it out.

        Args:
            window: that will be read from; first line, first pixel, lines, pixels.
        """
        ends = self.annotation.lines, self.annotation.samples
        spans = []
        for first, count, end in zip(window[:2], window[2:], ends, strict=True):
            start, stop = max(first, 0), min(first + count, end)
            spans.append((0 if start < BORDER_PX else start, end if stop > end - BORDER_PX else stop))
        (top, bottom), (left, right) = spans
        edges = top == 0, bottom == ends[0], left == 0, right == ends[1]
        if not self._border_noise or not any(edges) or top >= bottom or left >= right:
            return
        shape = -(-(bottom - top) // BORDER_STEP_PX), -(-(right - left) // BORDER_STEP_PX)
        # Of the co-polarisation: border noise is the same in both, and signal stands out more.
        number = self._numbers(self.polarisations[0], Window(left, top, right - left, bottom - top), shape)
        lines, pixels = (start + BORDER_STEP_PX * np.arange(size) for start, size in zip((top, left), shape, strict=True))
        noise = noise_on(self._noise[self.polarisations[0]], lines, pixels)
        self._border = border_mask(number, noise, edges), top, left

    def _numbers(self, polarisation: str, window: Window, shape: tuple[int, int] | None = None) -> np.ndarray:
        try:
            with rasterio.open(self._safe.raster(polarisation)) as file:
                return np.asarray(file.read(1, window=window, out_shape=shape))
        except rasterio.errors.RasterioError as error:
            msg = f"{self._safe.path}: the {polarisation} image cannot be read ({str(error)[:80]}); download the product again"
            raise LoamError(msg) from None
