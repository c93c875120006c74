"""Step `make-twin`: a synthetic catchment as the files that Loam would otherwise be given, and the truth beside them."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from tqdm import tqdm

from loam.config.base import Grid, Period
from loam.config.twin import Twin
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.core.raster import atomic_write, write_zarr
from loam.twin import files, radar, vegetation
from loam.twin.catchment import (
    NDVI_LEAD_DAYS,
    WEATHER_LEAD_DAYS,
    Catchment,
    evening_moisture,
    make_catchment,
    observe,
    stream,
)
from loam.twin.safe import View

STEPS = 50_000  # moisture is kept between days as whole numbers of this fraction


def make_twin(
    scenes: Path,
    weather: Path,
    ndvi: Path,
    dem: Path,
    landcover: Path,
    soil: Path,
    truth: Path,
    twin: Twin,
    grid: Grid,
    period: Period,
    threads: int = 1,
) -> None:
    """Simulate a catchment: its Sentinel-1 products, weather, NDVI, terrain, land cover and soil map, and its true soil moisture.

    Args:
        scenes: folder to write: products.
        weather: NetCDF to write.
        ndvi: NetCDF to write.
        dem: GeoTIFF to write.
        landcover: GeoTIFF to write.
        soil: NetCDF to write.
        truth: Zarr to write: true SSM of every day.
        twin: section `twin`.
        grid: section `grid`.
        period: section `period`.
        threads: threads to use.
    """
    if "source" in (grid.aoi, grid.crs):
        msg = "grid.aoi, grid.crs: the twin makes its scenes itself, so 'source' names nothing yet; give bounds and EPSG:code"
        raise LoamError(msg)
    catchment = make_catchment(target_grid(grid, None), period, twin)
    first = pd.Timestamp(period.start) - pd.Timedelta(days=WEATHER_LEAD_DAYS)
    files.write_weather(catchment.weather.sel(time=slice(first, None)), catchment.grid.crs, weather)
    files.write_dem(catchment.terrain.elevation_m, catchment.ground, dem)
    files.write_landcover(catchment.landcover, catchment.grid, landcover)
    files.write_soil(*catchment.soil_map, soil)
    files.write_netcdf(ndvi_composites(catchment), ndvi, files.DAYS)
    with evenings(catchment, truth.parent) as moisture:
        write_scenes(catchment, moisture, scenes, threads)
        with dask.config.set(scheduler="synchronous"):
            write_zarr(daily_truth(catchment, moisture), truth, {"time": 32, "y": 256, "x": 256})


@contextmanager
def evenings(catchment: Catchment, folder: Path) -> Iterator[np.ndarray]:
    """Surface moisture of every evening, `(day + 1, y, x)` uint16 [1 / STEPS], in a file that goes away afterwards.

    On disk because years of a large area would not fit into memory.
    """
    days = (catchment.period.end - catchment.period.start).days + 2
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        moisture = np.memmap(
            scratch, dtype=np.uint16, mode="w+", shape=(days, *catchment.grid.shape)
        )
        # Room for all of it: writing to a mapped page that the disk has none for kills the process.
        os.posix_fallocate(scratch.fileno(), 0, moisture.nbytes)
        for number, ssm in enumerate(
            tqdm(evening_moisture(catchment), "water balance", days, unit="day", disable=None)
        ):
            moisture[number] = np.round(ssm * STEPS)
        yield moisture


def moisture_at(moisture: np.ndarray, day: int, share: float) -> np.ndarray:
    """Surface moisture at a time of day, between the evening before and the evening after.

    Args:
        moisture: evenings `(day + 1, y, x)` [1 / STEPS].
        day: number of the day, from 0.
        share: of the day that has passed [0..1].

    Returns:
        `(y, x)` float32 [0..1].
    """
    before, after = (moisture[day + step].astype(np.float32) / STEPS for step in (0, 1))
    return np.asarray(before + np.float32(share) * (after - before))


def daily_truth(catchment: Catchment, moisture: np.ndarray) -> xr.Dataset:
    """Daily mean of the surface soil moisture, rounded to 0.001, as a lazy dataset.

    Water and towns carry the value that soil would have there; the land cover tells them apart.
    """
    lazy = da.from_array(moisture, chunks=(33, 256, 256), name=False)
    middle = (lazy[:-1].astype(np.float32) + lazy[1:].astype(np.float32)) / (2 * STEPS)
    values = da.round(middle, 3).astype(np.float32).rechunk((32, 256, 256))
    days = pd.date_range(catchment.period.start, catchment.period.end, unit="ns").values
    attributes = {
        "units": "1",
        "long_name": "true surface soil moisture, relative saturation, daily mean",
    }
    return files.cube(values, days, catchment.grid, attributes).to_dataset(name="ssm")


def write_scenes(catchment: Catchment, moisture: np.ndarray, folder: Path, threads: int) -> None:
    """Write the product of every overpass, all or none of them.

    Args:
        catchment: the catchment.
        moisture: evenings `(day + 1, y, x)` [1 / STEPS].
        folder: holds one folder a product afterwards, and nothing else.
        threads: overpasses at once.
    """
    passes = radar.acquisitions(catchment.period, catchment.twin)
    bar = tqdm(total=len(passes), desc="scenes", unit="scene", disable=None)
    with atomic_write(folder) as unfinished, bar, ThreadPoolExecutor(threads) as pool:
        unfinished.mkdir()
        for track in radar.TRACKS:
            write = partial(_write_scene, catchment, catchment.view_of(track), moisture, unfinished)
            for _ in pool.map(write, [taken for taken in passes if taken.track is track]):
                bar.update()


def _write_scene(
    catchment: Catchment, view: View, moisture: np.ndarray, folder: Path, taken: radar.Acquisition
) -> None:
    day = (taken.when.date() - catchment.period.start).days
    share = (taken.when.hour + taken.when.minute / 60) / 24
    observe(catchment, view, taken, moisture_at(moisture, day, share), folder)


def ndvi_composites(catchment: Catchment) -> xr.Dataset:
    """NDVI composites on pixels of twice the size, from before the period on, as a lazy dataset."""
    first, step = catchment.period.start - timedelta(days=NDVI_LEAD_DAYS), vegetation.COMPOSITE_DAYS
    days = [
        first + timedelta(days=since)
        for since in range(0, (catchment.period.end - first).days + 1, step)
    ]
    rows, columns = ((size + 1) // 2 for size in catchment.grid.shape)
    pixel = catchment.grid.resolution.x
    affine = catchment.grid.affine
    box = GeoBox(
        (rows, columns),
        Affine(affine.a * 2, 0, affine.c, 0, affine.e * 2, affine.f),
        catchment.grid.crs,
    )

    def image(number: int) -> np.ndarray:
        return vegetation.composite(
            catchment.ndvi_on(days[number]),
            days[number],
            pixel,
            stream(catchment.twin.seed, 2, number),
        )

    values = files.lazy_cube(
        [partial(image, number) for number in range(len(days))], (rows, columns)
    )
    name = "normalized_difference_vegetation_index"
    attributes = {"units": "1", "standard_name": name, "long_name": name.replace("_", " ")}
    return files.cube(values, np.array(days, dtype="datetime64[ns]"), box, attributes).to_dataset(
        name="ndvi"
    )
