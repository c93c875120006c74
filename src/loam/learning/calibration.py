"""Step `calibrate`: how many sigmas an interval needs, from errors on dates that did not train."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from loam.config.learning import Calibration
from loam.core.ensemble import LEVELS, ensemble_on, open_members
from loam.core.errors import LoamError
from loam.core.flags import usable_labels
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import SPLITS, Splits

# Enough pixels of a date for its own quantiles; more of one date add little, since they err together.
PIXELS_PER_DATE = 50_000
# With fewer dates the factors scatter by more than the bar of 3 points of coverage that they are held to.
FEW_DATES = 10
# Levels tried when the level is raised for the small number of dates.
STEPS = 200
DAY = "datetime64[D]"


def calibrate(
    predictions: list[Path], ssm: Path, splits: Path, out: Path, cfg: Calibration
) -> None:
    """Write `calibration.json`: factors of the ensemble's sigma for intervals of 68, 90 and 95 %.

    Args:
        predictions: maps of the members of one experiment.
        ssm: labels.
        splits: splits of the run.
        out: JSON file to write.
        cfg: section `learning.calibration`.
    """
    content, labels = Splits.read(splits), open_dataset(ssm)
    members = open_members(predictions, ssm, labels.odc.geobox)
    errors = [
        error for error in errors_of_dates(members, labels, content, cfg.splits) if error.size
    ]
    if not errors:
        msg = (
            f"learning.calibration.splits = {list(cfg.splits)}: no usable label on their dates; add a split, raise calibrate_share of "
            "samples.splits, or lengthen the period"
        )
        raise LoamError(msg)
    result = conformal_factors(errors) | {"splits": list(cfg.splits)}
    if len(errors) < FEW_DATES:
        text = "calibration on %d dates: for 90 %% intervals only %.0f %% coverage is sure; give learning.calibration.splits more dates"
        logging.getLogger(__name__).warning(text, len(errors), 100 * result["guaranteed_90"])
    with atomic_write(out) as partial:
        partial.write_text(json.dumps(result, indent=1))


def errors_of_dates(
    members: Mapping[Path, xr.Dataset], labels: xr.Dataset, splits: Splits, taken: tuple[str, ...]
) -> Iterator[np.ndarray]:
    """Scaled errors |label - mean| / sigma of every date of some splits, one array per day: passes of one day err together.

    Args:
        members: predictions `ssm`, `ssm_uncertainty` `(time, y, x)` of each member.
        labels: content of `ssm.zarr`.
        splits: of the run.
        taken: splits whose pixel-dates are taken.
    """
    units, codes = splits.of_units(labels["time"].values), [SPLITS.index(split) for split in taken]
    places = np.flatnonzero(np.isin(units, codes).any(axis=(1, 2)))
    days = labels["time"].values.astype(DAY)
    for day in np.unique(days[places]):
        mean, sigma = ensemble_on(day, members)
        found = []
        for place in places[days[places] == day]:
            frame = labels[["ssm", "flags"]].isel(time=int(place)).load()
            label = usable_labels(frame["ssm"].values, frame["flags"].values)
            chosen = np.isin(
                splits.of_pixels(units[place], label.shape),
                codes,
            )
            error = np.abs(label - mean)[chosen] / sigma[chosen]
            found.append(error[np.isfinite(error)])
        errors = np.concatenate(found)
        yield np.random.default_rng(int(day.astype(int))).permutation(errors)[:PIXELS_PER_DATE]


def conformal_factors(errors: list[np.ndarray]) -> dict[str, float]:
    """Factors for intervals mean ± factor x sigma that cover a pixel of another date, split conformal by blocks of dates.

    Pixels of one date err together, so dates, not pixels, are the exchangeable units (Lee, Barber & Willett 2023,
    arXiv:2306.06342): every date has the same weight, whatever its number of pixels, and the factor is a quantile of
    the weighted errors. That quantile covers less on a new date than on its own, the more so the fewer dates there are
    and the more they differ; its level is raised until, with each date left out in turn, the others' quantile covers
    the wanted share of it on average. `guaranteed_…` is what holds whatever the errors are, for exchangeable dates:
    the wanted share times K / (K + 1) with K dates (theorem 1 there, without its mass at infinity).

    Args:
        errors: scaled errors |label - mean| / sigma of each date `(n)`.

    Returns:
        `factor_…`, `guaranteed_…`, `plain_…` (coverage on these dates without calibration) for every level,
        `dates`, `count`.
    """
    result: dict[str, float] = {"dates": len(errors), "count": sum(error.size for error in errors)}
    for percent in LEVELS:
        level = _raised(errors, percent / 100)
        result[f"factor_{percent}"] = float(block_quantiles(errors, np.array([level]))[0])
        result[f"guaranteed_{percent}"] = percent / 100 * len(errors) / (len(errors) + 1)
        result[f"plain_{percent}"] = float(
            np.mean([(error <= _normal_factor(percent)).mean() for error in errors])
        )
    return result


def _normal_factor(percent: int) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + percent / 200))


def _raised(errors: list[np.ndarray], level: float) -> float:
    """Smallest level whose quantile of the other dates covers `level` of a date, on the average over the dates."""
    if len(errors) < 2:
        return level
    levels = np.linspace(level, 1, STEPS)
    covered = np.zeros(STEPS)
    for index, error in enumerate(errors):
        factors = block_quantiles(errors[:index] + errors[index + 1 :], levels)
        covered += np.searchsorted(np.sort(error), factors, side="right") / error.size / len(errors)
    enough = np.flatnonzero(covered >= level)
    return float(levels[enough[0]]) if enough.size else 1.0


def block_quantiles(errors: list[np.ndarray], levels: np.ndarray) -> np.ndarray:
    """Smallest errors that at least these shares of the errors do not exceed, each date counting alike `(level)`."""
    values = np.concatenate(errors)
    weight = np.concatenate(
        [np.full(error.size, 1 / (error.size * len(errors))) for error in errors]
    )
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    places = np.searchsorted(reached, levels * reached[-1] - 1e-12)
    return values[order][np.minimum(places, values.size - 1)]
