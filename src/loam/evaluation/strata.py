"""Where and when a sample lies: land cover, slope, season, wetness."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from loam.config.sources import LandCover
from loam.core.features import Covariates
from loam.core.grid import land_cover_codes

STRATA = ("land_cover", "slope", "season", "decile")  # columns of the table of samples
SEASONS = np.array(
    ["December to February", "March to May", "June to August", "September to November"]
)
DECILES = np.arange(0.1, 1.0, 0.1)
UNKNOWN = "unknown"


def with_strata(
    table: pd.DataFrame,
    training_label: np.ndarray,
    covariates: Covariates,
    landcover: Path | None,
    classes: LandCover | None,
    slope_classes_deg: Sequence[float],
) -> pd.DataFrame:
    """Samples with a column of text per kind of stratum.

    Args:
        table: samples, with `time`, `row`, `column`, `label`.
        training_label: labels of training samples `(n)`: what the deciles are of.
        covariates: of the run; without a channel `slope` the slope class is unknown.
        landcover: raster of class codes; None: unknown.
        classes: which codes are water, built-up and forest; the others go by their code.
        slope_classes_deg: limits of the slope classes [degree].
    """
    row, column = table["row"].to_numpy(), table["column"].to_numpy()
    unknown = np.full(len(table), UNKNOWN)
    codes = None if landcover is None else land_cover_codes(landcover, covariates.grid)[row, column]
    has_slope = "slope" in covariates.static_names
    slope = (
        covariates.static[covariates.static_names.index("slope"), row, column]
        if has_slope
        else None
    )
    return table.assign(
        land_cover=unknown if codes is None else cover_names(codes, classes),
        slope=unknown if slope is None else slope_names(slope, slope_classes_deg),
        season=SEASONS[table["time"].dt.month.to_numpy() % 12 // 3],
        decile=decile_names(table["label"].to_numpy(), training_label),
    )


def cover_names(codes: np.ndarray, classes: LandCover | None) -> np.ndarray:
    """Text of land-cover codes `(n)`: with the name of the group that the classes put them in."""
    groups = (
        {}
        if classes is None
        else {
            "water": classes.codes.water,
            "built-up": classes.codes.built_up,
            "forest": classes.codes.forest,
        }
    )
    known = {code: name for name, members in groups.items() for code in members}
    names = {
        code: UNKNOWN if np.isnan(code) else f"{known.get(int(code), 'class')} {int(code)}"
        for code in np.unique(codes)
    }
    found, index = np.unique(codes, return_inverse=True)
    return np.array([names.get(code, UNKNOWN) for code in found])[index.ravel()]


def slope_names(slope_deg: np.ndarray, limits_deg: Sequence[float]) -> np.ndarray:
    """Text of the class that each slope [degree] lies in `(n)`; a limit belongs to the class above it."""
    edges = [0, *limits_deg]
    names = [f"{low:g}–{high:g}°" for low, high in itertools.pairwise(edges)] + [  # noqa: RUF001
        f"from {edges[-1]:g}°"
    ]
    return np.where(
        np.isfinite(slope_deg), np.array(names)[np.digitize(slope_deg, limits_deg)], UNKNOWN
    )


def decile_names(label: np.ndarray, training_label: np.ndarray) -> np.ndarray:
    """Text of the tenth of the training labels that each label `(n)` lies in: '01' the driest, '10' the wettest.

    Where labels pile up at a limit, at 0 or 1, a tenth can be empty.
    """
    if training_label.size == 0:
        return np.full(label.size, UNKNOWN)
    edges = np.quantile(training_label, DECILES)
    return np.array([f"{number:02d}" for number in range(1, 11)])[np.digitize(label, edges)]
