"""Soil moisture of every acquisition, between the dry and wet references of its pixel and track."""

from pathlib import Path

import numpy as np
import xarray as xr

from loam.config import Change, LandCover
from loam.grid import require_same_grid
from loam.moisture.backscatter import ALL_TRACKS, REFERENCE_ANGLE_DEG, averaged_db, frozen_dates, normalised, speckle_db, support_pixels
from loam.moisture.masks import land_cover_flags, reference_flags, value_flags
from loam.moisture.uncertainty import ssm_uncertainty
from loam.raster import flag_attributes, open_dataset, open_raster, require, write_zarr


def detect_change(
    stack: Path, references: Path, weather: Path, landcover: Path | None, out: Path, cfg: Change, classes: LandCover | None
) -> None:
    """Scale backscatter between its dry and wet references; write SSM, its uncertainty and flags as `ssm.zarr`."""
    data, fitted = open_dataset(stack), open_dataset(references).load()
    require(data, (cfg.polarisation, "track"), stack)
    box = data.odc.geobox
    require_same_grid(references, fitted.odc.geobox, stack, box)
    surface = np.zeros(box.shape, dtype=np.int32)
    if landcover is not None and classes is not None:
        surface = land_cover_flags(open_raster(landcover), box, classes)
    frozen = frozen_dates(open_dataset(weather)["temperature"], data["time"].values, cfg.frozen_below_degc)
    ssm = moisture_series(data.load(), fitted, surface, frozen, cfg)
    write_zarr(ssm.odc.assign_crs(box.crs), out, {"time": 16})


def moisture_series(data: xr.Dataset, references: xr.Dataset, surface: np.ndarray, frozen: np.ndarray, cfg: Change) -> xr.Dataset:
    """Soil moisture of all acquisitions.

    Args:
        data: stack with linear power, `track` and maybe `incidence`, `(time, y, x)`.
        references: as `build_references` returns them.
        surface: flags of the land cover `(y, x)`.
        frozen: whether a date counts as frozen `(time)`.
        cfg: section `moisture.change`.

    Returns:
        `ssm` and `ssm_uncertainty` [1], `flags` [bits], `(time, y, x)`.
    """
    size = support_pixels(cfg.label_support_m, abs(data.odc.geobox.resolution.x))
    backscatter = averaged_db(data[cfg.polarisation], size)
    ssm, error = (np.full(backscatter.shape, np.nan, dtype=np.float32) for _ in range(2))
    flags = np.zeros(backscatter.shape, dtype=np.int32)
    for index, track in enumerate(data["track"].values):
        noise_db = np.hypot(speckle_db(data[cfg.polarisation].values[index], cfg.looks, size), cfg.calibration_error_db)
        angle = data["incidence"].values[index] if "incidence" in data else None
        pixel = _references_of(references, str(track))
        level, level_error = _levelled(backscatter.values[index], angle, references, noise_db, cfg.normalisation)
        raw = relative_moisture(level, pixel["dry"].values, pixel["wet"].values)
        ssm[index] = np.clip(raw, 0, 1)
        error[index] = ssm_uncertainty(raw, pixel["sensitivity"].values, level_error, pixel["dry_error"].values, pixel["wet_error"].values)
        flags[index] = (
            surface
            | _pixel_flags(pixel, cfg)
            | value_flags(raw, backscatter.values[index], angle, cfg.incidence_range_deg, bool(frozen[index]))
        )
    return _as_dataset(backscatter, ssm, error, flags, size * abs(data.odc.geobox.resolution.x))


def relative_moisture(backscatter_db: np.ndarray, dry_db: np.ndarray, wet_db: np.ndarray) -> np.ndarray:
    """Where backscatter lies between its references: 0 dry, 1 wet, unclipped; NaN where they do not differ."""
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = (backscatter_db - dry_db) / (wet_db - dry_db)
    return np.where(np.isfinite(raw) & (wet_db > dry_db), raw, np.nan)


def _references_of(references: xr.Dataset, track: str) -> xr.Dataset:
    names = references["track"].values.astype(str)
    wanted = ALL_TRACKS if ALL_TRACKS in names else track
    if wanted in names:
        return references.isel(track=int(np.flatnonzero(names == wanted)[0]))
    # A track that was never seen in training has no references: no value, too few dates.
    empty = references.isel(track=0)
    return xr.where(True, np.nan, empty).assign(dates=xr.zeros_like(empty["dates"]))


def _levelled(
    backscatter_db: np.ndarray, angle: np.ndarray | None, references: xr.Dataset, noise_db: np.ndarray, normalisation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Backscatter at the references' angle and its 1 sigma, which grows with the distance to 40 degrees."""
    if normalisation == "track" or angle is None:
        return backscatter_db, noise_db
    level = normalised(backscatter_db, angle, references["beta"].values, REFERENCE_ANGLE_DEG)
    return level, np.hypot(noise_db, (angle - REFERENCE_ANGLE_DEG) * references["beta_error"].values)


def _pixel_flags(pixel: xr.Dataset, cfg: Change) -> np.ndarray:
    return reference_flags(
        pixel["sensitivity"].values, pixel["sensitivity_error"].values, pixel["dates"].values, cfg.min_sensitivity_db, cfg.min_dates
    )  # fmt: skip


def _as_dataset(like: xr.DataArray, ssm: np.ndarray, error: np.ndarray, flags: np.ndarray, support_m: float) -> xr.Dataset:
    resolution = {"effective_resolution": f"{support_m:g} m"}
    moisture = {"units": "1", "long_name": "surface soil moisture, 0 dry to 1 wet", "valid_range": [0.0, 1.0]} | resolution
    return xr.Dataset({
        "ssm": like.copy(data=ssm).assign_attrs(moisture),
        "ssm_uncertainty": like.copy(data=error).assign_attrs({"units": "1", "long_name": "1 sigma of ssm"} | resolution),
        "flags": like.copy(data=flags).assign_attrs(flag_attributes()),
    }).drop_attrs(deep=False)  # fmt: skip
