"""One scene from GRD to gamma nought on the target grid, against `sarsen rtc` and a resampling, in one run.

    .venv/bin/python benchmarks/flattening.py [--pixels 1024] [--repeats 3] [--threads 2] [--folder FOLDER]

The twin writes an IW GRDH product (VV and VH, 10 m) of hills and a DEM of 20 m. Then whole commands are timed, imports
included, compiled code cached:

* Loam: `flatten-scenes`, both polarisations, noise removed, with local incidence angle, layover and shadow;
* sarsen: `sarsen rtc` (gamma_bilinear) of VV and of VH on the same DEM, each then resampled to the grid by rioxarray.

Peak memory is that of the largest process of each. Bars: twice the speed, half the memory.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

PIXEL_M, MARGIN_PX, CORNER, CRS = 20, 60, (330_000, 4_290_000), "EPSG:32618"
RESAMPLE = """
import sys, rioxarray, xarray as xr
scene, dem, out = sys.argv[1:]
like = rioxarray.open_rasterio(dem, chunks=512)
rioxarray.open_rasterio(scene, chunks=512).rio.reproject_match(like).rio.to_raster(out, compress="deflate")
"""


def make_scene(folder: Path, pixels: int) -> tuple[Path, Path, Path, tuple[float, ...]]:
    """Write a product, a DEM with a margin and one of the area alone; return their paths and the area."""
    import numpy as np
    import rasterio
    from odc.geo.geobox import GeoBox
    from scipy.ndimage import gaussian_filter

    from loam.twin.safe import Options, look_at, write_pass

    size, reach = pixels * PIXEL_M, MARGIN_PX * PIXEL_M
    area = (CORNER[0], CORNER[1], CORNER[0] + size, CORNER[1] + size)
    box = GeoBox.from_bbox(
        (area[0] - reach, area[1] - reach, area[2] + reach, area[3] + reach),
        CRS,
        resolution=PIXEL_M,
    )
    rng = np.random.default_rng(1)
    heights = gaussian_filter(rng.standard_normal(box.shape), 15)
    heights = (300 * heights / np.ptp(heights)).astype(np.float32)
    view = look_at(
        box, heights, incidence_deg=37.0, ascending=True, relative_orbit=4, inset_m=reach / 2
    )
    gamma0 = {"vv": np.full(box.shape, 0.1), "vh": np.full(box.shape, 0.02)}
    (product,) = write_pass(
        folder, view, gamma0, datetime(2022, 1, 1, 22, 50), "S1A", Options(), rng
    )
    wide, narrow = folder / "dem.tif", folder / "area.tif"
    for path, values, on in (
        (wide, heights, box),
        (narrow, heights[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX], box.pad(-MARGIN_PX)),
    ):
        where = {
            "height": values.shape[0],
            "width": values.shape[1],
            "crs": CRS,
            "transform": on.transform,
        }
        with rasterio.open(path, "w", driver="GTiff", dtype="float32", count=1, **where) as file:
            file.write(values, 1)
    return product, wide, narrow, area


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall time [s] and peak memory [MB] of a command; its output goes to a log, its failure stops everything."""
    start = time.perf_counter()
    with (folder / "log.txt").open("ab") as log:
        child = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), fd) for fd in (1, 2)],
        )
        _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(command)[:200]} failed; see {folder / 'log.txt'}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def commands(
    folder: Path, made: tuple[Path, Path, Path, tuple[float, ...]], threads: int
) -> dict[str, list[list[str]]]:
    """The commands of both ways."""
    product, wide, narrow, area = made
    grid = {"aoi": area, "crs": CRS, "resolution_m": PIXEL_M}
    loam, heights = [sys.executable, "-m", "loam"], str(folder / "heights.tif")
    terrain = {
        "heights": {"facet_m": 10, "margin_m": 1000},
        "source": {"path": str(wide), "geoid": "ellipsoid"},
        "grid": grid,
    }
    flatten = {"thermal_noise": True, "border_noise": True, "block_px": 512}
    snap = {"gpt": None, "memory_mb": 8192, "cache_mb": 4096, "operators_per_call": 5}  # not used
    snap |= dict.fromkeys(("dem_resampling", "image_resampling"), "BILINEAR_INTERPOLATION")
    settings = {
        "cfg": flatten,
        "backend": "loam",
        "snap": snap,
        "polarisations": ["vv", "vh"],
        "grid": grid,
    }
    sarsen = str(Path(sys.executable).parent / "sarsen")
    theirs = []
    for name in ("VV", "VH"):
        out = str(folder / f"{name}.tif")
        theirs += [
            [sarsen, "rtc", str(product), f"IW/{name}", str(narrow), "--output-urlpath", out]
        ]
        theirs += [
            [sys.executable, "-c", RESAMPLE, out, str(narrow), str(folder / f"{name}_grid.tif")]
        ]
    return {
        "heights": [
            [
                *loam,
                "prepare-heights",
                "--dem",
                str(wide),
                "--geoid",
                "--out",
                heights,
                "--params",
                json.dumps(terrain),
            ]
        ],
        "Loam": [
            [
                *loam,
                "flatten-scenes",
                "--products",
                str(product),
                "--heights",
                heights,
                "--out",
                str(folder / "out"),
                "--threads",
                str(threads),
                "--params",
                json.dumps(settings),
            ]
        ],
        "sarsen": theirs,
    }


def measure(steps: list[list[str]], folder: Path) -> tuple[float, float]:
    """Sum of times [s] and largest peak [MB] of some commands."""
    found = [run(command, folder) for command in steps]
    return sum(seconds for seconds, _ in found), max(peak for _, peak in found)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, default=None, help="keep the files here; else they go away"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own: a child's peak memory is never less than what its parent holds when it starts.
        with get_context("spawn").Pool(1) as pool:
            made = pool.apply(make_scene, (folder, arguments.pixels))
        steps = commands(folder, made, arguments.threads)
        run(steps["heights"][0], folder)
        measure(steps["Loam"], folder)  # compiles
        rounds = [
            {way: measure(steps[way], folder) for way in ("Loam", "sarsen")}
            for _ in range(arguments.repeats)
        ]
    seconds = {way: statistics.median(one[way][0] for one in rounds) for way in ("Loam", "sarsen")}
    peak = {way: statistics.median(one[way][1] for one in rounds) for way in ("Loam", "sarsen")}
    print(
        f"{arguments.pixels} x {arguments.pixels} pixels of 20 m, VV and VH, {arguments.threads} threads, median of {arguments.repeats}"
    )
    print(
        "| way | seconds a scene | times faster | peak memory [MB] | share of sarsen's |\n|---|---|---|---|---|"
    )
    for way in ("sarsen", "Loam"):
        share = peak[way] / peak["sarsen"]
        print(
            f"| {way} | {seconds[way]:.1f} | {seconds['sarsen'] / seconds[way]:.1f} | {peak[way]:.0f} | {share:.2f} |"
        )


if __name__ == "__main__":
    main()
