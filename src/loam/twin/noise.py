"""Thermal noise as a product's look-up tables describe it, so that the image holds exactly what its annotation says."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from loam.twin.frame import Frame

BETA_LUT = 473.97  # digital number of beta nought 1; of Sentinel-1B's products of 2021
# ASSUME: incidence angles [degree].
SWATHS = {
    "IW1": (0.0, 36.9),
    "IW2": (36.9, 41.9),
    "IW3": (41.9, 90.0),
}
CENTRE_DEG = {"IW1": 33.2, "IW2": 39.4, "IW3": 44.0}
# ASSUME: -27 dB in the middle of a subswath, up to -24.5 dB at its edges, as the patterns of the antenna leave it.
FLOOR_DB, RISE_DB, HALF_DEG = -27.0, 2.5, 2.8
BURST_S = 2.76  # of one subswath's bursts
SCALLOPING = 0.15  # ASSUME: more noise at a burst's ends than in its middle [1]
LINE_STEP, PIXEL_STEP, AZIMUTH_STEP = 668, 40, 10  # of the tables, as in ESA's products


@dataclass(frozen=True)
class Block:
    """Azimuth noise of one subswath: a factor by line [1]."""

    swath: str
    first_pixel: int
    last_pixel: int
    lines: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True, eq=False)
class NoiseTables:
    """Range noise `(line, pixel)` at some lines and pixels, and the blocks of azimuth noise (none in products before IPF 2.90)."""

    lines: np.ndarray
    pixels: np.ndarray
    power: np.ndarray  # squared digital number
    blocks: tuple[Block, ...]

    def image(self, shape: tuple[int, int]) -> np.ndarray:
        """Interpolate the tables linearly.

        Args:
            shape: lines and pixels.

        Returns:
            `(line, pixel)` float32 squared digital number.
        """
        lines, pixels = np.arange(shape[0]), np.arange(shape[1])
        across = np.stack([np.interp(pixels, self.pixels, row) for row in self.power])
        place = np.interp(lines, self.lines, np.arange(len(self.lines)))
        before = np.minimum(place.astype(int), len(self.lines) - 2)
        part = (place - before)[:, None]
        noise = across[before] * (1 - part) + across[before + 1] * part
        for block in self.blocks:
            noise[:, block.first_pixel : block.last_pixel + 1] *= np.interp(
                lines, block.lines, block.factor
            )[:, None]
        return noise.astype(np.float32)


def steps(size: int, step: int) -> np.ndarray:
    """Every so many lines or pixels, and the last one."""
    return np.unique(np.append(np.arange(0, size, step), size - 1))


@lru_cache(maxsize=16)
def noise_tables(frame: Frame, scalloped: bool, level_db: float = 0.0) -> NoiseTables:
    """Draw up the tables of an image.

    Args:
        frame: the image.
        scalloped: with azimuth noise, as from IPF 2.90 on.
        level_db: above the usual floor [dB]; minus infinity for no noise.
    """
    parts, angle = swath_parts(frame), _angles(frame)
    nodes = np.unique(
        np.concatenate(
            [steps(frame.pixels, PIXEL_STEP), *(part[[0, -1]] for part in parts.values())]
        )
    )
    floor = (
        np.concatenate([_floor_db(name, angle[part]) for name, part in parts.items()]) + level_db
    )
    power = BETA_LUT**2 * 10 ** (floor / 10) / np.sin(np.deg2rad(angle))
    lines = steps(frame.lines, LINE_STEP)
    # ASSUME: the floor drifts by some percent within seconds.
    drift = 1 + 0.05 * np.sin(frame.times(lines) / 2)
    blocks = tuple(_block(name, part, frame) for name, part in parts.items()) if scalloped else ()
    return NoiseTables(lines, nodes, drift[:, None] * power[nodes], blocks)


@lru_cache(maxsize=16)
def _angles(frame: Frame) -> np.ndarray:
    """Incidence angle on the ellipsoid by pixel, in the middle line [degree]."""
    return frame.tie_points(np.array([frame.lines // 2]), np.arange(frame.pixels))[
        "incidenceAngle"
    ][0]


def swath_parts(frame: Frame) -> dict[str, np.ndarray]:
    """Pixels of each subswath that is in the image."""
    angle = _angles(frame)
    parts = {
        name: np.flatnonzero((angle >= low) & (angle < high))
        for name, (low, high) in SWATHS.items()
    }
    return {name: part for name, part in parts.items() if part.size}


def _floor_db(swath: str, angle_deg: np.ndarray) -> np.ndarray:
    return np.asarray(FLOOR_DB + RISE_DB * ((angle_deg - CENTRE_DEG[swath]) / HALF_DEG) ** 2)


def _block(swath: str, part: np.ndarray, frame: Frame) -> Block:
    lines = steps(frame.lines, AZIMUTH_STEP)
    phase = np.mod(frame.times(lines) / BURST_S + int(swath[2]) / 3, 1.0)
    return Block(swath, int(part[0]), int(part[-1]), lines, 1 + SCALLOPING * (2 * phase - 1) ** 2)


@lru_cache(maxsize=16)
def cut_tables(tables: NoiseTables, frame: Frame, first: int) -> NoiseTables:
    """Take the tables of a slice: nodes at its own first and last line.

    Args:
        tables: of the whole pass.
        frame: of the slice.
        first: its first line in the pass.
    """
    if frame.lines == tables.lines[-1] + 1:
        return tables
    lines = steps(frame.lines, LINE_STEP)
    power = np.stack(
        [np.interp(lines + first, tables.lines, column) for column in tables.power.T], axis=1
    )
    rows = steps(frame.lines, AZIMUTH_STEP)
    blocks = tuple(
        replace(block, lines=rows, factor=np.interp(rows + first, block.lines, block.factor))
        for block in tables.blocks
    )
    return replace(tables, lines=lines, power=power, blocks=blocks)
