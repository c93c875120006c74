"""Daily weather on its native grid, with reference evapotranspiration."""

from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from loam.config.base import Grid
from loam.config.covariates import WeatherCovariates
from loam.core.elevation import mosaic
from loam.core.errors import LoamError
from loam.core.grid import around, target_grid, to_grid
from loam.core.raster import open_dataset, write_zarr
from loam.core.voids import require_few_voids

# Attributes that the report tells.
KEPT = (
    "method",
    "leave_one_out_rmse",
    "leave_one_out_bias",
    "stations",
)
COARSE = 8  # pixels of the grid to the edge of one whose height is averaged
LONG_NAMES = {
    "precipitation": ("mm", "precipitation of the day"),
    "temperature": ("degC", "mean air temperature"),
    "humidity": ("%", "mean relative humidity"),
    "wind": ("m s-1", "mean wind speed at 2 m"),
    "evapotranspiration": ("mm", "reference evapotranspiration of the day"),
}


def prepare_weather(
    weather: Path, dem: Path, out: Path, cfg: WeatherCovariates, grid: Grid, cube: str | None
) -> None:
    """Write daily precipitation, temperature, humidity, wind and reference ET on the weather's own grid, around the AOI.

    Args:
        weather: daily weather, of `import_weather`.
        dem: heights [m], of `mosaic_dem`.
        out: Zarr to write.
        cfg: section `covariates.weather`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    raw = around(open_dataset(weather), box).load()
    height_m = mean_height(mosaic([dem], box.pad(COARSE)), box, dem)
    daily = derive_weather(raw, height_m, cfg, weather)
    write_zarr(daily.odc.assign_crs(raw.odc.crs).assign_attrs(raw.attrs), out)


def mean_height(dem: xr.DataArray, box: GeoBox, path: Path) -> float:
    """Mean height of the area [m], for air pressure.

    Raises:
        LoamError: the DEM has no height there.
    """
    heights = to_grid(dem, box.zoom_out(COARSE), "average")
    require_few_voids(heights, path, 0.999)
    return float(heights.mean())


def derive_weather(
    raw: xr.Dataset, height_m: float, cfg: WeatherCovariates, path: Path
) -> xr.Dataset:
    """The five variables that the model sees, from what a source has.

    Args:
        raw: variables in the units of `loam.sources.weather.VARIABLES`, `(time, y, x)`.
        height_m: mean elevation, for air pressure [m].
        cfg: section `covariates.weather`.
        path: the source, for messages.

    Raises:
        LoamError: precipitation, temperature, wind or every measure of humidity is missing.
    """
    raw = with_means(raw, cfg.missing_wind_m_s)
    for name in ("precipitation", "temperature"):
        if name not in raw:
            msg = f"{path}: no {name}, neither by standard name nor in sources.weather.variables; name it there"
            raise LoamError(msg)
    daily = xr.Dataset({"precipitation": raw["precipitation"], "temperature": raw["temperature"]})
    vapour = vapour_pressure(raw, path)
    # The share of what the air could hold: that of the mean temperature, where the source does not say itself.
    daily["humidity"] = raw.get(
        "relative_humidity", 100 * vapour / saturation_pressure(raw["temperature"])
    ).clip(0, 100)
    daily["wind"] = wind_of(raw, cfg, path)
    daily["evapotranspiration"] = reference_et(
        raw, daily["wind"], vapour, height_m, cfg.evapotranspiration, path
    )
    for name, (units, long_name) in LONG_NAMES.items():
        kept = {key: text for key, text in daily[name].attrs.items() if key in KEPT}
        daily[name] = (
            daily[name]
            .astype("float32")
            .transpose("time", "y", "x")
            .assign_attrs({"units": units, "long_name": long_name} | kept)
        )
    return daily[list(LONG_NAMES)]


def with_means(raw: xr.Dataset, missing_wind_m_s: float | None) -> xr.Dataset:
    """Add the mean temperature from the extremes (FAO-56, equation 9), and a wind at 2 m where the source has none and one is named."""
    if "temperature" not in raw and {"temperature_min", "temperature_max"} <= set(raw):
        raw = raw.assign(temperature=(raw["temperature_min"] + raw["temperature_max"]) / 2)
    if "wind_speed" not in raw and missing_wind_m_s is not None and "temperature" in raw:
        raw = raw.assign(
            wind_2m=xr.full_like(raw["temperature"], missing_wind_m_s).assign_attrs(
                method="assumed, the source has none"
            )
        )
    return raw


def wind_of(raw: xr.Dataset, cfg: WeatherCovariates, path: Path) -> xr.DataArray:
    """Wind at 2 m [m/s].

    Raises:
        LoamError: the source has none, and none is assumed.
    """
    if "wind_2m" in raw:
        return raw["wind_2m"]
    if "wind_speed" not in raw:
        msg = f"{path}: no wind_speed; name it in sources.weather.variables, or set covariates.weather.missing_wind_m_s (FAO-56: 2)"
        raise LoamError(msg)
    return wind_at_2m(raw["wind_speed"], cfg.wind_height_m)


def saturation_pressure(temperature_degc: xr.DataArray) -> xr.DataArray:
    """Saturation vapour pressure over water [kPa] by the Magnus formula (FAO-56, equation 11)."""
    return 0.6108 * xr.ufuncs.exp(17.27 * temperature_degc / (temperature_degc + 237.3))


def vapour_pressure(raw: xr.Dataset, path: Path) -> xr.DataArray:
    """Actual vapour pressure [kPa], by the best of what there is (FAO-56, equations 14, 17, 19).

    As given, else from dewpoint, else from the extremes of relative humidity and temperature, else from mean humidity.

    Raises:
        LoamError: the source has none of them.
    """
    if "vapour_pressure" in raw:
        return raw["vapour_pressure"]
    if "dewpoint" in raw:
        return saturation_pressure(raw["dewpoint"])
    extremes = {"temperature_min", "temperature_max"} <= set(raw)
    if {"relative_humidity_min", "relative_humidity_max"} <= set(raw) and extremes:
        # The air is dampest when it is coldest.
        at_night = saturation_pressure(raw["temperature_min"]) * raw["relative_humidity_max"].clip(
            0, 100
        )
        return (
            at_night
            + saturation_pressure(raw["temperature_max"])
            * raw["relative_humidity_min"].clip(0, 100)
        ) / 200
    if "relative_humidity" in raw:
        return raw["relative_humidity"].clip(0, 100) / 100 * mean_saturation(raw)
    msg = f"{path}: no relative_humidity, dewpoint or vapour_pressure; name one in sources.weather.variables"
    raise LoamError(msg)


def mean_saturation(raw: xr.Dataset) -> xr.DataArray:
    """Mean saturation vapour pressure of the day [kPa] (FAO-56, equation 12), of the mean temperature where extremes are missing."""
    if {"temperature_min", "temperature_max"} <= set(raw):
        return (
            saturation_pressure(raw["temperature_min"])
            + saturation_pressure(raw["temperature_max"])
        ) / 2
    return saturation_pressure(raw["temperature"])


def wind_at_2m(wind: xr.DataArray, height_m: float) -> xr.DataArray:
    """Wind speed at 2 m [m/s] from another height by the logarithmic profile (FAO-56, equation 47)."""
    if height_m == 2:
        return wind
    return wind * 4.87 / np.log(67.8 * height_m - 5.42)


def reference_et(
    raw: xr.Dataset,
    wind: xr.DataArray,
    vapour: xr.DataArray,
    height_m: float,
    which: str,
    path: Path,
) -> xr.DataArray:
    """Reference evapotranspiration [mm/day]: the source's own on request, else Penman-Monteith, else Hargreaves.

    Which one it is stands in the attribute `method`.

    Args:
        raw: what the source has, `(time, y, x)`.
        wind: at 2 m [m/s].
        vapour: actual vapour pressure [kPa].
        height_m: mean elevation [m].
        which: 'computed' or 'source'.
        path: the source, for messages.

    Raises:
        LoamError: what is asked for is not there.
    """
    import pyet

    if which == "source":
        if "evapotranspiration" not in raw:
            msg = f"{path}: has no evapotranspiration, which covariates.weather.evapotranspiration = source asks for; set it to computed"
            raise LoamError(msg)
        return raw["evapotranspiration"].assign_attrs(method="of the source")
    extremes = {
        f"t{name[-3:]}": raw[name] for name in ("temperature_min", "temperature_max") if name in raw
    }
    latitude = _latitude(raw)
    if "solar_radiation" in raw:
        limits = extremes if len(extremes) == 2 else {}
        et = pyet.pm_fao56(
            raw["temperature"],
            wind,
            rs=raw["solar_radiation"],
            elevation=height_m,
            lat=latitude,
            ea=vapour,
            **limits,
        )
        return et.transpose("time", "y", "x").assign_attrs(method="FAO-56 Penman-Monteith")
    if len(extremes) == 2:
        et = pyet.hargreaves(raw["temperature"], extremes["tmax"], extremes["tmin"], latitude)
        return et.transpose("time", "y", "x").assign_attrs(method="Hargreaves")
    own = (
        ", or set covariates.weather.evapotranspiration to source"
        if "evapotranspiration" in raw
        else ""
    )
    msg = f"{path}: no solar_radiation, and not both temperature_min and temperature_max; "
    msg += f"name one of them in sources.weather.variables{own}"
    raise LoamError(msg)


def _latitude(raw: xr.Dataset) -> xr.DataArray:
    """Latitude of the cells `(y, x)` [radian]."""
    east, north = np.meshgrid(raw["x"].values, raw["y"].values)
    if raw.odc.crs.geographic:
        degrees = north
    else:
        degrees = Transformer.from_crs(raw.odc.crs.proj, "EPSG:4326", always_xy=True).transform(
            east, north
        )[1]
    return xr.DataArray(np.radians(degrees), dims=("y", "x"), coords={"y": raw["y"], "x": raw["x"]})
