"""What the covariates hold, for a reader who checks them: range, missing share, units, source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.elevation import PLAUSIBLE_HEIGHTS_M
from loam.core.errors import LoamError
from loam.core.features import covariate_files
from loam.core.raster import atomic_write, open_dataset

# Channel: lowest and highest value that can be right. What lies beyond is a fault of units or nodata.
BOUNDS = {
    "elevation": PLAUSIBLE_HEIGHTS_M,
    "slope": (0, 90),
    "northness": (-1, 1),
    "eastness": (-1, 1),
    "curvature": (-5, 5),
    "wetness_index": (-10, 50),
    "sand": (0, 100),
    "silt": (0, 100),
    "clay": (0, 100),
    "bulk_density": (0.02, 2.7),
    "theta_r": (0, 0.5),
    "theta_s": (0.05, 1),
    "ksat": (0, 100_000),
    "hydrologic_group": (1, 4),
    "precipitation": (0, 2000),
    "temperature": (-80, 60),
    "humidity": (0, 100),
    "wind": (0, 75),
    "evapotranspiration": (-5, 40),
    "ndvi": (-1, 1),
    "age": (0, 10_000),
}
TOLD = ("method", "stations", "leave_one_out_rmse", "leave_one_out_bias", "max_age_days")
SLACK = 1e-3  # of float32


def report_covariates(covariates: list[Path], out: Path) -> None:
    """Write range, missing share, units and source of every covariate as JSON; stop where one is out of bounds.

    Args:
        covariates: files of `open_covariates`.
        out: JSON file to write.
    """
    files = covariate_files(covariates)
    daily = open_dataset(files["weather"])
    found = static_entries(open_dataset(files["static"]), files["static"])
    found |= series_entries(
        daily,
        files["weather"],
        {
            "source": str(daily.attrs.get("source", "weather")),
            "days": str(daily.attrs.get("days", "")),
        },
    )
    if "ndvi" in files:
        found |= series_entries(open_dataset(files["ndvi"]), files["ndvi"], {})
    with atomic_write(out) as partial:
        partial.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")


def static_entries(data: xr.Dataset, path: Path) -> dict[str, dict[str, Any]]:
    """Entries of the channels of `static.zarr`.

    Raises:
        LoamError: a channel is out of bounds.
    """
    told, values = data["static"].attrs, data["static"].values  # one chunk: it is read once
    names = [str(name) for name in data["channel"].values]
    sources = told.get("channel_sources", [""] * len(names))
    entries = {
        name: entry(values[index], name, units, path) | {"source": source}
        for index, (name, units, source) in enumerate(
            zip(names, told["channel_units"], sources, strict=True)
        )
    }
    entries["elevation"]["filled_share"] = float((data["flags"].values > 0).mean())
    return entries


def series_entries(data: xr.Dataset, path: Path, more: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Entries of variables `(time, y, x)`, with their days, cells and what their attributes tell.

    Raises:
        LoamError: a variable is out of bounds.
    """
    days = data["time"].values.astype("datetime64[D]")
    shared: dict[str, Any] = {
        "first_day": str(days[0]),
        "last_day": str(days[-1]),
        "times": days.size,
        "cells": [data.sizes["y"], data.sizes["x"]],
    }
    entries = {}
    for name, values in data.data_vars.items():
        told = {key: _plain(values.attrs[key]) for key in TOLD if key in values.attrs}
        source = {"source": str(values.attrs.get("source", "")), **more}
        entries[str(name)] = (
            entry(values.values, str(name), str(values.attrs["units"]), path)
            | source
            | shared
            | told
        )
    return entries


def entry(values: np.ndarray, name: str, units: str, path: Path) -> dict[str, Any]:
    """Range, mean and missing share [1] of one covariate, any shape.

    Args:
        values: of the covariate, any shape.
        name: its name.
        units: its units.
        path: its file, for messages.

    Raises:
        LoamError: a value is out of bounds.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return {"units": units, "missing_share": 1.0, "lowest": None, "highest": None, "mean": None}
    low, high = float(known.min()), float(known.max())
    lowest, highest = BOUNDS.get(name, (-np.inf, np.inf))
    if low < lowest - SLACK or high > highest + SLACK:
        msg = (
            f"{path}: {name} reaches from {low:g} to {high:g} {units}, outside {lowest:g} to {highest:g}; check "
            "units and nodata of its source"
        )
        raise LoamError(msg)
    missing = 1 - known.size / values.size
    return {
        "units": units,
        "missing_share": missing,
        "lowest": low,
        "highest": high,
        "mean": float(known.mean(dtype=np.float64)),
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
