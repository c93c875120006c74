"""How the twin becomes the files that Loam's sources read: NetCDF, GeoTIFF, with units and CRS."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from loam.core.grid import empty_like_grid
from loam.core.raster import atomic_write, write_geotiff
from loam.twin.landscape import Soil

DAYS = {"units": "days since 1970-01-01", "calendar": "standard", "dtype": "int32"}
WEATHER: dict[str, dict[str, str]] = {
    "precipitation": {
        "units": "mm d-1",
        "standard_name": "lwe_precipitation_rate",
        "long_name": "daily precipitation",
    },
    "temperature": {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: mean",
        "long_name": "mean air temperature",
    },
    "temperature_min": {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: minimum",
        "long_name": "lowest air temperature",
    },
    "temperature_max": {
        "units": "K",
        "standard_name": "air_temperature",
        "cell_methods": "time: maximum",
        "long_name": "highest air temperature",
    },
    "relative_humidity": {
        "units": "%",
        "standard_name": "relative_humidity",
        "long_name": "mean relative humidity",
    },
    "wind_speed": {
        "units": "m s-1",
        "standard_name": "wind_speed",
        "long_name": "wind speed at 10 m",
    },
    "solar_radiation": {
        "units": "W m-2",
        "standard_name": "surface_downwelling_shortwave_flux_in_air",
        "long_name": "mean solar radiation at the ground",
    },
}
SOIL = {
    "sand": ("%", "sand content by mass"),
    "clay": ("%", "clay content by mass"),
    "theta_r": ("m3 m-3", "residual volumetric water content"),
    "theta_s": ("m3 m-3", "saturated volumetric water content"),
    "ksat": ("mm d-1", "saturated hydraulic conductivity"),
}


def lazy_cube(images: Sequence[Callable[[], np.ndarray]], shape: tuple[int, int]) -> da.Array:
    """Stack images that are made only when they are written, so that a long period needs no more memory than a day.

    Args:
        images: one function per time, each giving `(y, x)` float32.
        shape: rows and columns.

    Returns:
        `(time, y, x)`.
    """
    make = [dask.delayed(image, pure=False)() for image in images]
    return da.stack([da.from_delayed(image, shape, np.float32) for image in make])


def cube(
    values: np.ndarray | da.Array, times: np.ndarray, grid: GeoBox, attributes: Mapping[str, str]
) -> xr.DataArray:
    """Dress `(time, y, x)` values with coordinates and a CRS.

    Args:
        values: `(time, y, x)`.
        times: datetime64 `(time)`.
        grid: of the values.
        attributes: of the variable.
    """
    coords = {
        "time": ("time", times, {"standard_name": "time", "long_name": "time (UTC)"}),
        **empty_like_grid(grid),
    }
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, attrs=dict(attributes))


def write_netcdf(
    data: xr.Dataset, path: Path, time_encoding: Mapping[str, str] | None = None
) -> None:
    """Write CF NetCDF, deflated, one image per chunk, whole or not at all.

    Args:
        data: variables on `y, x`, with coordinates and a CRS.
        path: file to write; its folder is made.
        time_encoding: unit of the time axis, if there is one.
    """
    data = data.assign_attrs(
        Conventions="CF-1.10",
        title="Loam's synthetic catchment",
        comment="Simulated, not observed.",
    )
    for values in data.data_vars.values():
        values.attrs["grid_mapping"] = "spatial_ref"
        values.encoding.pop("grid_mapping", None)
        values.encoding |= {
            "zlib": True,
            "complevel": 1,
            "chunksizes": (1, *values.shape[1:]) if values.ndim == 3 else values.shape,
        }
    if time_encoding:
        data["time"].encoding.update(time_encoding)
    with (
        atomic_write(path) as partial,
        dask.config.set(scheduler="synchronous"),
    ):  # one image in memory at a time
        data.to_netcdf(partial)


def write_weather(weather: xr.Dataset, crs: CRS | None, path: Path) -> None:
    """Write the weather `(time, y, x)` on its own grid."""
    data = weather[list(WEATHER)].astype(np.float32)
    for name, attributes in WEATHER.items():
        data[name].attrs.update(attributes)
    write_netcdf(data.odc.assign_crs(crs), path, DAYS)


def write_soil(box: GeoBox, soil: Soil, path: Path) -> None:
    """Write the soil map `(y, x)`."""
    coords = empty_like_grid(box)
    data = xr.Dataset(coords=coords)
    for name, (units, long_name) in SOIL.items():
        values = getattr(soil, name).astype(np.float32)
        data[name] = xr.DataArray(
            values, dims=("y", "x"), coords=coords, attrs={"units": units, "long_name": long_name}
        )
    write_netcdf(data, path)


def write_dem(elevation_m: np.ndarray, box: GeoBox, path: Path) -> None:
    """Write heights above the ellipsoid, float32 [m]."""
    write_geotiff(elevation_m.astype(np.float32), box, path, -9999.0, "m", "elevation")


def write_landcover(codes: np.ndarray, grid: GeoBox, path: Path) -> None:
    """Write ESA WorldCover codes, uint8, 0 where unknown."""
    write_geotiff(codes, grid, path, 0, "1", "land cover (ESA WorldCover codes)")
