"""What a step that stopped for no reason of its own stopped at: a full disk, or an input that is not whole."""

import errno
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from loam.integrity import missing_chunk


def explain(error: BaseException, arguments: Mapping[str, Any]) -> str | None:
    """One line on why a step failed: a full disk, or an input that is not whole; None where neither is so.

    Args:
        error: what stopped it.
        arguments: of the step; paths among them are looked at.
    """
    if place := _full_disk(error):
        return f"{place}: the disk is full; free some space and run the same command again"
    for path in _paths(arguments.values()):
        if fault := damage(path):
            return f"{path}: is not whole ({fault}); remove it (rm -r {path}) and run the same snakemake command again, which makes it anew"
    return None


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether writing into a folder failed for want of room.

    Libraries in C say so in words of their own, or not at all: less than a megabyte left is full too.
    """
    return _full_disk(error) is not None or (isinstance(error, Exception) and shutil.disk_usage(folder).free < 2**20)


def _full_disk(error: BaseException | None) -> str | None:
    """File or word for it, where an error or one behind it is that of a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return str(error.filename or "output")
        error = error.__cause__ or error.__context__
    return None


def _paths(values: Iterable[Any]) -> Iterable[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from (each for each in value if isinstance(each, Path))


def damage(path: Path) -> str | None:
    """What is wrong with a file or folder that Loam has made; None where nothing is, or it is not there.

    It is read to its end: what is cut off shows nowhere else.
    """
    if path.is_dir() and path.suffix != ".zarr":
        found = ((part, damage(part)) for part in sorted(path.rglob("*.tif")))
        return next((f"{part.name}: {fault}" for part, fault in found if fault), None)
    if not path.exists():
        return None
    if path.is_file() and path.stat().st_size == 0:
        return "it is empty"
    try:
        READERS.get(path.suffix, _nothing)(path)
    except Exception as error:
        return str(error).partition("\n")[0][:100] or type(error).__name__
    return None


def _nothing(_path: Path) -> None:
    return


def _read_zarr(path: Path) -> None:
    import zarr

    if missing := missing_chunk(path):
        msg = f"{missing} is missing"
        raise ValueError(msg)
    group: Any = zarr.open_group(path, mode="r")
    for name, array in group.arrays():
        for chunk in (file for file in (path / name / "c").rglob("*") if file.is_file()):
            if chunk.stat().st_size == 0:
                msg = f"{chunk.relative_to(path)} is empty"
                raise ValueError(msg)
        step = array.chunks[0] if array.ndim else 1
        for start in range(0, array.shape[0] if array.ndim else 1, step):
            try:
                array[start : start + step] if array.ndim else array[()]
            except Exception as error:
                msg = f"{name}, from {start} on: {error}"
                raise ValueError(msg) from None


def _read_raster(path: Path) -> None:
    import rasterio

    with rasterio.open(path) as file:
        for band in range(1, file.count + 1):
            for _, window in file.block_windows(band):
                file.read(band, window=window)


def _read_netcdf(path: Path) -> None:
    import xarray as xr

    with xr.open_dataset(path) as data:
        for values in data.variables.values():
            for index in range(values.shape[0]) if values.ndim else ():
                values[index].load()


def _read_parquet(path: Path) -> None:
    import pyarrow.parquet as pq

    pq.read_table(path)


def _read_checkpoint(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if broken := file.testzip():
            msg = f"{broken} is damaged"
            raise ValueError(msg)


def _read_csv(path: Path) -> None:
    if not path.read_bytes().endswith(b"\n"):
        msg = "its last line has no end"
        raise ValueError(msg)


READERS: dict[str, Callable[[Path], Any]] = {
    ".zarr": _read_zarr,
    ".tif": _read_raster,
    ".nc": _read_netcdf,
    ".parquet": _read_parquet,
    ".ckpt": _read_checkpoint,
    ".json": lambda path: json.loads(path.read_text()),
    ".csv": _read_csv,
}
