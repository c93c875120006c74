"""One day of a county, wall to wall: seconds, processor seconds and peak memory, for the plain ConvLSTM and lean networks.

    PYTHONPATH=src .venv/bin/python benchmarks/prediction.py [--threads 2] [--tile-px 256] [--cases exact lean default]

Writes a synthetic county of 1760 x 1762 pixels of 20 m (3.1 megapixels) with 13 static channels, weather on 4 km and NDVI on
250 m, and runs prediction of a day in a process of its own for each network, reading, Zarr and, where the network is shown them,
labels of 90 days included. Prints a table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from loam.core.splits import Splits

SHAPE, STATIC, PAST_DAYS, LONGEST = (1760, 1762), 13, 90, 60
# Arguments of the network, days of the window, and whether it is shown antecedent labels.
CASES: dict[str, tuple[dict[str, Any], int, bool]] = {
    "exact": (
        {"architecture": "convlstm", "hidden_channels": [24], "kernel_size": 3, "stride": 1},
        10,
        False,
    ),
    "lean": (
        {"architecture": "convlstm", "hidden_channels": [24], "kernel_size": 3, "stride": 4},
        10,
        False,
    ),
    "default": (
        {"architecture": "reservoirs", "stores": 16, "kernel_size": 3, "stride": 4},
        60,
        True,
    ),
}


def write_county(folder: Path, days: int = LONGEST) -> None:
    """Covariates and labels of a county as noise."""
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from loam.core.features import WEATHER
    from loam.core.grid import empty_like_grid
    from loam.core.raster import write_zarr

    rng = np.random.default_rng(0)
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + 20 * SHAPE[1], 4290000 + 20 * SHAPE[0]),
        "EPSG:32618",
        resolution=20,
    )

    def write(
        name: str,
        on: GeoBox,
        leading: str,
        values: np.ndarray,
        chunks: dict[str, int],
        **layers: np.ndarray,
    ) -> None:
        data = {
            key: ((leading, "y", "x"), layer, {"units": "1", "long_name": key})
            for key, layer in layers.items()
        }
        write_zarr(
            xr.Dataset(data, coords=empty_like_grid(on) | {leading: values}).odc.assign_crs(on.crs),
            folder / name,
            chunks,
        )

    daily = np.datetime64("2022-01-01", "ns") + np.arange(days + 1) * np.timedelta64(1, "D")
    coarse, fine = box.zoom_out(200), box.zoom_out(12.5)
    write(
        "weather.zarr",
        coarse,
        "time",
        daily,
        {},
        **{name: rng.random((days + 1, *coarse.shape)).astype(np.float32) for name in WEATHER},
    )
    looks = {name: rng.random((1, *fine.shape)).astype(np.float32) for name in ("ndvi", "age")}
    write("ndvi.zarr", fine, "time", daily[:1], {}, **looks)
    names = np.array([f"c{number}" for number in range(STATIC - 2)])
    write(
        "static.zarr",
        box,
        "channel",
        names,
        {},
        static=rng.random((STATIC - 2, *SHAPE)).astype(np.float32),
    )
    # 30 acquisitions up to the day.
    times = daily[-1] - np.arange(30)[::-1] * np.timedelta64(3, "D") + np.timedelta64(5, "h")
    ssm = np.broadcast_to(rng.random(SHAPE).astype(np.float32), (len(times), *SHAPE))
    flags = np.zeros(ssm.shape, np.int32)
    write(
        "ssm.zarr",
        box,
        "time",
        times,
        {"time": 16, "y": 256, "x": 256},
        ssm=ssm,
        ssm_uncertainty=ssm * 0.1 + 0.05,
        flags=flags,
    )
    texts = [str(time)[:19] for time in times]
    splits = {
        "dates": {"train": texts},
        "blocks": {"px": 128, "shape": [14, 14], "test": [], "buffer_px": 0},
        "random": [],
    }
    (folder / "splits.json").write_text(json.dumps(splits))


def predict_once(folder: Path, case: str, tile_px: int, threads: int) -> None:
    """Predict the last day in this process and print seconds, processor seconds and peak memory [MB]."""
    import torch

    from loam.core.features import COVARIATES, WEATHER, open_covariates
    from loam.core.labels import unpack
    from loam.learning.architectures import build
    from loam.learning.prediction import Inputs, write_days

    torch.set_num_threads(threads)
    arguments, days, past = CASES[case]
    channels = STATIC + 4 * past
    plain = {"dynamic_mean": [0.0] * len(WEATHER), "dynamic_deviation": [1.0] * len(WEATHER)}
    plain |= {"static_mean": [0.0] * channels, "static_deviation": [1.0] * channels}
    model = build(
        **arguments, dynamic_channels=len(WEATHER), static_channels=channels, statistics=plain
    )
    start = time.perf_counter(), time.process_time()
    covariates = open_covariates([folder / f"{name}.zarr" for name in COVARIATES])
    splits = Splits.read(folder / "splits.json")
    labels = unpack(folder / "ssm.zarr", splits, folder / "labels") if past else None
    inputs = Inputs(covariates, days, "sequence", labels, PAST_DAYS)
    write_days(model.eval(), inputs, covariates.weather.times[-1:], folder / "out.zarr", tile_px)
    spent = time.perf_counter() - start[0], time.process_time() - start[1]
    print(*spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tile-px", type=int, default=256)
    parser.add_argument("--cases", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.folder:
        predict_once(arguments.folder, arguments.cases[0], arguments.tile_px, arguments.threads)
        return
    print(
        f"{SHAPE[0]} x {SHAPE[1]} pixels, tiles of {arguments.tile_px} pixels, {arguments.threads} threads"
    )
    print("| network | s | processor s | peak memory [MB] |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_county(Path(folder))
        for case in arguments.cases:
            command = [sys.executable, __file__, *sys.argv[1:], "--folder", folder, "--cases", case]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            seconds, processor, memory = map(float, done.stdout.split())
            print(f"| {case} | {seconds:.0f} | {processor:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
