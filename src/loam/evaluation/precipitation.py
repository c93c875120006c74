"""The antecedent precipitation index: the oldest model of soil moisture, with two numbers and a decay."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter

from loam.core.features import WEATHER, Covariates

DECAY_RANGE = (0.5, 0.995)  # per day: a memory of one and a half to two hundred days


@dataclass(frozen=True)
class Antecedent:
    """A fitted index: SSM = intercept + slope x index, kept within 0 and 1."""

    decay: float  # [1/day]
    slope: float  # [1/mm]
    intercept: float  # [1]

    def predict(
        self, covariates: Covariates, day: np.ndarray, row: np.ndarray, column: np.ndarray
    ) -> np.ndarray:
        """SSM of pixel-dates `(n)` float32 [0..1].

        Args:
            covariates: of the run.
            day: of each pixel-date `(n)` datetime64[D].
            row: its row `(n)`.
            column: its column `(n)`.
        """
        index = index_at(covariates, self.decay, day, row, column)
        return np.clip(self.intercept + self.slope * index, 0, 1).astype(np.float32)


def antecedent_index(precipitation_mm: np.ndarray, decay: float) -> np.ndarray:
    """Index I_t = decay x I_(t-1) + P_t `(time, …)` [mm] (Kohler & Linsley 1951), from nothing before the first day.

    Args:
        precipitation_mm: of every day `(time, …)` [mm].
        decay: share that is left after a day [1].
    """
    return lfilter([1.0], [1.0, -decay], precipitation_mm, axis=0).astype(np.float32)


def index_at(
    covariates: Covariates, decay: float, day: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Index of pixel-dates `(n)` [mm], NaN on days without weather.

    Args:
        covariates: of the run.
        decay: share of the index that is left after a day [1].
        day: day of each `(n)`.
        row: its row `(n)`.
        column: its column `(n)`.
    """
    fields = antecedent_index(covariates.weather.values[:, WEATHER.index("precipitation")], decay)
    out = np.full(day.size, np.nan, dtype=np.float32)
    for index in np.flatnonzero(np.isin(covariates.weather.times, day)):
        here = np.flatnonzero(day == covariates.weather.times[index])
        pixels: tuple = (row[here], column[here])  # numpy takes index arrays where it takes slices
        out[here] = covariates.weather.at(fields[index], pixels)
    return out


def fit_antecedent(
    covariates: Covariates, day: np.ndarray, row: np.ndarray, column: np.ndarray, label: np.ndarray
) -> Antecedent | None:
    """Fit decay, slope and intercept to training labels by least squares; None where there is too little to learn from.

    One line serves all pixels: a pixel alone has some tens of noisy labels, and on other places it has none.

    Args:
        covariates: of the run.
        day: day of each training pixel-date `(n)`.
        row: its row `(n)`.
        column: its column `(n)`.
        label: its label `(n)`.
    """
    if label.size < 3:
        return None

    def line(decay: float) -> tuple[float, np.ndarray]:
        index = index_at(covariates, decay, day, row, column)
        design = np.stack([index, np.ones_like(index)], axis=1).astype(np.float64)
        found, *_ = np.linalg.lstsq(design, label.astype(np.float64), rcond=None)
        return float(np.mean((design @ found - label) ** 2)), found

    decay = float(
        minimize_scalar(
            lambda value: line(value)[0],
            bounds=DECAY_RANGE,
            method="bounded",
            options={"xatol": 1e-3},
        ).x
    )
    slope, intercept = line(decay)[1]
    return Antecedent(decay, float(slope), float(intercept))
