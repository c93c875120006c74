"""How arrays are read and become Zarr and COG: units, nodata, CRS, flags."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.atomic_write import disk_is_full, recover, remove, remove_for_good, take_place
from loam.core.axes import even_axes
from loam.core.axis_names import named_axes
from loam.core.crs import with_crs
from loam.core.errors import LoamError, brief
from loam.core.integrity import CHUNKS, require_chunks, seal
from loam.core.raster_file import require_placed

# netCDF4's library crashes when a file is closed in one thread (by the garbage collector, say) while another opens
# one; h5netcdf's locks. netCDF4 stays for classic NetCDF files.
xr.set_options(netcdf_engine_order=["h5netcdf", "scipy", "netcdf4"])

COMPRESSION_LEVEL = 3
BLOCK_PX = 256  # tile edge of a COG


def open_dataset(
    path: Path, chunks: dict[str, int] | None = None, check: bool = True
) -> xr.Dataset:
    """Open a NetCDF file or Zarr folder lazily, with dimensions `time, y, x`, even axes and a CRS.

    Args:
        path: file or folder.
        chunks: read through dask, in these chunks ({}: those of the file); None: without dask, each slice when asked.
        check: look first whether a Zarr of Loam's has all its chunks; once a step is enough.

    Raises:
        LoamError: the file cannot be read, lacks chunks, has no CRS, or nothing says where its pixels lie: see `loam.core.axes`.
    """
    if check:
        require_chunks(path)
    data = named_axes(_open(path, chunks), path)
    # Text comes back from Zarr as a type that few array functions know.
    data = data.assign_coords(
        {
            name: data[name].astype(object).astype(str)
            for name in data.coords
            if data[name].dtype.kind == "T"
        }
    )
    return with_crs(data, path)


def _open(path: Path, chunks: dict[str, int] | None) -> xr.Dataset:
    # Snakemake keeps its time stamp inside a Zarr folder, which zarr wonders about each time.
    warnings.filterwarnings("ignore", message=".*snakemake_timestamp.*")
    try:
        if path.is_dir():
            data = xr.open_zarr(path, consolidated=False, chunks=chunks)
            data.attrs.pop(CHUNKS, None)  # of this store, not of what is made of it
            return data[sorted(data.data_vars, key=str)]  # a folder lists them in any order
        return xr.open_dataset(path, chunks=chunks)
    except Exception as error:
        if not path.exists():
            msg = f"{path}: does not exist; make it, or set its key to where it is"
        else:
            why = _why_unreadable(path, error)
            msg = f"{path}: cannot be read as NetCDF or Zarr ({why}); replace it, or if Loam made it remove it and run again"
    raise LoamError(msg)


def _why_unreadable(path: Path, error: Exception) -> str:
    if path.is_dir() and isinstance(error, FileNotFoundError):
        return "a folder that is no Zarr"
    if path.is_file() and not path.stat().st_size:
        return "the file is empty"
    text = brief(error)
    return "it is neither" if text.startswith("did not find a match") else text


def open_raster(path: Path) -> xr.DataArray:
    """Open a single-band raster `(y, x)` as floats, nodata as NaN, scale and offset of the band applied, rows running south.

    Raises:
        LoamError: the file cannot be read, or it does not say where its pixels lie.
    """
    import rasterio
    import rioxarray

    try:
        with warnings.catch_warnings(action="ignore"):
            with rasterio.open(path) as file:
                require_placed(file, path)
                transform = file.transform
            data: Any = rioxarray.open_rasterio(path, mask_and_scale=True)
        data = data.isel(band=0, drop=True)
        if "x" not in data.coords:  # a rotation of rounding, which rioxarray takes for one
            x = (np.arange(data.sizes["x"]) + 0.5) * transform.a + transform.c
            y = (np.arange(data.sizes["y"]) + 0.5) * transform.e + transform.f
            data = data.drop_vars(["xc", "yc"], errors="ignore").assign_coords(x=x, y=y)
    except LoamError:
        raise
    except Exception as error:
        msg = f"{path}: cannot be read as a raster ({brief(error)}); replace it by a GeoTIFF"
        raise LoamError(msg) from None
    data["spatial_ref"].attrs.pop("GeoTransform", None)  # of the file's rows: here they run south
    return xr.DataArray(even_axes(data, path, data.rio.crs.is_projected))


def require(data: xr.Dataset, names: Iterable[str], path: Path) -> None:
    """Stop unless the dataset has these variables.

    Raises:
        LoamError: one is missing.
    """
    for name in names:
        if name not in data.variables:
            have = ", ".join(sorted(map(str, data.data_vars)))
            msg = f"{path}: variable {name} is missing (it has: {have}); add it, or rename it in the file"
            raise LoamError(msg)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or folder whole or not at all: what is written to the name this yields gets its own when all is well.

    Args:
        path: file or folder; its parent is made, an older one replaced at the end.

    Raises:
        LoamError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    recover(path)
    remove(partial)
    try:
        yield partial
        take_place(partial, path)
    except BaseException as error:
        full = disk_is_full(error, path.parent)
        remove_for_good(partial)
        if full:
            msg = f"{path}: cannot be written, the disk is full; free some space and run the same command again (loam plan says how much)"
            raise LoamError(msg) from error
        raise


def write_zarr(data: xr.Dataset, path: Path, chunks: Mapping[str, int] | None = None) -> None:
    """Write a dataset as Zarr format 3, whole or not at all.

    Args:
        data: every variable has `units` and `long_name`, and a CRS.
        path: folder to write; an older one is replaced.
        chunks: chunk length by dimension; whole dimensions where not named.
    """
    with atomic_write(path) as partial:
        _lay_out(data, partial, chunks or {}, compute=True)
        seal(partial)


@contextmanager
def zarr_in_blocks(template: xr.Dataset, path: Path, chunks: Mapping[str, int]) -> Iterator[Path]:
    """Lay out a Zarr whose lazy variables are filled by `write_blocks` inside the context; it gets its name at the end.

    Args:
        template: every variable has `units` and `long_name`; values held by dask are only laid out, others are written.
        path: folder to write; an older one is replaced once all is well.
        chunks: chunk length by dimension; whole dimensions where not named.

    Yields:
        The folder to fill.
    """
    with atomic_write(path) as partial:
        _lay_out(template, partial, chunks, compute=False)
        yield partial
        seal(partial)


def write_blocks(path: Path, values: Mapping[str, np.ndarray], where: Any) -> None:
    """Fill a part of variables of a Zarr; parts that are written at the same time must not share a chunk.

    Args:
        path: folder that `zarr_in_blocks` gave.
        values: arrays by variable.
        where: the part, as one indexes an array.
    """
    import zarr

    group: Any = zarr.open_group(path, mode="r+")
    for name, array in values.items():
        group[name].with_config({"write_empty_chunks": True})[where] = (
            array  # what is not there is missing, not empty
        )


def _lay_out(data: xr.Dataset, path: Path, chunks: Mapping[str, int], compute: bool) -> None:
    from zarr.codecs import ZstdCodec

    unexplained = [
        str(name)
        for name in data.data_vars
        if not {"units", "long_name"} <= data[name].attrs.keys()
    ]
    if unexplained:
        msg = f"{path}: variables without units or long_name: {unexplained}"
        raise ValueError(msg)
    encoding = {
        str(name): {
            "compressors": [ZstdCodec(level=COMPRESSION_LEVEL)],
            "chunks": tuple(
                min(chunks.get(str(dim), size), size) for dim, size in data[name].sizes.items()
            ),
        }
        for name in data.data_vars
        if data[name].ndim
    }
    # Fixed-length text has no Zarr 3 specification; text of any length has one.
    data = data.assign_coords(
        {
            name: data[name].astype(np.dtypes.StringDType())
            for name in data.coords
            if data[name].dtype.kind == "U"
        }
    )
    for name in data.variables:
        data[name].encoding = {}
    # As an attribute, and `spatial_ref` among the coordinates: so xarray and rioxarray find the CRS by themselves.
    on_grid = [name for name in data.data_vars if {"y", "x"} <= set(data[name].dims)]
    if "spatial_ref" in data.coords:
        data = data.assign(
            {name: data[name].assign_attrs(grid_mapping="spatial_ref") for name in on_grid}
        )
    # Chunks that are only laid out need not match those of the template.
    layout: dict[str, Any] = {
        "align_chunks": compute,
        "safe_chunks": compute,
        "compute": compute,
        "write_empty_chunks": True,
    }
    data.to_zarr(path, mode="w", zarr_format=3, consolidated=False, encoding=encoding, **layout)


@contextmanager
def written_by_gdal(path: Path) -> Iterator[str]:
    """Give GDAL a file in memory to write, and write that: GDAL itself passes over a full disk in silence."""
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        yield memory.name
        with atomic_write(path) as partial:
            partial.write_bytes(memory.getbuffer())


def write_cog(data: xr.Dataset, path: Path, tags: Mapping[str, str]) -> None:
    """Write `(y, x)` variables as the float32 bands of one cloud-optimised GeoTIFF, NaN as nodata.

    Args:
        data: variables in band order, each with `units` and `long_name`; a CRS.
        path: file to write.
        tags: metadata of the whole file.
    """
    import rasterio
    from rasterio.io import MemoryFile
    from rasterio.shutil import copy

    box = data.odc.geobox
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": len(data.data_vars),
        "nodata": np.nan,
        "height": box.shape.y,
        "width": box.shape.x,
        "crs": box.crs.to_wkt(),
        "transform": box.transform,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as bands:
            bands.update_tags(**tags)
            for band, (name, values) in enumerate(data.data_vars.items(), start=1):
                bands.write(values.values.astype("float32"), band)
                bands.set_band_description(band, str(name))
                bands.set_band_unit(band, values.attrs["units"])
                bands.update_tags(band, **{key: str(value) for key, value in values.attrs.items()})
        with (
            written_by_gdal(path) as target,
            memory.open() as bands,
            rasterio.Env(GDAL_NUM_THREADS=1),
        ):
            # GDAL gives an image of one block no overview; every map gets at least one, each half the one before.
            levels = max(1, math.ceil(math.log2(max(box.shape) / BLOCK_PX)))
            copy(
                bands,
                target,
                driver="COG",
                compress="DEFLATE",
                predictor="YES",
                blocksize=BLOCK_PX,
                overview_resampling="nearest",
                overviews="IGNORE_EXISTING",
                overview_count=levels,
            )


def write_geotiff(
    values: np.ndarray,
    box: Any,
    path: Path,
    nodata: float,
    unit: str,
    description: str,
    **tags: Any,
) -> None:
    """Write values `(y, x)` on a GeoBox as the one band of a GeoTIFF, tags of the file with them, whole or not at all.

    Args:
        values: the band `(y, x)`.
        box: GeoBox of the band.
        path: file to write; an older one is replaced.
        nodata: value of missing pixels.
        unit: unit of the values.
        description: name of the band.
        tags: tags of the file.
    """
    import rasterio

    profile = {
        "driver": "GTiff",
        "dtype": values.dtype,
        "count": 1,
        "nodata": nodata,
        "compress": "deflate",
        "tiled": True,
        "predictor": 3 if values.dtype.kind == "f" else 2,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": str(box.crs),
        "transform": box.transform,
    }
    with written_by_gdal(path) as target, rasterio.open(target, "w", **profile) as file:
        file.write(values, 1)
        file.set_band_description(1, description)
        file.set_band_unit(1, unit)
        file.update_tags(**tags)
