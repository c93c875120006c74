"""What the tests of the backend `snap` share: settings, a grid, rasters, and pyroSAR in a Python of its own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from helpers import REPOSITORY
from odc.geo.geobox import GeoBox
from sar import stub_snap

from loam.sar.snap import SnapSettings

SETTINGS = SnapSettings(
    thermal_noise=True,
    border_noise=True,
    gpt=None,
    memory_mb=8000,
    cache_mb=4000,
    operators_per_call=5,
    dem_resampling="BILINEAR_INTERPOLATION",
    image_resampling="BILINEAR_INTERPOLATION",
)
# Its pixels lie on no round numbers, so that they coincide with SNAP's only when SNAP is told.
BOX = GeoBox.from_bbox(
    (330007, 4290003, 330327, 4290243), "EPSG:32618", resolution=20, anchor="floating"
)


def write(path: Path, values: np.ndarray, on: GeoBox, nodata: float) -> None:
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "dtype": values.dtype,
    }
    with rasterio.open(
        path, "w", **profile, crs=on.crs.to_wkt(), transform=on.transform, nodata=nodata
    ) as band:
        band.write(values, 1)


class Backend:
    """pyroSAR's Python, kept running, with a home of its own."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder, self.python = folder, str(python)
        self.gpt = stub_snap.install(folder / "snap", self.python)
        self.calls = folder / "calls.jsonl"
        (folder / "home").mkdir()
        # Whatever asks for the network is to fail at once.
        nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
        place = {
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(REPOSITORY / "src"),
            "STUB_CALLS": str(self.calls),
        }
        with (folder / "stderr.txt").open("w") as log:
            self.process = subprocess.Popen(
                [self.python, str(Path(__file__).with_name("run_snap.py"))],
                env=os.environ | nowhere | place,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.folder / "stderr.txt").read_text()[-3000:]
        return json.loads(line)

    def seed_orbit(self, scene: dict[str, Any], kind: str = "POE") -> Path:
        """Put an orbit file where pyroSAR looks before it asks the network."""
        day = scene["start"][:8]
        folder = (
            self.folder
            / f"snap/auxdata/Orbits/Sentinel-1/{kind}ORB/{scene['sensor']}/{day[:4]}/{day[4:6]}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        path = (
            folder
            / f"{scene['sensor']}_OPER_AUX_{kind}ORB_OPOD_20990101T000000_V{day}T000000_{day}T235959.EOF.zip"
        )
        path.touch()
        return path
