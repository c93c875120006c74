"""Change detection against other ways to do the same, in one run; and streamed from disk, with its peak memory.

    .venv/bin/python benchmarks/change_detection.py [--size 2048] [--threads 2] [--stream 1024 2048 4096] [--folder /tmp]

First in memory, 100 dates in two tracks: beta, references of all tracks at 40 degrees, SSM of every date. Prints a table: seconds per
megapixel, and how many times as long as Loam. Slow references run on a smaller part, which is said. Then, with --stream, the steps
`fit-references` and `detect-change` as processes of their own on a Zarr of that edge: seconds, seconds per megapixel, peak memory.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.splits import Splits

DATES, LOW, HIGH = 100, 0.1, 0.9
BLOCK_PX = 1024  # the cube repeats a block of noise: its content does not matter, its size does


def cube(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level [dB] and angle [degree] `(time, y, x)` float32, and the track of every date."""
    rng = np.random.default_rng(0)
    tracks = np.array(["A004", "D106"])[np.arange(DATES) % 2]
    turns = np.where(tracks == "A004", 34.0, 43.0).astype(np.float32)[:, None, None]
    look = turns + rng.standard_normal((1, size, size), dtype=np.float32)
    level = 2 * rng.standard_normal((DATES, size, size), dtype=np.float32)
    level -= np.float32(0.13) * (look - 40) + np.float32(12)
    return level, look, tracks


def of_loam(
    level: np.ndarray, angle: np.ndarray, tracks: np.ndarray, threads: int, own: bool = False
) -> Callable[[], tuple]:
    """With standard errors, uncertainty and flags; `own`: references of each track too. Results go where pages are already."""
    from loam.moisture.fitting import fit_tracks
    from loam.moisture.scale import Moisture, Pixels, relative_moisture

    season, place = np.zeros(DATES, np.int64), (tracks == "D106").astype(np.int64)
    names = ["A004", "D106", "all"] if own else ["all"]
    variance = np.full(level.shape, 0.2, np.float32)
    out = Moisture(np.zeros_like(level), np.zeros_like(level), np.zeros(level.shape, np.int32))

    def work() -> tuple:
        fitted = fit_tracks(
            level, angle, tracks, names, (season, 1), (100 * LOW, 100 * HIGH), 1e9, None, threads
        )
        pixels = Pixels(fitted.layers[[0, 0]], fitted.layers[-1], fitted.slope)
        relative_moisture(
            level, variance, angle, pixels, place, season, np.int32(0), 3.0, threads, out
        )
        return fitted.layers[-1, 2], out.ssm

    return work


def of_xarray(level: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`cov / var` for beta, `quantile` (numbagg) for references."""
    sigma, theta = (xr.DataArray(values, dims=("time", "y", "x")) for values in (level, angle))
    beta = xr.cov(sigma, theta, dim="time", ddof=0) / theta.var("time")
    level40 = sigma - beta * (theta - 40)
    with xr.set_options(use_numbagg=True):
        low, high = level40.quantile(LOW, "time"), level40.quantile(HIGH, "time")
    sensitivity = (high - low) / (HIGH - LOW)
    ssm = ((level40 - (low - LOW * sensitivity)) / sensitivity).clip(0, 1)
    return sensitivity.values, ssm.astype(np.float32).values


def of_numpy(level: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums for beta, a sort for references."""
    away = angle - angle.mean(axis=0)
    beta = (away * (level - level.mean(axis=0))).sum(axis=0) / (away**2).sum(axis=0)
    level40 = level - beta * (angle - 40)
    ordered = np.sort(level40, axis=0)
    low, high = (_rank(ordered, share) for share in (LOW, HIGH))
    sensitivity = (high - low) / (HIGH - LOW)
    return sensitivity, ((level40 - (low - LOW * sensitivity)) / sensitivity).clip(0, 1)


def _rank(ordered: np.ndarray, share: float) -> np.ndarray:
    place = share * (len(ordered) - 1)
    below = int(place)
    return ordered[below] + (ordered[below + 1] - ordered[below]) * (place - below)


def of_pixels(level: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`apply_ufunc` over pixels: polyfit for beta, nanquantile for references."""

    def one(sigma: np.ndarray, theta: np.ndarray) -> np.ndarray:
        level40 = sigma - np.polyfit(theta, sigma, 1)[0] * (theta - 40)
        low, high = np.nanquantile(level40, [LOW, HIGH])
        sensitivity = (high - low) / (HIGH - LOW)
        return np.append(
            np.clip((level40 - (low - LOW * sensitivity)) / sensitivity, 0, 1), sensitivity
        )

    sigma, theta = (xr.DataArray(values, dims=("time", "y", "x")) for values in (level, angle))
    dims = {"input_core_dims": [["time"], ["time"]], "output_core_dims": [["out"]]}
    both = xr.apply_ufunc(one, sigma, theta, vectorize=True, **dims).values
    return both[..., -1], np.moveaxis(both[..., :-1], -1, 0)


# Other ways, and the edge of the part that each is measured on [pixel].
OTHERS = {
    "NumPy sums and sort": (of_numpy, 1024),
    "xarray cov/var and quantile (numbagg)": (of_xarray, 1024),
    "apply_ufunc polyfit, nanquantile": (of_pixels, 128),
}


def measured(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Shortest time of some runs [s], and the result."""
    best, result = np.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def in_memory(size: int, threads: int) -> None:
    """Measure all ways and print the table."""
    level, angle, tracks = cube(size)
    target = np.zeros_like(level)  # pages are there before the clock runs
    copied, _ = measured(lambda: np.copyto(target, level), 3)
    # Compiled, or read from the cache, before the clock runs.
    of_loam(level[:, :4].copy(), angle[:, :4].copy(), tracks, threads, own=True)()
    ways: dict[str, tuple[int, float, np.ndarray]] = {}
    for name, own in (
        ("Loam, with standard errors, uncertainty, flags", False),
        ("Loam, references of each track too", True),
    ):
        seconds, result = measured(of_loam(level, angle, tracks, threads, own), 3)
        ways[name] = (size, seconds, result[0])
    for name, (work, most) in OTHERS.items():
        part = min(size, most)
        few = (
            np.ascontiguousarray(level[:, :part, :part]),
            np.ascontiguousarray(angle[:, :part, :part]),
        )
        with warnings.catch_warnings(action="ignore"):
            seconds, result = measured(lambda work=work, few=few: work(*few))  # type: ignore[misc]
        ways[name] = (part, seconds, result[0])
    ways["plain copy of the cube"] = (size, copied, np.empty(0))
    report(ways, size, threads)


def report(ways: dict[str, tuple[int, float, np.ndarray]], size: int, threads: int) -> None:
    """Print the table, and how well the results agree."""
    per = {name: seconds / (part**2 / 1e6) for name, (part, seconds, _) in ways.items()}
    mine = next(iter(per))
    print(f"{DATES} dates x {size} x {size} pixels in memory, {threads} threads")
    print("| way | edge measured | s per megapixel | times Loam's |\n|---|---|---|---|")
    for name, seconds in per.items():
        print(f"| {name} | {ways[name][0]} | {seconds:.3f} | {seconds / per[mine]:.1f} |")
    print(f"Loam takes {per[mine] / per['plain copy of the cube']:.1f} times the copy")
    low, high = ((share * (DATES - 1) + 1) / (DATES + 1) for share in (LOW, HIGH))
    for name, (part, _, sensitivity) in list(ways.items())[2:-1]:
        spread = ways[mine][2][:part, :part] * (high - low)
        print(
            f"largest difference of P90 - P10 to {name}: {np.abs(spread - sensitivity * (HIGH - LOW)).max():.1e} dB"
        )


def write_cube(folder: Path, size: int, dates: int) -> None:
    """A stack of linear power with its companions, larger than memory if need be."""
    import dask.array as da
    import zarr
    from odc.geo.geobox import GeoBox

    from loam.core.grid import empty_like_grid
    from loam.core.raster import write_zarr, zarr_in_blocks

    box = GeoBox.from_bbox(
        (300000, 4000000, 300000 + 20 * size, 4000000 + 20 * size), "EPSG:32618", resolution=20
    )
    times = np.datetime64("2020-01-01", "ns") + np.arange(dates) * np.timedelta64(6, "D")
    coords = empty_like_grid(box) | {
        "time": times,
        "track": ("time", np.array(["A004", "D106"])[np.arange(dates) % 2]),
    }
    lazy = da.zeros((dates, size, size), dtype="f4", chunks=(32, 128, 128))
    template = xr.Dataset(
        {"vv": (("time", "y", "x"), lazy, {"units": "1", "long_name": "gamma nought VV"})},
        coords=coords,
    )
    noise = (
        np.random.default_rng(1)
        .gamma(4.4, 0.1 / 4.4, (dates, BLOCK_PX, BLOCK_PX))
        .astype(np.float32)
    )
    with zarr_in_blocks(
        template.odc.assign_crs(box.crs), folder / "stack.zarr", {"time": 32, "y": 128, "x": 128}
    ) as out:
        values = zarr.open_group(out, mode="r+")["vv"]
        for y in range(0, size, BLOCK_PX):
            for x in range(0, size, BLOCK_PX):
                values[:, y : y + BLOCK_PX, x : x + BLOCK_PX] = noise[:, : size - y, : size - x]
    days = np.datetime64("2020-01-01", "ns") + np.arange(6 * dates) * np.timedelta64(1, "D")
    mild = np.full((6 * dates, 2, 2), 12.0, np.float32)
    fields = {
        name: (("time", "y", "x"), mild, {"units": "1", "long_name": name})
        for name in ("temperature", "precipitation")
    }
    weather = xr.Dataset(fields, coords=empty_like_grid(box.zoom_out(size / 2)) | {"time": days})
    write_zarr(weather.odc.assign_crs(box.crs), folder / "weather.zarr")
    (folder / "splits.json").write_text(
        Splits({"train": tuple(str(time)[:19] for time in times)}, 128, (1, 1), (), 0, ()).as_json()
    )


def peak_memory_mb(process: subprocess.Popen) -> float:
    """Wait for a process, and tell its highest resident memory [MB]; as Linux keeps it for what runs now, without its parent's."""
    peak = 0.0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = max(
            [
                peak,
                *(
                    int(line.split()[1]) / 1024
                    for line in status.splitlines()
                    if line.startswith("VmHWM")
                ),
            ]
        )
        time.sleep(0.05)
    return peak


def streamed(size: int, dates: int, threads: int, folder: Path) -> None:
    """Run both steps on a cube of this edge, each as a process of its own, and print a row for each."""
    import yaml

    repository = Path(__file__).parents[1]
    moisture = yaml.safe_load((repository / "config/default.yaml").read_text())["moisture"]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        here = Path(name)
        write_cube(here, size, dates)
        common = {key: moisture[key] for key in ("signal", "vegetation", "compute")} | {
            "classes": None
        }
        for step, section in (("fit-references", "references"), ("detect-change", "change")):
            files = ["--stack", here / "stack.zarr", "--weather", here / "weather.zarr"]
            files += (
                ["--splits", here / "splits.json"]
                if step == "fit-references"
                else ["--references", here / "references.zarr"]
            )
            files += [
                "--out",
                here / ("references.zarr" if step == "fit-references" else "ssm.zarr"),
                "--threads",
                threads,
            ]
            command = [
                sys.executable,
                "-m",
                "loam",
                step,
                *map(str, files),
                "--params",
                json.dumps(common | {"cfg": moisture[section]}),
            ]
            start = time.perf_counter()
            process = subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": str(repository / "src")}
            )
            peak, before = peak_memory_mb(process), resource.getrusage(resource.RUSAGE_CHILDREN)
            process.wait()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = time.perf_counter() - start
            if process.returncode:
                sys.exit(f"{step} failed")
            user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
            print(
                f"| {step} | {size} | {seconds:.1f} | {user:.1f} | {system:.1f} | {peak:.0f} |",
                flush=True,
            )
        shutil.rmtree(here / "stack.zarr")


def main() -> None:
    """Measure in memory, then from disk."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, default=2048, help="edge of the cube in memory [pixel]; 0: none"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--stream",
        type=int,
        nargs="*",
        default=[],
        help="edges of cubes on disk [pixel]; 8192 takes 54 GB",
    )
    parser.add_argument(
        "--dates", type=int, default=DATES, help="of the cubes on disk; fewer need less disk"
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    if arguments.size:
        in_memory(arguments.size, arguments.threads)
    if arguments.stream:
        print(
            "| step | edge | wall [s] | user [s] | system [s] | peak memory [MB] |\n|---|---|---|---|---|---|"
        )
    for size in arguments.stream:
        streamed(size, arguments.dates, arguments.threads, arguments.folder)


if __name__ == "__main__":
    main()
