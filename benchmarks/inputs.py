"""What a check of the inputs costs beside a land-cover map of a continent's tile: memory and time of `check-inputs`.

A map of 36000 x 36000 pixels of random classes, as large as a tile of ESA WorldCover, lies under an area of 2 km. Bars: at most
300 MB more than the process has before, and 10 s. The reference is the same map read whole, as numpy and rasterio do it.

    python benchmarks/inputs.py
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

SIZE_PX = 36000
WEST, NORTH = 6.0, 3.0  # of a tile of 3 degrees


def write_map(path: Path) -> None:
    """A tile with classes that change from pixel to pixel."""
    classes = np.random.default_rng(1).choice(np.array([10, 20, 30, 40, 50, 60, 80], np.uint8), (1024, 1024))
    profile = {"driver": "GTiff", "count": 1, "height": SIZE_PX, "width": SIZE_PX, "dtype": "uint8", "crs": "EPSG:4326", "nodata": 0}
    step = 3 / SIZE_PX
    layout = {"tiled": True, "blockxsize": 1024, "blockysize": 1024, "compress": "deflate", "num_threads": "all_cpus"}
    with rasterio.open(path, "w", transform=Affine(step, 0, WEST, 0, -step, NORTH), **profile, **layout) as file:
        for _, window in file.block_windows(1):
            file.write(classes[: window.height, : window.width], 1, window=window)


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def checked(path: str) -> None:
    """Print seconds and memory of the check of the map."""
    from loam.config import LandCover, Legend
    from loam.sources.check import check_landcover

    legend = Legend(water=(80,), built_up=(50,), forest=(10,))
    source = LandCover(path=path, legend="worldcover", legends={"worldcover": legend})
    box = GeoBox.from_bbox((322000, 166000, 324000, 168000), "EPSG:32632", resolution=20)
    before, start = peak_mb(), time.perf_counter()
    check_landcover([Path(path)], source, box)
    print(time.perf_counter() - start, peak_mb() - before)


def whole(path: str) -> None:
    """Print seconds and memory of the map read whole."""
    before, start = peak_mb(), time.perf_counter()
    with rasterio.open(path) as file:
        np.unique(file.read(1)[::100])
    print(time.perf_counter() - start, peak_mb() - before)


def main() -> None:
    """Measure each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "landcover.tif"
        write_map(path)
        print(f"a map of {SIZE_PX} x {SIZE_PX} pixels, {path.stat().st_size / 1e6:.0f} MB on disk, an area of 100 x 100 pixels")
        for name, bar in (("checked", "bars 10 s, 300 MB"), ("whole", "the reference")):
            done = subprocess.run([sys.executable, __file__, name, str(path)], capture_output=True, text=True, check=True)
            seconds, memory = map(float, done.stdout.split())
            print(f"{name:8s} {seconds:7.2f} s {memory:7.0f} MB more ({bar})")


if __name__ == "__main__":
    {"checked": checked, "whole": whole}[sys.argv[1]](sys.argv[2]) if len(sys.argv) > 2 else main()
