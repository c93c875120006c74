"""Backscatter cubes: CF NetCDF or Zarr with vv, vh (time, y, x), in dB or linear power."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Grid, Period
from loam.config.sources import Backscatter
from loam.core.errors import LoamError
from loam.core.flags import Mask, layer_attributes
from loam.core.grid import covered_share, target_grid, to_grid
from loam.core.raster import open_dataset, require, write_zarr
from loam.sources.cube_form import POLARISATIONS, in_form, one_date_a_pass

Units = Literal["dB", "power", "dn"] | None
# Digital numbers of openEO's and other compressed cubes: dB = 20 log10(DN) - 83; 65534 and 65535 stand for no data.
DN_OFFSET_DB, DN_FILL = -83.0, 65534
LINEAR_UNITS = {"1", "", "linear", "linear power", "m2 m-2", "m2/m2"}
DECIBEL_UNITS = {"db", "decibel", "decibels"}
# Beyond these a value is no backscatter but a nodata value that was not declared, or the units are wrong.
PLAUSIBLE = {"dB": (-70.0, 40.0), "1": (-1.0, 1e4)}
LONG_NAMES = {"gamma0": "gamma nought", "sigma0": "sigma nought"}
LEAST_DEGREES = (
    5.0  # the largest local angle of incidence of a cube is larger: IW looks at 29 to 46 degrees
)
TIME_CHUNK_PX = 64


def import_cube(
    cube: Path, out: Path, backscatter: Backscatter, grid: Grid, period: Period
) -> None:
    """Bring a backscatter cube onto the target grid as `stack.zarr`: linear power, angle, mask, for time series.

    Args:
        cube: NetCDF or Zarr.
        out: Zarr to write.
        backscatter: section `sources.backscatter`.
        grid: section `grid`.
        period: section `period`.
    """
    data = open_cube(cube, period, backscatter.units)
    box = target_grid(grid, cube)
    check_overlap(data, box, cube)
    stack = assemble_stack(data, box, cube, LONG_NAMES[backscatter.coefficient])
    write_zarr(stack, out, {"y": TIME_CHUNK_PX, "x": TIME_CHUNK_PX})


def open_cube(path: Path, period: Period, units: Units = None) -> xr.Dataset:
    """Open a cube's acquisitions of the period, in order of time and one a pass, and check what it must have.

    Args:
        path: the cube.
        period: acquisitions of other days are left out.
        units: of its values, where the file does not say: setting `sources.backscatter.units`.

    Raises:
        LoamError: no CRS, no `vv`, no `track`, dimensions that are not (time, y, x), unknown units, no acquisition
            in the period, or two that see the same ground at one time.
    """
    data = in_form(open_dataset(path, chunks={}), path)
    require(data, ("vv", "time", "track"), path)
    for name in POLARISATIONS:
        if name in data:
            data = data.assign({name: _in_known_units(data[name], path, units)})
    data = data.sortby("time").sel(time=slice(str(period.start), str(period.end)))
    if data.sizes["time"] == 0:
        msg = f"{path}: no acquisition between {period.start} and {period.end}; change period, or bring a cube that covers it"
        raise LoamError(msg)
    return one_date_a_pass(data, path)


def _in_known_units(values: xr.DataArray, path: Path, units: str | None) -> xr.DataArray:
    """Backscatter with `units`: those of the settings, else of the file; digital numbers become dB."""
    if set(values.dims) != {"time", "y", "x"}:
        msg = f"{path}: {values.name} has dimensions {values.dims}; they must be (time, y, x)"
        raise LoamError(msg)
    if values.dtype.kind == "c":
        msg = f"{path}: {values.name} holds complex numbers; bring detected backscatter (their squared amount, calibrated)"
        raise LoamError(msg)
    if values.dtype.kind not in "fiu":
        msg = f"{path}: {values.name} holds no numbers ({values.dtype}); write it as float32"
        raise LoamError(msg)
    if units != "dn":
        values = (
            values if units is None else values.assign_attrs(units={"power": "1"}.get(units, units))
        )
        is_decibel(values, path)
        return values
    if values.dtype.kind not in "iu":
        msg = f"{path}: {values.name} is {values.dtype}, no whole digital numbers; set sources.backscatter.units to dB or power"
        raise LoamError(msg)
    known = (values > 0) & (values < DN_FILL)
    decibel: xr.DataArray = (
        20 * xr.apply_ufunc(np.log10, values.where(known).astype("float32"), dask="parallelized")
        + DN_OFFSET_DB
    )
    return decibel.rename(values.name).assign_attrs(values.attrs | {"units": "dB"})


def is_decibel(values: xr.DataArray, path: Path) -> bool:
    """Tell dB from linear power by the `units` attribute.

    Raises:
        LoamError: the units are missing or neither.
    """
    units = values.attrs.get("units")
    if units is None:
        msg = f"{path}: {values.name} has no units; set the attribute to 'dB' or '1' (linear power), or set sources.backscatter.units"
        raise LoamError(msg)
    if str(units).lower() in DECIBEL_UNITS:
        return True
    if str(units).lower() in LINEAR_UNITS:
        return False
    msg = f"{path}: {values.name} has units '{units}'; they must be 'dB' or '1' (linear power)"
    raise LoamError(msg)


def check_overlap(data: xr.Dataset, box: GeoBox, path: Path) -> None:
    """Stop when the cube does not reach the area of interest.

    Raises:
        LoamError: no overlap at all.
    """
    share = covered_share(data, box)
    if 0 < share < 0.999:
        logging.getLogger(__name__).warning(
            "%s: covers %.0f %% of the area of interest; the rest has no labels", path, 100 * share
        )
    if share == 0:
        msg = f"{path}: grid.aoi lies outside the cube; its extent is {tuple(round(v, 4) for v in data.odc.geobox.boundingbox)}"
        raise LoamError(msg)


def assemble_stack(data: xr.Dataset, box: GeoBox, path: Path, long_name: str) -> xr.Dataset:
    """Linear power on the target grid, with local incidence angle where the cube has it, and a mask of no data.

    Args:
        data: `vv`, maybe `vh` and `incidence`, `(time, y, x)`.
        box: the target grid.
        path: the cube, for messages.
        long_name: of the coefficient: gamma nought, sigma nought.

    Raises:
        LoamError: not a single value is finite.
    """
    layers = {}
    for name in POLARISATIONS:
        if name in data:
            power = linear_power(data[name], path)
            layers[name] = to_grid(power, box, "average").assign_attrs(
                layer_attributes(name, long_name)
            )
    if not bool(np.isfinite(layers["vv"]).any()):
        msg = f"{path}: vv is NaN everywhere between {data.time.values[0]} and {data.time.values[-1]}; check the cube"
        raise LoamError(msg)
    if "incidence" in data:
        angle = (
            _in_degrees(data["incidence"], path)
            .broadcast_like(data["vv"])
            .transpose("time", "y", "x")
            .astype("float32")
        )
        angle = to_grid(angle.odc.assign_crs(data.odc.crs), box, "bilinear")
        layers["incidence"] = angle.assign_attrs(layer_attributes("incidence"))
    unseen = (~np.isfinite(layers["vv"])).astype("uint8") * np.uint8(Mask.NO_OBSERVATION)
    layers["mask"] = unseen.assign_attrs(layer_attributes("mask"))
    stack = xr.Dataset(layers).assign_coords(
        track=("time", data["track"].values), platform=("time", _platforms(data))
    )
    return stack.odc.assign_crs(box.crs).assign_attrs(
        backscatter_coefficient=long_name, source=path.name
    )


def _in_degrees(angle: xr.DataArray, path: Path) -> xr.DataArray:
    """The angle of incidence, NaN where it cannot be one: 0 and -9999 fill what the radar does not see.

    Raises:
        LoamError: its units are no degrees, or its values are radians.
    """
    if not str(angle.attrs.get("units", "")).lower().startswith("deg"):
        msg = f"{path}: incidence has units '{angle.attrs.get('units')}'; they must be 'degree'"
        raise LoamError(msg)
    angle = angle.where((angle > 0) & (angle < 180))
    if (highest := float(angle.max())) < LEAST_DEGREES:
        msg = f"{path}: incidence reaches to {highest:.3g} degree at most, as radians do; convert it to degrees"
        raise LoamError(msg)
    return angle


def linear_power(values: xr.DataArray, path: Path) -> xr.DataArray:
    """Backscatter as linear power: power can be averaged, decibels cannot."""
    values = values.transpose("time", "y", "x").astype("float32")
    decibel = is_decibel(values, path)
    # No echo has exactly no power, and hardly one exactly 0 dB: -inf dB and 0 are what borders and masks are filled with.
    zero = values == 0
    values = values.where(np.isfinite(values) & ~zero)
    _check_plausible(values, zero, "dB" if decibel else "1", path)
    return (10 ** (values / 10)).assign_attrs(values.attrs) if decibel else values


def _check_plausible(values: xr.DataArray, zero: xr.DataArray, units: str, path: Path) -> None:
    """Stop where values are no backscatter; tell where zeros are taken for no data. One reading of the cube.

    Args:
        values: without zeros.
        zero: where they were.
        units: dB or 1.
        path: the cube, for messages.
    """
    asked = {"low": values.min(), "high": values.max(), "zero": zero.mean()}
    low, high, share = (float(value) for value in xr.Dataset(asked).compute().data_vars.values())
    lowest, highest = PLAUSIBLE[units]
    if low < lowest or high > highest or (units == "dB" and low >= 0):
        msg = f"{path}: {values.name} reaches from {low:g} to {high:g} with units '{units}'; correct its units, or declare its nodata value"
        raise LoamError(msg)
    if share and units == "dB":
        text = "%s: %s is exactly 0 dB on %.2f %% of its pixels; taken for no data (declare it as _FillValue)"
        logging.getLogger(__name__).warning(text, path, values.name, 100 * share)


def _platforms(data: xr.Dataset) -> np.ndarray:
    if "platform" in data:
        return data["platform"].astype(str).values
    return np.full(data.sizes["time"], "unknown")
