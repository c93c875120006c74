"""Daily weather on its native grid, with reference evapotranspiration."""

from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from loam.config import Grid, WeatherCovariates
from loam.errors import LoamError
from loam.grid import heights_on_grid, pixel_positions, target_grid
from loam.raster import open_dataset, open_raster, write_zarr

LONG_NAMES = {
    "precipitation": ("mm", "precipitation of the day"),
    "temperature": ("degC", "mean air temperature"),
    "humidity": ("%", "mean relative humidity"),
    "wind": ("m s-1", "mean wind speed at 2 m"),
    "evapotranspiration": ("mm", "reference evapotranspiration of the day"),
}


def prepare_weather(weather: Path, dem: Path, out: Path, cfg: WeatherCovariates, grid: Grid, cube: str | None) -> None:
    """Write daily precipitation, temperature, humidity, wind and reference ET on the weather's own grid, around the AOI."""
    box = target_grid(grid, Path(cube) if cube else None)
    raw = around(open_dataset(weather), box).load()
    height_m = float(heights_on_grid(open_raster(dem), box, dem).mean())
    daily = derive_weather(raw, height_m, cfg.wind_height_m, weather)
    write_zarr(daily.odc.assign_crs(raw.odc.crs), out)


def around(data: xr.Dataset, box: GeoBox) -> xr.Dataset:
    """Only the cells that the target grid's pixels are interpolated from: a file may cover a continent."""
    rows, columns = pixel_positions(box, data.odc.crs, data["x"].values, data["y"].values)
    window = {}
    for axis, position in (("y", rows), ("x", columns)):
        first, last = np.clip([np.floor(position.min()), np.ceil(position.max())], 0, data.sizes[axis] - 1).astype(int)
        window[axis] = slice(int(first), int(last) + 1)
    return data.isel(window)


def derive_weather(raw: xr.Dataset, height_m: float, wind_height_m: float, path: Path) -> xr.Dataset:
    """The five variables that the model sees, from what a source has.

    Args:
        raw: variables in the units of `loam.sources.weather.VARIABLES`, `(time, y, x)`.
        height_m: mean elevation, for air pressure [m].
        wind_height_m: height of the source's wind [m].
        path: the source, for messages.

    Raises:
        LoamError: precipitation, temperature, wind or every measure of humidity is missing.
    """
    if "temperature" not in raw and {"temperature_min", "temperature_max"} <= set(raw):
        raw = raw.assign(temperature=(raw["temperature_min"] + raw["temperature_max"]) / 2)  # FAO-56, equation 9
    for name in ("precipitation", "temperature", "wind_speed"):
        if name not in raw:
            msg = f"{path}: no {name}, neither by standard name nor in sources.weather.variables; name it there"
            raise LoamError(msg)
    daily = xr.Dataset({"precipitation": raw["precipitation"], "temperature": raw["temperature"]})
    daily["humidity"] = relative_humidity(raw, path)
    daily["wind"] = wind_at_2m(raw["wind_speed"], wind_height_m)
    daily["evapotranspiration"] = reference_et(raw, daily, height_m, path)
    for name, (units, long_name) in LONG_NAMES.items():
        method = daily[name].attrs.get("method")
        daily[name] = (
            daily[name].astype("float32").assign_attrs({"units": units, "long_name": long_name} | ({"method": method} if method else {}))
        )
    return daily[list(LONG_NAMES)]


def saturation_pressure(temperature_degc: xr.DataArray) -> xr.DataArray:
    """Saturation vapour pressure over water [kPa] by the Magnus formula (FAO-56, equation 11)."""
    return 0.6108 * xr.ufuncs.exp(17.27 * temperature_degc / (temperature_degc + 237.3))


def relative_humidity(raw: xr.Dataset, path: Path) -> xr.DataArray:
    """Relative humidity [%], as given, else from dewpoint or vapour pressure and temperature; at most 100.

    Raises:
        LoamError: the source has none of the three.
    """
    if "relative_humidity" in raw:
        return raw["relative_humidity"].clip(0, 100)
    if "dewpoint" in raw:
        actual = saturation_pressure(raw["dewpoint"])
    elif "vapour_pressure" in raw:
        actual = raw["vapour_pressure"]
    else:
        msg = f"{path}: no relative_humidity, dewpoint or vapour_pressure; name one in sources.weather.variables"
        raise LoamError(msg)
    return (100 * actual / saturation_pressure(raw["temperature"])).clip(0, 100)


def wind_at_2m(wind: xr.DataArray, height_m: float) -> xr.DataArray:
    """Wind speed at 2 m [m/s] from another height by the logarithmic profile (FAO-56, equation 47)."""
    if height_m == 2:
        return wind
    return wind * 4.87 / np.log(67.8 * height_m - 5.42)


def reference_et(raw: xr.Dataset, daily: xr.Dataset, height_m: float, path: Path) -> xr.DataArray:
    """Reference evapotranspiration [mm/day]: the source's own, else Penman-Monteith, else Hargreaves.

    Which one it is stands in the attribute `method`.

    Raises:
        LoamError: the source has neither radiation nor both temperature extremes.
    """
    import pyet

    if "evapotranspiration" in raw:
        return raw["evapotranspiration"].assign_attrs(method="of the source")
    extremes = {name[-3:]: raw[name] for name in ("temperature_min", "temperature_max") if name in raw}
    latitude = _latitude(raw)
    if "solar_radiation" in raw:
        limits = {f"t{end}": values for end, values in extremes.items()} if len(extremes) == 2 else {}
        et = pyet.pm_fao56(
            daily["temperature"], daily["wind"], rs=raw["solar_radiation"], elevation=height_m, lat=latitude,
            rh=daily["humidity"], **limits,
        )  # fmt: skip
        return et.transpose("time", "y", "x").assign_attrs(method="FAO-56 Penman-Monteith")
    if len(extremes) == 2:
        et = pyet.hargreaves(daily["temperature"], extremes["max"], extremes["min"], latitude)
        return et.transpose("time", "y", "x").assign_attrs(method="Hargreaves")
    msg = (
        f"{path}: no evapotranspiration, no solar_radiation, and not both temperature_min and temperature_max; "
        "name one of them in sources.weather.variables"
    )
    raise LoamError(msg)


def _latitude(raw: xr.Dataset) -> xr.DataArray:
    """Latitude of the cells `(y, x)` [radian]."""
    east, north = np.meshgrid(raw["x"].values, raw["y"].values)
    if raw.odc.crs.geographic:
        degrees = north
    else:
        degrees = Transformer.from_crs(raw.odc.crs.proj, "EPSG:4326", always_xy=True).transform(east, north)[1]
    return xr.DataArray(np.radians(degrees), dims=("y", "x"), coords={"y": raw["y"], "x": raw["x"]})
