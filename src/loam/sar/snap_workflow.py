"""What the backend `snap` asks of pyroSAR: its settings, the arguments of `geocode`, and heights as SNAP reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from loam.config.sar import Flatten, Snap
from loam.core.errors import LoamError
from loam.core.raster import open_raster, written_by_gdal

DEM_NODATA = -32768.0  # a number, because SNAP compares heights with it, and nothing equals NaN


@dataclass(frozen=True)
class SnapSettings:
    """What SNAP is told: the two choices that every backend has, and those of section `sar.snap`.

    Attributes:
        thermal_noise: remove thermal noise.
        border_noise: remove border noise.
        gpt: SNAP's program; None: found on PATH.
        memory_mb: Java heap of gpt [MB].
        cache_mb: tile cache of gpt, part of the heap [MB].
        operators_per_call: operators that one call of gpt runs, what lies between the calls being written to disk.
        dem_resampling: SNAP's name of the interpolation in the DEM.
        image_resampling: SNAP's name of the interpolation in the image.
    """

    thermal_noise: bool
    border_noise: bool
    gpt: str | None
    memory_mb: int
    cache_mb: int
    operators_per_call: int
    dem_resampling: str
    image_resampling: str

    @classmethod
    def of(cls, flatten: Flatten, snap: Snap) -> "SnapSettings":
        """Settings of the sections `sar.flatten` and `sar.snap`."""
        return cls(flatten.thermal_noise, flatten.border_noise, **snap.model_dump())


def geocode_arguments(
    products: list[Path],
    box: GeoBox,
    dem: Path,
    geoid_applied: bool,
    cfg: SnapSettings,
    polarisations: tuple[str, ...],
) -> dict[str, Any]:
    """Arguments of `pyroSAR.snap.geocode`, its folders apart.

    Args:
        products: SAFE folders or zips of one pass.
        box: the target grid.
        dem: heights as `write_snap_dem` writes them.
        geoid_applied: the heights are above the ellipsoid.
        cfg: settings.
        polarisations: 'vv', 'vh'.
    """
    scenes = [str(product.resolve()) for product in products]
    return {
        "infile": scenes if len(scenes) > 1 else scenes[0],
        "shapefile": _bounds(box),
        "polarizations": [name.upper() for name in polarisations],
        "removeS1BorderNoise": cfg.border_noise,
        "removeS1ThermalNoise": cfg.thermal_noise,
        "allow_RES_OSV": True,
        "terrainFlattening": True,
        "refarea": "gamma0",
        "scaling": "linear",
        "geocoding_type": "Range-Doppler",
        "export_extra": ["localIncidenceAngle", "layoverShadowMask"],
        "nodataValueAtSea": True,  # where the DEM has no height there is no observation, instead of a guess at sea level
        "demResamplingMethod": cfg.dem_resampling,
        "imgResamplingMethod": cfg.image_resampling,
        **_dem_arguments(dem, geoid_applied),
        **_grid_arguments(box),
    }


def _dem_arguments(dem: Path, geoid_applied: bool) -> dict[str, Any]:
    return {
        "externalDEMFile": str(dem),
        "externalDEMNoDataValue": DEM_NODATA,
        "externalDEMApplyEGM": not geoid_applied,
    }


def _grid_arguments(box: GeoBox) -> dict[str, Any]:
    pixel = float(box.resolution.x)
    if not (box.crs and box.crs.projected and pixel == -float(box.resolution.y)):
        msg = f"grid: SNAP needs a projected CRS and square pixels in rows that run south, not {box.resolution} in {box.crs}"
        raise LoamError(msg)
    return {
        "t_srs": box.crs.epsg or box.crs.to_wkt(),
        "spacing": pixel,
        "alignToStandardGrid": True,
        # SNAP puts the centre of a pixel on the standard grid's origin, not its corner.
        "standardGridOriginX": box.transform.c + pixel / 2,
        "standardGridOriginY": box.transform.f - pixel / 2,
    }


def _bounds(box: GeoBox) -> dict[str, float]:
    """Extent in degrees, as pyroSAR takes it; it adds a hundredth of a degree on each side."""
    west, south, east, north = box.extent.to_crs("EPSG:4326", resolution="auto").boundingbox
    return {"xmin": west, "ymin": south, "xmax": east, "ymax": north}


def write_snap_dem(dem: Path, out: Path) -> Path:
    """Write heights as SNAP reads them: in degrees on WGS 84, as its manual asks of external DEMs, voids as a number.

    Args:
        dem: raster of heights [m] in any CRS.
        out: GeoTIFF to write.

    Returns:
        `out`.
    """
    from rasterio.enums import Resampling

    heights = open_raster(dem)
    if heights.rio.crs.to_epsg() != 4326:
        heights = heights.rio.reproject(
            "EPSG:4326", resampling=Resampling.bilinear, nodata=float("nan")
        )
    heights = heights.fillna(DEM_NODATA).drop_attrs(deep=False)
    heights.encoding = {}
    with written_by_gdal(out) as target:
        heights.rio.write_nodata(DEM_NODATA).rio.to_raster(target, driver="GTiff", dtype="float32")
    return out
