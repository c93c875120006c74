"""NDVI with its gaps filled from the past, and the age of what fills them."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from loam.config.base import Grid
from loam.config.covariates import NdviCovariates
from loam.config.sources import Ndvi
from loam.core.errors import LoamError
from loam.core.grid import coarsened, target_grid
from loam.core.raster import open_dataset, require, write_zarr

DAY = np.timedelta64(1, "D")
SCALED_FILL = -0.3  # -3000 of MOD13 times 1e-4 (Didan 2021); its values end at -0.2
LEAST_FILL = 1e-3  # ASSUME: no vegetation index has one value on so large a share of its pixels


def prepare_ndvi(
    ndvi: Path, out: Path, cfg: NdviCovariates, source: Ndvi, grid: Grid, cube: str | None
) -> None:
    """Write NDVI composites, filled from the last clear look, with the look's age, as `ndvi.zarr`.

    Args:
        ndvi: looks, of `import_ndvi`.
        out: Zarr to write.
        cfg: section `covariates.ndvi`.
        source: section `sources.ndvi`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
    """
    data = open_dataset(ndvi)
    variable = source.variable if source.kind == "netcdf" else "ndvi"  # what import-ndvi writes
    require(data, (variable, "time"), ndvi)
    observed = checked_ndvi(data[variable], ndvi).odc.assign_crs(data.odc.crs)
    box = target_grid(grid, Path(cube) if cube else None)
    filled = fill_from_past(coarsened(observed, box), cfg.max_age_days)
    write_zarr(
        filled.odc.assign_crs(
            observed.odc.crs if filled.sizes["y"] == observed.sizes["y"] else box.crs
        ),
        out,
    )


def checked_ndvi(values: xr.DataArray, path: Path) -> xr.DataArray:
    """NDVI `(time, y, x)` in order of time, one composite a day.

    Raises:
        LoamError: values outside -1 to 1, a sign of a scale factor that was not applied.
    """
    values = without_fill(
        values.transpose("time", "y", "x").sortby("time").astype("float32").compute(), path
    )
    low, high = float(values.min()), float(values.max())
    if low < -1.01 or high > 1.01:
        msg = f"{path}: {values.name} reaches from {low:g} to {high:g}, outside -1 to 1; apply its scale factor"
        raise LoamError(msg)
    return (
        values.assign_coords(
            time=values["time"].values.astype("datetime64[D]").astype("datetime64[ns]")
        )
        .groupby("time")
        .mean()
    )


def without_fill(values: xr.DataArray, path: Path) -> xr.DataArray:
    """NDVI without MODIS' fill that was scaled like a value and is not declared; told in a warning."""
    fill = np.isclose(values.values, SCALED_FILL, rtol=0, atol=1e-6)
    share = float(fill.mean())
    if share < LEAST_FILL:
        return values
    text = "%s: %s is exactly %g on %.1f %% of its pixels, MODIS' fill of -3000 scaled; taken for no data (declare it as _FillValue)"
    logging.getLogger(__name__).warning(text, path, values.name, SCALED_FILL, 100 * share)
    return values.where(~fill)


def fill_from_past(ndvi: xr.DataArray, max_age_days: int) -> xr.Dataset:
    """Fill gaps with the last clear value, never a later one.

    Args:
        ndvi: `(time, y, x)` [1], clouds NaN.
        max_age_days: older looks do not count [day].

    Returns:
        `ndvi` [1] and `age` of the look it comes from, at the composite's time [day]; NaN and the maximum where there
        is none.
    """
    days = ndvi["time"].values.astype("datetime64[D]").astype(np.int64)
    looked = np.where(np.isfinite(ndvi.values), np.arange(len(days))[:, None, None], -1)
    last = np.maximum.accumulate(looked, axis=0)
    age = np.where(last >= 0, days[:, None, None] - days[np.maximum(last, 0)], max_age_days).astype(
        np.float32
    )
    value = np.take_along_axis(ndvi.values, np.maximum(last, 0), axis=0)
    known = (last >= 0) & (age <= max_age_days)
    return xr.Dataset(
        {
            "ndvi": ndvi.copy(data=np.where(known, value, np.nan)).assign_attrs(
                units="1", long_name="NDVI, last clear look"
            ),
            "age": ndvi.copy(data=np.where(known, age, max_age_days)).assign_attrs(
                units="day", long_name="age of the last clear look", max_age_days=max_age_days
            ),
        }
    )
