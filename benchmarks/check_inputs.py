"""Memory and time of check-inputs beside a land cover of 36 000 x 36 000 pixels, a tile of WorldCover, over an area of 2 km.

`python benchmarks/check_inputs.py [pixels to the edge]` prints what the check takes with the land cover more than without it.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from loam import config
from loam.config.yaml_file import merged
from loam.core.grid import empty_like_grid
from loam.runtime import plan

BOX = GeoBox.from_bbox((321_000, 178_000, 323_000, 180_000), "EPSG:32632", resolution=20)
PEAK = "import resource, sys; "
PEAK += "from loam.runtime.command_line import main; code = main(); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def main(edge: int = 36_000) -> None:
    """Print memory [MB] and time [s] of the check, without a land cover and with one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_site(folder)
        write_land_cover(folder / "landcover.tif", edge)
        without, beside = (measured(folder, path) for path in (None, folder / "landcover.tif"))
    size = f"a land cover of {edge} x {edge} pixels"
    print(
        f"check-inputs beside {size}: {beside[0] - without[0]:.0f} MB and {beside[1] - without[1]:.1f} s more than without it"
    )
    print(
        f"without: {without[0]:.0f} MB, {without[1]:.1f} s; with: {beside[0]:.0f} MB, {beside[1]:.1f} s"
    )


def measured(folder: Path, landcover: Path | None) -> tuple[float, float]:
    """Largest memory [MB] and time [s] of one command."""
    period = {"start": "2020-03-01", "end": "2020-03-30"}
    sources = {
        "backscatter": {"kind": "cube", "path": str(folder / "cube.nc")},
        "weather": {"path": str(folder / "weather.nc")},
        "dem": {"path": str(folder / "dem.tif")},
        "landcover": {"path": landcover and str(landcover)},
    }
    grid = {"aoi": list(BOX.boundingbox), "crs": str(BOX.crs)}
    (folder / "config.json").write_text(
        json.dumps({"area": "a", "run": "b", "sources": sources, "grid": grid, "period": period})
    )
    cfg = config.load(merged([plan.DEFAULT, folder / "config.json"]))
    params = json.dumps({"cfg": cfg.model_dump(mode="json")})
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "check-inputs", "--params", params],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout.split()[-1]) / 1024, time.perf_counter() - start


def write_site(folder: Path) -> None:
    """A cube, weather and a DEM around the area."""
    days = np.datetime64("2020-01-01", "ns") + np.arange(90) * np.timedelta64(1, "D")
    write(folder / "cube.nc", BOX, days[60::6], track=("time", ["A"] * 5), vv=(-10.0, "dB", ""))
    rain, warm, wind = (
        (1.0, "mm", "precipitation_amount"),
        (5.0, "degC", "air_temperature"),
        (2.0, "m s-1", "wind_speed"),
    )
    write(folder / "weather.nc", BOX.zoom_out(50).pad(2), days, rain=rain, warm=warm, wind=wind)
    wide = BOX.pad(10)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": "float32",
        "height": wide.shape.y,
        "width": wide.shape.x,
    }
    with rasterio.open(
        folder / "dem.tif", "w", **profile, crs=str(wide.crs), transform=wide.transform
    ) as file:
        file.write(np.full(tuple(wide.shape), 10, np.float32), 1)


def write(
    path: Path,
    box: GeoBox,
    times: np.ndarray,
    track: object = None,
    **layers: tuple[float, str, str],
) -> None:
    """Constant variables `(time, y, x)`: value, units, standard name."""
    coords = empty_like_grid(box) | {"time": times} | ({} if track is None else {"track": track})
    shape = (len(times), *tuple(box.shape))
    made = {
        name: xr.DataArray(
            np.full(shape, value),
            dims=("time", "y", "x"),
            coords=coords,
            attrs={"units": units, "standard_name": standard},
        )
        for name, (value, units, standard) in layers.items()
    }
    xr.Dataset(made).odc.assign_crs(box.crs).to_netcdf(path)


def write_land_cover(path: Path, edge: int) -> None:
    """A tile of 3 degrees of whole classes, in the blocks of WorldCover's files."""
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": "uint8",
        "height": edge,
        "width": edge,
        "nodata": 0,
        "crs": "EPSG:4326",
    }
    tiles = {"tiled": True, "blockxsize": 1024, "blockysize": 1024, "compress": "deflate"}
    with rasterio.open(
        path, "w", **profile, **tiles, transform=Affine(3 / edge, 0, 6, 0, -3 / edge, 3)
    ) as file:
        for _, window in file.block_windows(1):
            file.write(np.full((window.height, window.width), 10, np.uint8), 1, window=window)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
