"""What a step that stopped for no reason of its own stopped at: a full disk, or an input that is not whole."""

import json
import os
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from loam.core.atomic_write import full_disk
from loam.core.errors import LoamError
from loam.core.integrity import missing_chunk


def explain(error: BaseException, arguments: Mapping[str, Any]) -> str | None:
    """One line on why a step failed: a full disk, or an input that is not whole; None where neither is so.

    Args:
        error: what stopped it.
        arguments: of the step; paths among them are looked at.
    """
    if place := full_disk(error):
        return f"{place}: the disk is full; free some space and run the same command again"
    for path in _paths(arguments.values()):
        if fault := damage(path):
            remedy = f"remove it (rm -r {path}) and run the same snakemake command again, which makes it again"
            return f"{path}: is not whole ({fault}); if it is yours replace it, and if Loam made it {remedy}"
    return None


def last_words(error: Exception, arguments: Mapping[str, Any], command: str) -> str:
    """One line on whatever stopped a step; the traceback of what nobody expected goes to a file, which the line names.

    Args:
        error: what stopped it.
        arguments: of the step, as for `explain`.
        command: name of the step.
    """
    if reason := explain(error, arguments):
        return reason
    words = str(LoamError(str(error).strip().partition("\n")[0][:200])) or "no reason given"
    if isinstance(error, MemoryError):
        return f"there is too little memory ({words}); give the job more, or make the area smaller"
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("loam"):
        return f"Python has no {error.name}; install it, or let Snakemake make the environments (--sdm conda)"
    if isinstance(error, BrokenPipeError):
        return "whoever read its output has gone"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}; let this user read and write there, and run the same command again"
    if isinstance(error, FileNotFoundError) and (
        gone := [path for path in _paths(arguments.values()) if str(path) in str(error)]
    ):
        return f"{gone[0]}: does not exist; name a file that is there, or let Snakemake make it"
    place = _keep_traceback(error, command)
    return f"stopped by {type(error).__name__} ({words}), which Loam did not expect; report it with the traceback, which is {place}"


def _keep_traceback(error: Exception, command: str) -> str:
    """Write a traceback beside the log, or into the folder for temporary files, and say where it is."""
    text = "".join(traceback.format_exception(error))
    log = _log_file()
    path = (
        log.with_name(f"{log.name}.traceback")
        if log
        else Path(tempfile.gettempdir()) / f"loam-{command}-{os.getpid()}.traceback"
    )
    try:
        path.write_text(text)
    except OSError:
        sys.stderr.write(text)
        return "above"
    return f"in {path}"


def _log_file() -> Path | None:
    """The file that standard error goes to, as in every job of the workflow; None where it is a terminal or a pipe."""
    try:
        path = Path(f"/proc/self/fd/{sys.stderr.fileno()}").readlink()
    except (OSError, ValueError):
        return None
    return path if path.is_file() else None


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
