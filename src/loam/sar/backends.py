"""Step `flatten-scenes`: from the products of some passes to gamma nought on the target grid, a file each.

Calibration, noise removal, terrain flattening and geocoding are one step: a file between them would be ten times the
size of the result (docs/decisions/0009).
"""

import hashlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
from tqdm import tqdm

from loam.config.base import Grid
from loam.config.sar import Flatten, Snap
from loam.core.errors import LoamError
from loam.core.flags import Mask
from loam.core.grid import target_grid
from loam.core.raster import atomic_write, write_cog
from loam.sar.flatten import flatten_pass, warn_of_short_margin
from loam.sar.heights import Terrain, read_terrain
from loam.sar.product import Product, read_product
from loam.sar.scenes import orbit_for, passes, scene_name, write_table
from loam.sar.snap import flatten_with_snap
from loam.sar.snap_workflow import SnapSettings


@dataclass(frozen=True)
class Task:
    """What every pass is flattened with."""

    polarisations: tuple[str, ...]
    orbits: list[Path]
    heights: Path  # of `prepare_heights`
    terrain: Terrain  # its content
    cfg: Flatten
    snap: Snap
    scratch: Path  # folder for files that a backend needs on its way
    threads: int


class Backend(Protocol):
    """One way from the products of a pass to gamma nought."""

    def __call__(self, slices: Sequence[Product], task: Task) -> xr.Dataset:
        """Flatten one pass.

        Args:
            slices: products of the pass, in order of time.
            task: what every pass is flattened with.

        Returns:
            `vv`, `vh` [linear power], `incidence` [degree], `mask` [bits], `(y, x)`; attribute `orbit`, what orbit was used.

        Raises:
            LoamError: the pass cannot be flattened; the others can.
        """


def by_loam(slices: Sequence[Product], task: Task) -> xr.Dataset:
    """Loam's own code."""
    orbit = orbit_for(slices, task.orbits)
    return flatten_pass(slices, task.polarisations, orbit, task.terrain, task.cfg, task.threads)


def by_snap(slices: Sequence[Product], task: Task) -> xr.Dataset:
    """SNAP through pyroSAR; what it leaves in the scratch folder is kept after a failure, for its log lies there."""
    scratch = task.scratch / scene_name(slices)
    products, settings = [one.path for one in slices], SnapSettings.of(task.cfg, task.snap)
    scene = flatten_with_snap(
        products,
        task.terrain.box,
        task.heights,
        True,
        settings,
        task.polarisations,
        scratch,
        task.threads,
    )
    shutil.rmtree(scratch)
    return scene


BACKENDS: dict[str, Backend] = {"loam": by_loam, "snap": by_snap}


def flatten_scenes(
    products: list[Path],
    orbits: list[Path],
    heights: Path,
    out: Path,
    polarisations: tuple[str, ...],
    grid: Grid,
    cfg: Flatten,
    backend: str,
    snap: Snap,
    threads: int,
) -> None:
    """Write gamma nought, local incidence angle and mask of every pass among the products as `{scene}.tif`.

    Args:
        products: SAFE folders or zips.
        orbits: orbit files; none: the annotations' orbits.
        heights: of `prepare_heights`.
        out: folder to write.
        polarisations: vv, vh.
        grid: section `grid`.
        cfg: section `sar.flatten`.
        backend: name of one of `BACKENDS`.
        snap: section `sar.snap`.
        threads: blocks worked on at once.
    """
    terrain = read_terrain(heights, target_grid(grid, None))
    warn_of_short_margin(terrain)
    groups = passes([read_product(path) for path in products])
    scratch = out.with_name(f"{out.name}.{backend}")
    task = Task(polarisations, orbits, heights, terrain, cfg, snap, scratch, threads)
    with atomic_write(out) as folder:
        folder.mkdir()
        rejected = []
        for slices in tqdm(groups, "scenes", unit="scene", disable=None):
            name = scene_name(slices)
            try:
                scene = BACKENDS[backend](slices, task)
            except LoamError as error:
                rejected.append((name, str(error)))
                continue
            told = scene.attrs | {"backend": backend, "digest": digest(scene)}
            write_cog(scene, folder / f"{name}.tif", _history(slices, cfg) | told)
        _report(rejected, folder, len(groups))


def _report(rejected: Sequence[tuple[str, str]], out: Path, passes_tried: int) -> None:
    """Say which passes failed: damage deep in a file shows only here, and must not hold up the others.

    Raises:
        LoamError: all did; then it is hardly the products.
    """
    if not rejected:
        return
    if len(rejected) == passes_tried:
        raise LoamError(rejected[0][1])
    for name, reason in rejected:
        logging.getLogger(__name__).error("%s: left out: %s", name, reason)
    write_table(out / "rejected.csv", ("scene", "reason"), rejected)


def digest(scene: xr.Dataset) -> str:
    """Fingerprint of a scene's pixels, 'empty' when it has none; the stack tells by it what has changed."""
    if bool((scene["mask"] & int(Mask.NO_OBSERVATION)).all()):
        return "empty"
    found = hashlib.sha256()
    for values in scene.data_vars.values():
        found.update(np.ascontiguousarray(values.values).tobytes())
    return found.hexdigest()[:16]


def _history(slices: Sequence[Product], cfg: Flatten) -> dict[str, str]:
    first = slices[0]
    return {
        "scene": scene_name(slices),
        "time": str(first.start),
        "track": first.track,
        "platform": first.platform,
        "products": ", ".join(product.path.name for product in slices),
        "backscatter_coefficient": "gamma nought",
        "thermal_noise_removed": str(cfg.thermal_noise),
        "border_noise_removed": str(cfg.border_noise),
    }
