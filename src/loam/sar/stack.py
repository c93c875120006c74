"""Step `stack-scenes`: the scenes of an area as time series, extended by what is new."""

import itertools
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import rasterio
import xarray as xr
import zarr
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from loam.config.base import Grid
from loam.core.atomic_write import clone
from loam.core.errors import LoamError
from loam.core.flags import layer_attributes
from loam.core.grid import empty_like_grid, target_grid
from loam.core.integrity import seal
from loam.core.raster import atomic_write, open_dataset, write_zarr

# A new scene rewrites at most this many dates; a series of three years is read from a dozen chunks.
CHUNKS = {"time": 32, "y": 128, "x": 128}
ROWS = 256  # read at once from every scene of a chunk
TIMED = {"time", "track", "platform", "digest"}
SPARE = "digest/group.json"  # a copy of zarr.json, inside an array, where Zarr looks for no members


@dataclass(frozen=True)
class Scene:
    """One scene's file and its tags."""

    path: Path
    time: np.datetime64
    track: str
    platform: str
    digest: str
    bands: tuple[str, ...]


def stack_scenes(folders: list[Path], out: Path, grid: Grid, code: str, threads: int) -> None:
    """Write every scene of some folders into `stack.zarr`; dates that it already holds stay.

    Args:
        folders: with one GeoTIFF per scene.
        out: the stack, a Zarr.
        grid: section `grid`.
        code: fingerprint of this step; a stack that other code made is made again.
        threads: that write.
    """
    box = target_grid(grid, None)
    scenes = find_files(folders, box)
    kept = unchanged(out, scenes, box, code)
    # Snakemake looks at the content of so small a file as zarr.json: what reads the stack runs again when this changes, and only then.
    content = sha256("".join(scene.digest for scene in scenes).encode()).hexdigest()[:16]
    if kept == len(scenes) and zarr.open_group(out, mode="r").attrs.get("content") == content:
        return
    with dask.config.set(scheduler="threads", num_workers=threads), atomic_write(out) as partial:
        if kept == 0:
            write_zarr(as_stack(scenes, box, code), partial, CHUNKS)
        else:
            clone(out, partial)
            extend(
                partial, as_stack(scenes[kept:], box, code) if kept < len(scenes) else None, kept
            )
        seal(partial)
        attributes = zarr.open_group(partial, mode="r+").attrs
        # In one order, however the stack was made.
        attributes.put(dict(sorted((dict(attributes) | {"content": content}).items())))
        shutil.copyfile(partial / "zarr.json", partial / SPARE)


def find_files(folders: Sequence[Path], box: GeoBox) -> list[Scene]:
    """Scenes in folders, in order of time; those without a single value are left out, with a line in the log.

    Raises:
        LoamError: there is none, two have one time, or one lies on another grid.
    """
    scenes = sorted(
        (_scene(path, box) for folder in folders for path in folder.glob("*.tif")),
        key=lambda scene: scene.time,
    )
    seen = [scene for scene in scenes if scene.digest != "empty"]
    for scene in scenes:
        if scene.digest == "empty":
            logging.getLogger(__name__).warning(
                "%s: sees nothing of the area; left out of the stack", scene.path
            )
    if not seen:
        msg = f"{folders[0].parent if folders else 'gamma0'}: no scene sees the area; change grid.aoi, the period, or bring other scenes"
        raise LoamError(msg)
    for one, other in itertools.pairwise(seen):
        if one.time == other.time:
            msg = f"{other.path}: has the time of {one.path.name}; remove one of the two products"
            raise LoamError(msg)
    return seen


def _scene(path: Path, box: GeoBox) -> Scene:
    with rasterio.open(path) as file:
        tags = file.tags()
        if file.shape != tuple(box.shape) or not file.transform.almost_equals(box.transform, 1e-6):
            msg = f"{path}: lies on another grid; remove it and run again"
            raise LoamError(msg)
        return Scene(
            path,
            np.datetime64(tags["time"], "ns"),
            tags["track"],
            tags["platform"],
            tags["digest"],
            file.descriptions,
        )


def unchanged(out: Path, scenes: Sequence[Scene], box: GeoBox, code: str) -> int:
    """Number of dates, in whole chunks, that a stack already holds as they should be; 0 when all must be written.

    All of them when nothing has changed.

    Args:
        out: the stack that is there.
        scenes: scenes that it should hold, in order of time.
        box: its grid.
        code: fingerprint of the code and settings that make it.
    """
    if not (out / "digest").exists():
        return 0
    try:
        if (
            not (out / "zarr.json").exists() and (out / SPARE).exists()
        ):  # it was removed to have the stack made again
            shutil.copyfile(out / SPARE, out / "zarr.json")
        stack = open_dataset(out)
        same = (
            stack.odc.geobox == box
            and set(stack.data_vars) == set(scenes[0].bands)
            and stack.attrs.get("code") == code
        )
        held = list(stack["digest"].values) if same else []
    except (LoamError, KeyError, ValueError) as error:
        logging.getLogger(__name__).warning("%s: is damaged (%s); made again", out, error)
        return 0
    wanted = [scene.digest for scene in scenes]
    first = next(
        (n for n, pair in enumerate(zip(held, wanted, strict=False)) if pair[0] != pair[1]),
        min(len(held), len(wanted)),
    )
    whole = first == len(held) == len(wanted)
    return first if whole else first - first % CHUNKS["time"]


def as_stack(scenes: Sequence[Scene], box: GeoBox, code: str) -> xr.Dataset:
    """Scenes as a lazy dataset `(time, y, x)`: backscatter, angle and mask with track, platform and digest."""
    times = np.array([scene.time for scene in scenes], dtype="datetime64[ns]")
    coords: dict[str, Any] = {
        "time": ("time", times, {"standard_name": "time", "long_name": "time (UTC)"}),
        **empty_like_grid(box),
    }
    layers = {
        name: (
            ("time", "y", "x"),
            _lazy(
                [scene.path for scene in scenes],
                band,
                box,
                np.uint8 if name == "mask" else np.float32,
            ),
            layer_attributes(name),
        )
        for band, name in enumerate(scenes[0].bands, start=1)
    }
    for name in ("track", "platform", "digest"):
        coords[name] = ("time", np.array([getattr(scene, name) for scene in scenes]))
    attributes_of_all = {
        "backscatter_coefficient": "gamma nought",
        "source": "Sentinel-1 IW GRD",
        "code": code,
    }
    return xr.Dataset(layers, coords=coords, attrs=attributes_of_all)


def _lazy(paths: Sequence[Path], band: int, box: GeoBox, kind: type) -> da.Array:
    height, width = (int(size) for size in box.shape)
    spans = [
        tuple(min(step, size - start) for start in range(0, size, step))
        for size, step in ((len(paths), CHUNKS["time"]), (height, ROWS))
    ]
    read = partial(_read, paths=list(paths), band=band, kind=kind)
    return da.map_blocks(
        read, chunks=(*spans, (width,)), dtype=kind, meta=np.empty((0, 0, 0), dtype=kind)
    )


def _read(paths: Sequence[Path], band: int, kind: type, block_info: Any = None) -> np.ndarray:
    (first, last), (top, bottom), (left, right) = block_info[None]["array-location"]
    images = []
    for path in paths[first:last]:
        with rasterio.open(path) as file:
            images.append(
                file.read(band, window=Window(left, top, right - left, bottom - top)).astype(kind)
            )
    return np.stack(images)


def extend(path: Path, data: xr.Dataset | None, kept: int) -> None:
    """Cut a stack after some dates, and write others behind them; the files of what stays are not touched.

    Args:
        path: the Zarr, a clone whose files another one shares: files are replaced, never written into.
        data: dates to add, None for none.
        kept: dates that stay, in whole chunks.
    """
    group = zarr.open_group(path, mode="r+")
    for name, array in group.arrays():
        if TIMED.issuperset({name}) or array.ndim == 3:
            array.resize((kept, *array.shape[1:]))
    if data is None:
        return
    text = {
        name: data[name].astype(np.dtypes.StringDType())
        for name in data.coords
        if data[name].dtype.kind == "U"
    }
    data.assign_coords(text).drop_vars("spatial_ref").to_zarr(
        path, append_dim="time", zarr_format=3, consolidated=False, write_empty_chunks=True
    )
