"""Covariates at true sizes: a county at 20 m over three years, interpolation of a patch, inverse distances, in one run.

    .venv/bin/python benchmarks/covariates.py [--county]

Synthetic files as providers write them are made in a temporary folder: GLO-30 tiles, gridMET, SSURGO, MOD13Q1 tiles.
Prints tables: what is measured, its figure, the bar.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter, map_coordinates

from loam import config
from loam.core.features import bilinear
from loam.sources.idw import distance_weights, weighted_means

# Bounding box of Prince George's County, EPSG:32618, in whole pixels of 20 m.
COUNTY = (318_000.0, 4_265_000.0, 357_000.0, 4_334_000.0)
YEARS = (2022, 2023, 2024)


def seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Median time of some calls, after one to warm up [s]."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def patch() -> None:
    """Ten days of six variables under 64 x 64 pixels of 20 m, of weather on 4 km cells."""
    rng = np.random.default_rng(0)
    values = rng.random((10, 6, 18, 12)).astype(np.float32)
    rows, columns = (np.mgrid[:64, :64] * 20 / 4000 + 5.3).astype(np.float64)
    expected = np.array(
        [
            map_coordinates(field, [rows, columns], order=1, mode="nearest")
            for field in values.reshape(-1, 18, 12)
        ]
    )
    error = np.abs(bilinear(values, rows, columns).reshape(expected.shape) - expected).max()
    print(
        f"| patch 64 x 64, 10 days x 6 variables | {1000 * seconds(lambda: bilinear(values, rows, columns), 50):.2f} ms | 1 ms |"
    )
    print(f"| largest difference from scipy | {error:.1e} | 1e-5 |")


def stations() -> None:
    """Fifty stations, 30 days, 2048 x 2048 pixels of 20 m: cells of 2 km, against a Python double loop over pixels."""
    rng = np.random.default_rng(1)
    places, values = rng.uniform(-40_000, 80_000, (50, 2)), rng.gamma(0.5, 8, (30, 50))
    centres = np.arange(-1000, 43_000, 2000.0)
    cells = np.column_stack([axis.ravel() for axis in np.meshgrid(centres, centres)])

    def coarse() -> np.ndarray:
        return weighted_means(distance_weights(cells, places, 2, 200_000), values, 3)

    sample = rng.uniform(0, 2048 * 20, (20, 2))
    start = time.perf_counter()
    direct = [[_one(place, places, day) for place in sample] for day in values]
    loop = (time.perf_counter() - start) / sample.shape[0] * 2048**2
    got = weighted_means(distance_weights(sample, places, 2, 200_000), values, 3)
    ours = seconds(coarse)
    print(
        f"| inverse distances, against a direct evaluation | {np.abs(got - np.array(direct)).max():.1e} | 1e-6 |"
    )
    print(
        f"| {len(cells)} cells of 2 km against a double loop over 2048² pixels | {loop / ours:.0f} times | 50 times |"
    )
    everywhere = _interpolated(coarse().reshape(30, centres.size, centres.size))
    fine = (
        seconds(
            lambda: weighted_means(distance_weights(_pixels(256), places, 2, 200_000), values, 3), 1
        )
        * 64
    )
    whole = seconds(everywhere, 1) + ours
    print(f"| the same, then interpolated to every pixel | {loop / whole:.0f} times | |")
    print(f"| without the coarse grid, every pixel by KD-tree | {loop / fine:.0f} times | |")


def _pixels(size: int) -> np.ndarray:
    axis = np.arange(size) * 20.0 + 10
    return np.column_stack([each.ravel() for each in np.meshgrid(axis, axis)])


def _interpolated(field: np.ndarray) -> Callable[[], object]:
    rows, columns = (np.mgrid[:2048, :2048] * 20 + 1010) / 2000
    return lambda: [bilinear(day, rows, columns) for day in field]


def _one(place: np.ndarray, stations: np.ndarray, values: np.ndarray) -> float:
    total = weight = 0.0
    for (x, y), value in zip(stations, values, strict=True):
        w = 1 / max(((x - place[0]) ** 2 + (y - place[1]) ** 2) ** 0.5, 1.0) ** 2
        total, weight = total + w * value, weight + w
    return total / weight


def write_dem(folder: Path, rng: np.random.Generator) -> None:
    """Two tiles of a degree of one arc second, hills of some 60 m."""
    folder.mkdir()
    for west in (-78, -77):
        height = 80 + 600 * gaussian_filter(
            rng.standard_normal((3600, 3600)).astype(np.float32), 12
        )
        _tiff(
            folder / f"dem_w{-west}.tif",
            height.astype(np.float32),
            "EPSG:4326",
            from_origin(west, 39 + 0.2, 1 / 3600, 1 / 3600),
        )


def write_weather(folder: Path, rng: np.random.Generator) -> None:
    """GridMET over the eastern states, a file a year and variable."""
    folder.mkdir()
    latitude, longitude = np.arange(41, 37, -1 / 24), np.arange(-79, -75, 1 / 24)
    known = {
        "pr": ("precipitation_amount", "mm", 5),
        "tmmn": ("air_temperature", "K", 280),
        "tmmx": ("air_temperature", "K", 290),
        "rmin": ("relative_humidity", "%", 40),
        "rmax": ("relative_humidity", "%", 90),
        "vs": ("wind_speed", "m/s", 3),
        "srad": ("surface_downwelling_shortwave_flux_in_air", "W m-2", 180),
    }
    for year in (YEARS[0] - 1, *YEARS):
        time_axis = pd.date_range(f"{year}-01-01", f"{year}-12-31")
        for stem, (name, units, mean) in known.items():
            values = (
                mean
                * (1 + 0.01 * rng.standard_normal((time_axis.size, latitude.size, longitude.size)))
            ).astype(np.float32)
            data = xr.DataArray(
                values,
                dims=("day", "lat", "lon"),
                coords={"day": time_axis, "lat": latitude, "lon": longitude},
                name=name,
            )
            data.attrs["units"], data["lat"].attrs["units"] = units, "degrees_north"
            data.to_netcdf(folder / f"{stem}_{year}.nc")


def write_soil(folder: Path, rng: np.random.Generator) -> None:
    """SSURGO: map units of some 12 ha on 30 m, with two components of three horizons each."""
    folder.mkdir()
    west, south, east, north = COUNTY
    shape = (int((north - south) // 30) + 200, int((east - west) // 30) + 200)
    patches = gaussian_filter(rng.standard_normal(shape), 6)
    keys = (
        120_000 + np.digitize(patches, np.quantile(patches, np.linspace(0, 1, 301)[1:-1]))
    ).astype(np.int32)
    _tiff(folder / "mukey.tif", keys, "EPSG:32618", from_origin(west - 3000, north + 3000, 30, 30))
    mukey = np.repeat(np.arange(120_000, 120_300), 2)
    cokey = np.arange(mukey.size)
    pd.DataFrame({"mukey": mukey, "cokey": cokey, "comppct_r": np.tile([60, 30], 300)}).to_csv(
        folder / "component.csv", index=False
    )
    sand, clay = rng.uniform(10, 60, 3 * cokey.size), rng.uniform(5, 35, 3 * cokey.size)
    pd.DataFrame(
        {
            "cokey": np.repeat(cokey, 3),
            "hzdept_r": np.tile([0, 15, 40], cokey.size),
            "hzdepb_r": np.tile([15, 40, 150], cokey.size),
            "sandtotal_r": sand,
            "claytotal_r": clay,
            "om_r": 2.0,
            "ksat_r": rng.uniform(1, 30, sand.size),
            "dbthirdbar_r": 1.4,
        }
    ).to_csv(folder / "chorizon.csv", index=False)
    groups = pd.DataFrame(
        {"mukey": np.arange(120_000, 120_300), "hydgrpdcd": rng.choice(list("ABCD"), 300)}
    )
    groups.to_csv(folder / "muaggatt.csv", index=False)


def write_ndvi(folder: Path, rng: np.random.Generator) -> None:
    """MOD13Q1: whole tiles of 4800 x 4800 pixels every 16 days, with their reliability."""
    folder.mkdir()
    pixel = 231.65635826385406
    crs = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
    tiles = {
        "h11v05": from_origin(-7783653.637667, 4447802.078667, pixel, pixel),
        "h12v05": from_origin(-6671703.118, 4447802.078667, pixel, pixel),
    }
    field = (6000 + 1500 * gaussian_filter(rng.standard_normal((600, 600)), 3) * 6).astype(np.int16)
    for year in YEARS:
        for day in range(1, 366, 16):
            for name, affine in tiles.items():
                values = np.tile(
                    np.clip(field + rng.integers(-500, 500), -2000, 9999).astype(np.int16), (8, 8)
                )
                quality = np.tile((rng.random((600, 600)) < 0.2).astype(np.int8) * 3, (8, 8))
                stem = f"MOD13Q1.A{year}{day:03d}.{name}.061"
                _tiff(folder / f"{stem}.250m_16_days_NDVI.tif", values, crs, affine)
                _tiff(folder / f"{stem}.250m_16_days_pixel_reliability.tif", quality, crs, affine)


def _tiff(path: Path, values: np.ndarray, crs: str, affine: rasterio.Affine) -> None:
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": values.dtype,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": crs,
    }
    with rasterio.open(path, "w", transform=affine, tiled=True, compress="lzw", **profile) as file:
        file.write(values, 1)


def commands(cfg: config.Config, work: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands that the workflow runs for the covariates, in its order."""
    files = {
        name: [str(path) for path in cfg.sources.files(name)]
        for name in ("weather", "dem", "soil", "ndvi")
    }
    grid = {"grid": cfg.grid, "cube": None}

    def call(name: str, options: list[str], **params: object) -> tuple[str, list[str]]:
        return name, [
            sys.executable,
            "-m",
            "loam",
            name,
            *options,
            *(["--params", config.as_json(params)] if params else []),
        ]

    made = {
        name: str(work / f"{name}.zarr")
        for name in ("daily", "soil", "looks", "static", "weather", "ndvi")
    }
    dem, cov = str(work / "mosaic.tif"), cfg.covariates
    yield call("mosaic-dem", ["--dem", *files["dem"], "--out", dem], **grid, margin_m=1000)
    yield call(
        "import-weather",
        ["--weather", *files["weather"], "--out", made["daily"]],
        source=cfg.sources.weather,
        period=cfg.period,
        **grid,
    )
    yield call(
        "import-soil",
        ["--soil", *files["soil"], "--out", made["soil"]],
        source=cfg.sources.soil,
        **grid,
    )
    yield call(
        "import-ndvi",
        ["--ndvi", *files["ndvi"], "--out", made["looks"]],
        source=cfg.sources.ndvi,
        **grid,
    )
    static = ["--dem", dem, "--soil", made["soil"], "--out", made["static"]]
    yield call("prepare-static", static, cfg=cov.static, properties=cfg.sources.soil, **grid)
    yield call(
        "prepare-weather",
        ["--weather", made["daily"], "--dem", dem, "--out", made["weather"]],
        cfg=cov.weather,
        **grid,
    )
    yield call(
        "prepare-ndvi",
        ["--ndvi", made["looks"], "--out", made["ndvi"]],
        cfg=cov.ndvi,
        source=cfg.sources.ndvi,
        **grid,
    )
    report = [
        "--static",
        made["static"],
        "--weather",
        made["weather"],
        "--ndvi",
        made["ndvi"],
        "--out",
        str(work / "report.json"),
    ]
    yield call("report-covariates", report)


def county() -> None:
    """All covariates of the county for three years, from local files."""
    import yaml

    home = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        inputs, work, rng = Path(folder) / "input", Path(folder) / "work", np.random.default_rng(2)
        inputs.mkdir(), work.mkdir()
        for name, write in {
            "dem": write_dem,
            "weather": write_weather,
            "soil": write_soil,
            "ndvi": write_ndvi,
        }.items():
            write(inputs / name, rng)
        raw = yaml.safe_load((home / "config/default.yaml").read_text()) | {
            "area": "county",
            "run": "county",
        }
        raw["period"] = {"start": f"{YEARS[0]}-01-01", "end": f"{YEARS[-1]}-12-31"}
        raw["grid"] = {"aoi": list(COUNTY), "crs": "EPSG:32618", "resolution_m": 20}
        for name, kind in {"weather": "gridmet", "soil": "ssurgo", "ndvi": "mod13q1"}.items():
            raw["sources"][name] |= {"kind": kind, "path": str(inputs / name)}
        raw["sources"]["dem"] |= {"path": str(inputs / "dem/*.tif"), "geoid": "ellipsoid"}
        cfg = config.load(raw)
        shape = GeoBox.from_bbox(COUNTY, "EPSG:32618", resolution=20).shape
        print(
            f"\ncounty: {shape.y} x {shape.x} pixels of 20 m, {YEARS[0]} to {YEARS[-1]}, a process per step\n"
        )
        print("| step | seconds | peak memory [MB] | on disk [MB] |\n|---|---|---|---|")
        measure(cfg, work)


def measure(cfg: config.Config, work: Path) -> None:
    """Run the commands; print time and peak memory of each, and what lies on disk."""
    total, peak = 0.0, 0.0
    for name, command in commands(cfg, work):
        before, start = size_mb(work), time.perf_counter()
        with (work.parent / "said.txt").open("w") as said:
            process = subprocess.Popen(
                command,
                stderr=said,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
            )
            memory = watched_peak_mb(process)
        if process.returncode:
            sys.exit(f"{name} failed: {(work.parent / 'said.txt').read_text()[-2000:]}")
        spent = time.perf_counter() - start
        total, peak = total + spent, max(peak, memory)
        print(f"| {name} | {spent:.1f} | {memory:.0f} | {size_mb(work) - before:.1f} |", flush=True)
    kept = sum(size_mb(work / f"{name}.zarr") for name in ("static", "weather", "ndvi"))
    print(
        f"| all, one after the other | {total:.0f} | {peak:.0f} | {size_mb(work):.0f} |\n| bar | 180 | 2048 | 500 |"
    )
    print(f"\nof these, the covariates themselves: {kept:.0f} MB; missing shares:")
    told = json.loads((work / "report.json").read_text())
    print(
        {
            name: round(entry["missing_share"], 4)
            for name, entry in told.items()
            if entry["missing_share"]
        }
    )


def watched_peak_mb(process: subprocess.Popen[bytes]) -> float:
    """Peak memory of a process until it ends [MB]; what `wait4` tells would include that of this one, its parent."""
    peak = 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
        time.sleep(0.02)
    return peak


def size_mb(path: Path) -> float:
    """What a folder holds [MB]."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) / 1e6


def main() -> None:
    """Print all tables; the county only when it is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--county",
        action="store_true",
        help="the county too: some minutes, 2 GB of temporary files",
    )
    arguments = parser.parse_args()
    print("| what | figure | bar |\n|---|---|---|")
    patch()
    stations()
    if arguments.county:
        county()


if __name__ == "__main__":
    main()
