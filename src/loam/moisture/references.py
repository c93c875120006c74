"""Dry and wet references of every pixel and track, with their standard errors, from training dates alone."""

import json
import logging
from pathlib import Path

import numpy as np
import xarray as xr

from loam.config import Change
from loam.errors import LoamError
from loam.moisture.backscatter import ALL_TRACKS, REFERENCE_ANGLE_DEG, averaged_db, frozen_dates, normalised, support_pixels
from loam.raster import open_dataset, require, write_zarr


def fit_references(stack: Path, splits: Path, weather: Path, out: Path, cfg: Change) -> None:
    """Fit dry and wet references, sensitivity, and the angular slope; write `references.zarr`."""
    data = open_dataset(stack)
    require(data, (cfg.polarisation, "track"), stack)
    train = training_data(data, json.loads(splits.read_text()), open_dataset(weather), cfg)
    size = support_pixels(cfg.label_support_m, abs(data.odc.geobox.resolution.x))
    backscatter = averaged_db(train[cfg.polarisation], size)
    if cfg.normalisation == "beta" and "incidence" not in train:
        msg = f"{stack}: no incidence angle, which moisture.change.normalisation = 'beta' needs; set it to 'track'"
        raise LoamError(msg)
    angle = train["incidence"].values if "incidence" in train else None
    references = build_references(backscatter, angle, train["track"].values, cfg)
    write_zarr(references.odc.assign_crs(data.odc.crs), out, {"track": 1})


def training_data(data: xr.Dataset, splits: dict, weather: xr.Dataset, cfg: Change) -> xr.Dataset:
    """Acquisitions that may shape the references: dates that train, and are not frozen. No other is read."""
    dates = np.array(splits["dates"]["train"], dtype="datetime64[s]")
    train = data.isel(time=np.isin(data["time"].values.astype("datetime64[s]"), dates))
    frozen = frozen_dates(weather["temperature"], train["time"].values, cfg.frozen_below_degc)
    if frozen.all():
        msg = f"moisture.change.frozen_below_degc = {cfg.frozen_below_degc:g}: all {len(frozen)} training dates are colder; lower it"
        raise LoamError(msg)
    return train.isel(time=~frozen).load()


def build_references(backscatter: xr.DataArray, incidence: np.ndarray | None, tracks: np.ndarray, cfg: Change) -> xr.Dataset:
    """References of every track, or of all tracks brought to 40 degrees.

    Args:
        backscatter: `(time, y, x)` [dB], training dates.
        incidence: `(time, y, x)` [degree], or None.
        tracks: name of each date's track `(time)`.
        cfg: section `moisture.change`.

    Returns:
        `dry`, `wet`, `sensitivity` and their standard errors [dB] with the count of dates, `(track, y, x)`; `beta`
        [dB/degree] with its standard error, `(y, x)`, NaN where it is not accepted.
    """
    beta, beta_error = angular_slope(backscatter.values, incidence, tracks, cfg.beta_max_relative_error)
    groups = {str(name): tracks == name for name in np.unique(tracks)}
    values = backscatter.values
    if cfg.normalisation == "beta" and incidence is not None:
        values = normalised(values, incidence, beta, REFERENCE_ANGLE_DEG)
        groups = {ALL_TRACKS: np.ones(len(tracks), dtype=bool)}
    fitted = {name: _fit_group(values[chosen], name, cfg) for name, chosen in groups.items()}
    coords = {name: backscatter[name] for name in ("y", "x")} | {"track": list(fitted)}
    layers = {key: (("track", "y", "x"), np.stack([track[key] for track in fitted.values()]), attrs) for key, attrs in _ATTRIBUTES.items()}
    slopes = {
        "beta": (("y", "x"), beta.astype(np.float32), {"units": "dB/degree", "long_name": "angular slope of backscatter"}),
        "beta_error": (("y", "x"), beta_error.astype(np.float32), {"units": "dB/degree", "long_name": "standard error of the slope"}),
    }
    return xr.Dataset(layers | slopes, coords=coords)


_ATTRIBUTES = {
    "dry": {"units": "dB", "long_name": "dry reference"},
    "wet": {"units": "dB", "long_name": "wet reference"},
    "sensitivity": {"units": "dB", "long_name": "wet minus dry"},
    "dry_error": {"units": "dB", "long_name": "standard error of the dry reference"},
    "wet_error": {"units": "dB", "long_name": "standard error of the wet reference"},
    "sensitivity_error": {"units": "dB", "long_name": "standard error of the sensitivity"},
    "dates": {"units": "1", "long_name": "training dates used"},
}


def _fit_group(values: np.ndarray, name: str, cfg: Change) -> dict[str, np.ndarray]:
    """References of one group of dates `(time, y, x)`, with a warning when they are few."""
    count = np.isfinite(values).sum(axis=0)
    if np.median(count) < cfg.min_dates:
        logging.getLogger(__name__).warning(
            "track %s: %d training dates, fewer than moisture.change.min_dates = %d; its pixels are flagged too_few_dates",
            name, int(np.median(count)), cfg.min_dates,
        )  # fmt: skip
    dry, wet = dry_wet_references(values, cfg.dry_percentile, cfg.wet_percentile)
    errors = bootstrap_errors(values, cfg.dry_percentile, cfg.wet_percentile, cfg.bootstrap, np.random.default_rng(cfg.seed))
    fitted = {"dry": dry, "wet": wet, "sensitivity": wet - dry} | dict(
        zip(("dry_error", "wet_error", "sensitivity_error"), errors, strict=True)
    )  # fmt: skip
    return {key: value.astype(np.float32) for key, value in fitted.items()} | {"dates": count.astype(np.int32)}


def dry_wet_references(values: np.ndarray, dry_percentile: float, wet_percentile: float) -> tuple[np.ndarray, np.ndarray]:
    """Robust extremes of backscatter over time, extrapolated from percentiles.

    With moisture spread evenly between its extremes, S = (P_wet - P_dry) / (wet - dry share), dry = P_dry - dry share
    x S and wet = P_wet + (1 - wet share) x S; for 10 and 90 % that is S = (P90 - P10) / 0.8.

    Args:
        values: `(time, y, x)` [dB], NaN missing.
        dry_percentile: percentile that marks dry [%].
        wet_percentile: percentile that marks wet [%].

    Returns:
        Dry and wet reference, `(y, x)` [dB].
    """
    return _references_of_sorted(np.sort(values, axis=0), np.isfinite(values).sum(axis=0), dry_percentile / 100, wet_percentile / 100)


def _references_of_sorted(ordered: np.ndarray, count: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    bottom, top = (_quantile_of_sorted(ordered, count, share) for share in (low, high))
    sensitivity = (top - bottom) / (high - low)
    return bottom - low * sensitivity, top + (1 - high) * sensitivity


def _quantile_of_sorted(ordered: np.ndarray, count: np.ndarray, share: float) -> np.ndarray:
    """Quantile over the first axis by linear interpolation; NaN sorts last, so `count` says where values end.

    numpy.nanquantile calls Python once per pixel, which a map of millions cannot afford.
    """
    position = share * np.maximum(count - 1, 0)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (below, above))
    return low + (high - low) * (position - below)


def bootstrap_errors(
    values: np.ndarray, dry_percentile: float, wet_percentile: float, resamples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard errors of dry, wet and sensitivity by resampling dates with replacement, each `(y, x)` [dB].

    Dates, not pixels, are drawn: the pixels of a date share its weather.
    """
    moments = np.zeros((2, 3, *values.shape[1:]))
    for _ in range(resamples):
        drawn = values[rng.integers(0, len(values), len(values))]
        dry, wet = dry_wet_references(drawn, dry_percentile, wet_percentile)
        estimate = np.stack([dry, wet, wet - dry]).astype(np.float64)
        moments += np.stack([estimate, estimate**2])
    mean, square = moments / resamples
    dry_error, wet_error, sensitivity_error = np.sqrt(np.maximum(square - mean**2, 0) * resamples / (resamples - 1))
    return dry_error, wet_error, sensitivity_error


def angular_slope(
    values: np.ndarray, incidence: np.ndarray | None, tracks: np.ndarray, max_relative_error: float
) -> tuple[np.ndarray, np.ndarray]:
    """Slope of backscatter over incidence, by least squares over dates and tracks, `(y, x)` [dB/degree].

    Under one track the angle of a pixel hardly varies and the slope is undetermined: then, and where its relative
    standard error is too large (Remote Sensing 2025, 17(3), 361), it is NaN.

    Args:
        values: `(time, y, x)` [dB].
        incidence: `(time, y, x)` [degree], or None.
        tracks: `(time)`.
        max_relative_error: largest accepted standard error over slope [1].
    """
    unknown = np.full(values.shape[1:], np.nan)
    if incidence is None or len(np.unique(tracks)) < 2:
        return unknown, unknown
    valid = np.isfinite(values) & np.isfinite(incidence)
    count = valid.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.where(valid, incidence - np.nanmean(np.where(valid, incidence, np.nan), axis=0), 0)
        power = np.where(valid, values - np.nanmean(np.where(valid, values, np.nan), axis=0), 0)
        spread = (angle**2).sum(axis=0)
        slope = (angle * power).sum(axis=0) / spread
        residual = np.where(valid, power - slope * angle, 0)
        error = np.sqrt((residual**2).sum(axis=0) / (count - 2) / spread)
        accepted = (error / np.abs(slope) <= max_relative_error) & (count > 2)
    return np.where(accepted, slope, np.nan), np.where(accepted, error, np.nan)
