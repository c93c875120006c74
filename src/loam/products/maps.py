"""Daily maps: the ensemble's soil moisture, its uncertainty and its flags as one cloud-optimised GeoTIFF."""

import shutil
from pathlib import Path

import numpy as np
import xarray as xr

from loam import __version__
from loam.config.moisture import Signal
from loam.core.ensemble import ensemble_on, open_members, read_factors
from loam.core.errors import LoamError
from loam.core.flags import Flag, flag_attributes, frames
from loam.core.frost import frost_of
from loam.core.raster import atomic_write, open_dataset, require, write_cog

# Flags that belong to the place, not to the day of an overpass; a map has them where every overpass has them.
LASTING = (
    Flag.WATER,
    Flag.BUILT_UP,
    Flag.FOREST,
    Flag.LAYOVER_SHADOW,
    Flag.INCIDENCE,
    Flag.LOW_SENSITIVITY,
    Flag.TOO_FEW_DATES,
    Flag.NO_OBSERVATION,
)


def write_maps(
    predictions: list[Path],
    calibration: Path,
    ssm: Path,
    weather: Path,
    style: Path,
    out: list[Path],
    signal: Signal,
) -> None:
    """Write one map per day, named by its date, and beside it the style that shows it in QGIS.

    Args:
        predictions: maps of the members of the experiment that makes the maps.
        calibration: its factors of sigma, of `calibrate`.
        ssm: labels, for their flags.
        weather: daily weather, for frost.
        style: QGIS style to put beside each map.
        out: files to write, named by their days.
        signal: section `moisture.signal`.
    """
    labels, daily = open_dataset(ssm), open_dataset(weather)
    members = open_members(predictions, ssm, labels.odc.geobox)
    require(labels, ("flags",), ssm)
    require(daily, ("temperature",), weather)
    days = np.array([path.stem for path in out], dtype="datetime64[D]")
    frost = frost_of(daily, days, signal.frozen_below_degc, signal.thaw_degree_days)
    flags, factor = lasting_flags(labels["flags"]), read_factors(calibration)[68]
    for place, (path, day) in enumerate(zip(out, days, strict=True)):
        if day not in daily["time"].values.astype("datetime64[D]"):
            msg = f"{weather}: has no temperature for {day}; extend sources.weather or leave the day out of products.maps"
            raise LoamError(msg)
        mean, sigma = ensemble_on(day, members)
        (frozen,) = frost.frozen(labels.odc.geobox, np.array([place]))
        if not np.isfinite(mean).any():
            msg = f"{path}: no pixel would have a value: the members' predictions of {day} share no pixel; predict the day again"
            raise LoamError(msg)
        fields = map_of(mean, factor * sigma, flags | frozen * int(Flag.FROZEN))
        data = xr.Dataset(fields, coords={"y": labels["y"], "x": labels["x"]}).odc.assign_crs(
            labels.odc.crs
        )
        write_cog(data, path, tags_of(day, len(members), signal.label_support_m, factor))
        with atomic_write(path.with_suffix(".qml")) as partial:
            shutil.copyfile(style, partial)


def lasting_flags(flags: xr.DataArray) -> np.ndarray:
    """Flags that are set on every acquisition that saw a pixel, int32 `(y, x)`.

    Args:
        flags: bits of `Flag` `(time, y, x)`. An acquisition that did not see a pixel has no say, unless none did.
    """
    shape = flags.shape[1:]
    every, seen, never = (
        np.full(shape, -1, np.int32),
        np.full(shape, -1, np.int32),
        np.ones(shape, dtype=bool),
    )
    for frame in frames(flags.to_dataset(name="flags"), ("flags",)):
        bits = frame["flags"].values.astype(np.int32)
        unseen = (bits & int(Flag.NO_OBSERVATION)) != 0
        every &= bits
        seen &= np.where(unseen, -1, bits)
        never &= unseen
    return np.where(never, every, seen).astype(np.int32) & int(sum(LASTING))


def map_of(mean: np.ndarray, sigma: np.ndarray, flags: np.ndarray) -> dict[str, xr.DataArray]:
    """Bands of a map. Open water has no soil and becomes NaN; everything else keeps its value, with its flags.

    Args:
        mean: soil moisture [1] `(y, x)`.
        sigma: its calibrated standard deviation [1] `(y, x)`.
        flags: bits of `Flag` `(y, x)`.
    """
    soil = (flags & int(Flag.WATER)) == 0
    texts = {
        "ssm": "surface soil moisture, relative: 0 dry, 1 wet",
        "ssm_uncertainty": "calibrated 1 sigma (68 %) of surface soil moisture",
    }
    bands = {
        "ssm": np.where(soil, np.clip(mean, 0, 1), np.nan),
        "ssm_uncertainty": np.where(soil, sigma, np.nan),
    }
    fields = {
        name: xr.DataArray(
            values.astype(np.float32),
            dims=("y", "x"),
            attrs={"units": "1", "long_name": texts[name]},
        )
        for name, values in bands.items()
    }
    return fields | {
        "flags": xr.DataArray(flags.astype(np.float32), dims=("y", "x"), attrs=flag_attributes())
    }


def tags_of(day: np.datetime64, members: int, support_m: float, factor: float) -> dict[str, str]:
    """Metadata of a map's file.

    Args:
        day: the day that is mapped.
        members: size of the ensemble.
        support_m: footprint of the labels that the model learnt from [m].
        factor: of the ensemble's sigma that conformal calibration found for 68 % [1].
    """
    meanings = ", ".join(f"{int(flag)} {flag.name}".lower() for flag in (*LASTING, Flag.FROZEN))
    return {
        "date": str(day),
        "title": f"Surface soil moisture, {day}",
        "units": "1 (relative: 0 dry reference, 1 wet reference)",
        "source": f"Sentinel-1 change detection, extended in time and space by a recurrent network, an ensemble of {members}",
        "effective_resolution": f"{support_m:g} m: backscatter was averaged over this; the pixels are finer",
        "uncertainty": f"ensemble's 1 sigma times {factor:.3f}: ± ssm_uncertainty covers 68 % of labels of dates that did not train",
        "software": f"Loam {__version__}",
        "flag_meanings": meanings,
    }
