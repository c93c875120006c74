"""The CRS of a dataset, from all that files say of it."""

from functools import cache
from pathlib import Path
from typing import Any

import xarray as xr

from loam.core.axes import even_axes
from loam.core.axis_names import is_latitude
from loam.core.errors import LoamError, brief


def with_crs(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The dataset with one CRS, that of its grid mapping or its degrees, and even axes.

    Raises:
        LoamError: it has no CRS, or nothing says where its pixels lie: see `loam.core.axes`.
    """
    import odc.geo.xr  # noqa: F401  (registers the .odc accessor)

    wkt = [
        data[name].attrs.get("crs_wkt") or data[name].attrs.get("spatial_ref")
        for name in data.variables
        if data[name].ndim == 0
    ]
    crs = next((text for text in wkt if text), None)
    if crs is None:
        crs = _crs_of_mapping([data[name].attrs for name in data.variables if data[name].ndim <= 1])
    if crs is None and "y" in data.coords and is_latitude(data["y"].attrs):
        crs = "EPSG:4326"  # ASSUME: CF latitude and longitude without a grid mapping are on WGS 84
    if crs is None:
        msg = f"{path}: has no CRS; add a grid mapping (for example with rioxarray's rio.write_crs)"
        raise LoamError(msg)
    projected = _is_projected(crs, path)
    require_on_earth(str(crs), path)
    data = even_axes(data, path, projected)
    marks = {"crs_wkt", "spatial_ref", "grid_mapping_name"}
    mappings = [
        name for name in data.variables if data[name].ndim <= 1 and marks & data[name].attrs.keys()
    ]
    data = data.drop_vars(mappings)
    for name in data.variables:
        data[name].encoding.pop("grid_mapping", None)
        data[name].attrs.pop("grid_mapping", None)
    return data.odc.assign_crs(crs)


@cache
def on_earth(crs: str) -> bool:
    """Whether places of a CRS can be turned into longitude and latitude: not those of a local or damaged one."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        Transformer.from_crs(crs, "EPSG:4326")
    except ProjError:
        return False
    return True


def require_on_earth(crs: str, path: Path) -> None:
    """Stop where nothing says where on the Earth a CRS lies.

    Raises:
        LoamError: it is local, or damaged.
    """
    if not on_earth(crs):
        msg = f"{path}: its CRS ({crs.partition(',')[0][:60]}) has no place on the Earth; assign the right one (gdal_edit.py -a_srs EPSG:…)"
        raise LoamError(msg)


def _is_projected(crs: Any, path: Path) -> bool:
    """Whether the axes of a CRS are lengths.

    Raises:
        LoamError: it is no CRS.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:  # a text that is no CRS at all
        return bool(CRS.from_user_input(str(crs)).is_projected)
    except CRSError as error:
        msg = f"{path}: its CRS cannot be read ({brief(error)}); write it again (for example with rioxarray's rio.write_crs)"
        raise LoamError(msg) from None


def _crs_of_mapping(attributes: list[dict[str, Any]]) -> str | None:
    """CRS of a CF grid mapping that is told by its parameters alone, as Daymet's and gridMET's are."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    for each in attributes:
        if "grid_mapping_name" in each:
            try:
                return str(CRS.from_cf(each).to_wkt())
            except (CRSError, KeyError, ValueError):
                continue
    return None
