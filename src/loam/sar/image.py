"""The image of one product: opened once, read window by window as beta nought."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from loam.core.errors import LoamError
from loam.sar.annotation import read_annotation
from loam.sar.calibration import (
    PLAUSIBLE_NOISE_DB,
    USUAL_NOISE_DB,
    beta_nought,
    border_mask,
    noise_floor_db,
    noise_on,
    read_calibration,
    read_noise,
    require_noise_units,
    table_on,
)
from loam.sar.geometry import image_grid
from loam.sar.orbit import fit_orbit, read_orbit_file
from loam.sar.product import Product
from loam.sar.safe import Safe

BORDER_PX = 2000  # how far border noise reaches into an image at most; seen: some hundred pixels
STRIP_LINES = 512  # that are held at a time when only some are wanted
BORDER_STEP_PX = 4  # lines and pixels from one sample to the next when looking for it


class Image:
    """Beta nought of a product's polarisations, with the product's geometry."""

    def __init__(
        self,
        product: Product,
        polarisations: Sequence[str],
        orbit_file: Path | None,
        *,
        thermal_noise: bool,
        border_noise: bool,
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
        self._safe, self._border_noise, self._remove = (
            Safe(product.path),
            border_noise,
            thermal_noise,
        )
        self.polarisations = tuple(polarisations)
        self.annotation = read_annotation(self._safe, self.polarisations[0])
        vectors = self.annotation.orbit
        if orbit_file is not None:
            vectors = read_orbit_file(orbit_file, product.platform, product.start, product.stop)
        self.orbit = fit_orbit(vectors, self.annotation.first_line, str(orbit_file or product.path))
        self.grid = image_grid(self.annotation, self.orbit.epoch)
        self._beta = {name: read_calibration(self._safe, name) for name in self.polarisations}
        self._noise = {name: read_noise(self._safe, name) for name in self.polarisations}
        wanted = self.polarisations if thermal_noise or border_noise else ()
        self._sigma = {name: read_calibration(self._safe, name, "sigmaNought") for name in wanted}
        if thermal_noise:
            for name, sigma in self._sigma.items():
                require_noise_units(self._noise[name], sigma, f"{product.path} ({name})")
        self._border: tuple[np.ndarray, int, int] | None = None
        self._held: dict[str, np.ndarray] = {}
        self._held_from = 0, 0

    def read(self, window: tuple[int, int, int, int]) -> np.ndarray | None:
        """Beta nought in a window, NaN without data and outside the image; None where they do not meet.

        Args:
            window: first line, first pixel, lines, pixels; may reach beyond the image.

        Returns:
            `(channel, line, pixel)` float32 linear power.
        """
        line, pixel, lines, pixels = window
        top, left = max(line, 0), max(pixel, 0)
        bottom, right = (
            min(line + lines, self.annotation.lines),
            min(pixel + pixels, self.annotation.samples),
        )
        if top >= bottom or left >= right:
            return None
        out = np.full((len(self.polarisations), lines, pixels), np.nan, dtype=np.float32)
        at = np.arange(top, bottom), np.arange(left, right)
        for channel, name in enumerate(self.polarisations):
            number = self._numbers(name, (top, bottom), (left, right))
            noise = self._noise[name] if self._remove else None
            out[channel, top - line : bottom - line, left - pixel : right - pixel] = beta_nought(
                number, *at, self._beta[name], noise
            )
        if self._border is not None:
            mask, first_line, first_pixel = self._border
            rows, columns = (
                (where - first) // BORDER_STEP_PX
                for where, first in zip(at, (first_line, first_pixel), strict=True)
            )
            inside = out[:, top - line : bottom - line, left - pixel : right - pixel]
            inside[:, mask[rows[:, None], columns[None, :]]] = np.nan
        return out

    def prepare(self, window: tuple[int, int, int, int]) -> None:
        """Look for border noise, which `read` then leaves out; read a zip's part of the image, once and in order.

        Args:
            window: that will be read from; first line, first pixel, lines, pixels.
        """
        ends = self.annotation.lines, self.annotation.samples
        spans = [
            (max(first, 0), min(first + count, end))
            for first, count, end in zip(window[:2], window[2:], ends, strict=True)
        ]
        if any(start >= stop for start, stop in spans):
            return
        if self._border_noise:
            spans = [_reaching(span, end) for span, end in zip(spans, ends, strict=True)]
        if not self._safe.path.is_dir():
            self._held = {
                name: self._numbers(name, spans[0], spans[1]) for name in self.polarisations
            }
            self._held_from = spans[0][0], spans[1][0]
        edges = spans[0][0] == 0, spans[0][1] == ends[0], spans[1][0] == 0, spans[1][1] == ends[1]
        if self._border_noise and any(edges):
            self._find_border(spans, edges)

    def _find_border(
        self, spans: Sequence[tuple[int, int]], edges: tuple[bool, bool, bool, bool]
    ) -> None:
        # Of the co-polarisation: border noise is the same in both, and signal stands out more.
        number = self._numbers(self.polarisations[0], spans[0], spans[1], step=BORDER_STEP_PX)
        lines, pixels = (
            start + BORDER_STEP_PX * np.arange(size)
            for (start, _), size in zip(spans, number.shape, strict=True)
        )
        self._border = (
            border_mask(number, self._floor(lines, pixels), edges),
            spans[0][0],
            spans[1][0],
        )

    def _floor(self, lines: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Noise power [squared digital number], by the usual floor where the product's own table cannot be right."""
        noise, sigma = self._noise[self.polarisations[0]], self._sigma[self.polarisations[0]]
        if PLAUSIBLE_NOISE_DB[0] <= noise_floor_db(noise, sigma) <= PLAUSIBLE_NOISE_DB[1]:
            return noise_on(noise, lines, pixels)
        return table_on(sigma, lines, pixels) ** 2 * np.float32(10 ** (USUAL_NOISE_DB / 10))

    def _numbers(
        self, polarisation: str, lines: tuple[int, int], pixels: tuple[int, int], step: int = 1
    ) -> np.ndarray:
        """Digital numbers from a first to before a last line and pixel, every `step`-th of them."""
        held = self._held.get(polarisation)
        if held is not None:
            rows, columns = (
                slice(a - o, b - o, step)
                for (a, b), o in zip((lines, pixels), self._held_from, strict=True)
            )
            return held[rows, columns]
        try:
            with rasterio.open(self._safe.raster(polarisation)) as file:
                # GDAL would take every n-th pixel from an overview, where there is one, and another pixel where there is none.
                strip = STRIP_LINES // step * step if step > 1 else lines[1] - lines[0]
                parts = [
                    file.read(
                        1,
                        window=Window(
                            pixels[0], top, pixels[1] - pixels[0], min(strip, lines[1] - top)
                        ),
                    )[::step, ::step]
                    for top in range(*lines, strip)
                ]
                return np.concatenate(parts)
        except rasterio.errors.RasterioError as error:
            msg = f"{self._safe.path}: the {polarisation} image cannot be read ({str(error)[:80]}); download the product again"
            raise LoamError(msg) from None


def _reaching(span: tuple[int, int], end: int) -> tuple[int, int]:
    """A span of lines or pixels, as far as the edges of the image that border noise may reach it from."""
    return 0 if span[0] < BORDER_PX else span[0], end if span[1] > end - BORDER_PX else span[1]
