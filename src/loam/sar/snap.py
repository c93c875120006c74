"""Backend `snap`: the same outputs through pyroSAR and SNAP's `gpt`, for who has it (envs/snap.yaml).

It differs from the native backend where SNAP does. Where the thermal noise is greater than the signal, SNAP keeps the
signal as it was instead of a negative power, so means near the noise floor come out too high. pyroSAR fetches the orbit
files itself, into SNAP's auxiliary data, and fails where there is none.
"""

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from odc.geo.geobox import GeoBox

from loam.errors import LoamError
from loam.raster import open_raster
from loam.sar.snap_outputs import collect_outputs

DEM_NODATA = -32768.0  # what SNAP expects of a DEM; it compares for equality, which NaN fails

log = logging.getLogger("loam.sar.snap")


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
        restituted_orbits: take a restituted orbit where there is no precise one yet.
        dem_resampling: SNAP's name of the interpolation in the DEM.
        image_resampling: SNAP's name of the interpolation in the image.
    """

    thermal_noise: bool
    border_noise: bool
    gpt: str | None
    memory_mb: int
    cache_mb: int
    operators_per_call: int
    restituted_orbits: bool
    dem_resampling: str
    image_resampling: str


def flatten_with_snap(
    products: list[Path],
    box: GeoBox,
    dem: Path,
    geoid_applied: bool,
    cfg: SnapSettings,
    polarisations: tuple[str, ...],
    scratch: Path,
    threads: int = 1,
) -> xr.Dataset:
    """Bring one pass onto the grid as terrain-flattened gamma0, through pyroSAR and SNAP.

    Args:
        products: SAFE folders or zips of one pass, in order of time; several are assembled.
        box: the target grid, projected, with square pixels.
        dem: heights [m] on a grid that covers the target with a margin.
        geoid_applied: the heights are above the ellipsoid; else SNAP adds its EGM96 geoid.
        cfg: settings.
        polarisations: 'vv', 'vh'.
        scratch: folder for SNAP's files. Its `out` keeps the workflow and, after a failure, pyroSAR's log.
        threads: threads of gpt.

    Returns:
        On `box`, `(y, x)`: each polarisation's gamma0 in linear power [1], `incidence` [degree] and `mask` bits.
        Attribute `orbit` is the kind of orbit file that was used.

    Raises:
        LoamError: pyroSAR or gpt is missing, a polarisation is missing, gpt fails, or an output is missing.
    """
    point_pyrosar_at(find_gpt(cfg.gpt))
    _require_polarisations(products, polarisations)
    out = _emptied(scratch / "out")
    heights = write_snap_dem(dem, scratch / "dem.tif")
    arguments = geocode_arguments(products, box, heights, geoid_applied, cfg, polarisations, threads)
    workflow = _geocode(products[0].name, arguments | {"outdir": str(out), "tmpdir": str(_emptied(scratch / "work"))})
    data = collect_outputs(out, box, polarisations, products[0].name)
    shutil.rmtree(scratch / "work")
    return data.assign_attrs(orbit=_orbit(workflow))


def find_gpt(setting: str | None) -> Path:
    """Path of SNAP's graph processing tool, links followed.

    Args:
        setting: the program; None: `gpt` on PATH.

    Raises:
        LoamError: there is none, or it is not part of a SNAP installation.
    """
    remedy = "install SNAP (see envs/snap.yaml) and name its gpt in sar.snap.gpt, or set sar.backend to native"
    found = shutil.which(setting or "gpt")
    if found is None:
        where = f"sar.snap.gpt = '{setting}': no such program" if setting else "sar.snap.gpt: null, and no gpt is on PATH"
        msg = f"{where}; {remedy}"
        raise LoamError(msg)
    gpt = Path(found).resolve()
    # The signs by which pyroSAR knows SNAP; without them it would not take this gpt, and say so in many lines.
    if not (gpt.with_name("snap").exists() and (gpt.parents[1] / "etc").is_dir()):
        msg = f"{gpt}: no SNAP installation (no program `snap` beside it, or no folder etc above); {remedy}"
        raise LoamError(msg)
    return gpt


def point_pyrosar_at(gpt: Path) -> None:
    """Make pyroSAR use this SNAP; it would take the first one it ever met, from its own settings in the home folder.

    Raises:
        LoamError: pyroSAR is not installed.
    """
    try:
        from pyroSAR.config import ConfigHandler
    except ImportError as error:
        msg = f"sar.backend = 'snap': Python has no {error.name}; run Snakemake with --sdm conda (envs/snap.yaml), or set it to native"
        raise LoamError(msg) from None
    known = ConfigHandler()
    if "SNAP" not in known.sections:
        known.add_section("SNAP")
    wanted = {"path": gpt.with_name("snap"), "gpt": gpt, "etc": gpt.parents[1] / "etc"}
    for key, path in wanted.items():
        if known["SNAP"].get(key) != str(path):  # other jobs read the file: leave it alone unless it must change
            known.set("SNAP", key=key, value=str(path), overwrite=True)


def geocode_arguments(
    products: list[Path], box: GeoBox, dem: Path, geoid_applied: bool, cfg: SnapSettings, polarisations: tuple[str, ...], threads: int = 1
) -> dict[str, Any]:
    """Arguments of `pyroSAR.snap.geocode`, its folders apart.

    Args:
        products: SAFE folders or zips of one pass.
        box: the target grid.
        dem: heights as `write_snap_dem` writes them.
        geoid_applied: the heights are above the ellipsoid.
        cfg: settings.
        polarisations: 'vv', 'vh'.
        threads: threads of gpt.
    """
    scenes = [str(product) for product in products]
    return {
        "infile": scenes if len(scenes) > 1 else scenes[0],
        "shapefile": _bounds(box),
        "polarizations": [name.upper() for name in polarisations],
        "removeS1BorderNoise": cfg.border_noise,
        # pyroSAR's own method writes into the measurement of an unpacked SAFE; ESA's is an operator of the workflow.
        "removeS1BorderNoiseMethod": "ESA",
        "removeS1ThermalNoise": cfg.thermal_noise,
        "allow_RES_OSV": cfg.restituted_orbits,
        "terrainFlattening": True,
        "refarea": "gamma0",
        "scaling": "linear",
        "geocoding_type": "Range-Doppler",
        "export_extra": ["localIncidenceAngle", "layoverShadowMask"],
        "nodataValueAtSea": True,  # where the DEM has no height there is no observation, instead of a guess at sea level
        "demResamplingMethod": cfg.dem_resampling,
        "imgResamplingMethod": cfg.image_resampling,
        "groupsize": cfg.operators_per_call,
        "gpt_args": [f"-J-Xmx{cfg.memory_mb}m", "-c", f"{cfg.cache_mb}M", "-q", str(threads), "-x"],
        "returnWF": True,
        **_dem_arguments(dem, geoid_applied),
        **_grid_arguments(box),
    }


def _dem_arguments(dem: Path, geoid_applied: bool) -> dict[str, Any]:
    return {"externalDEMFile": str(dem), "externalDEMNoDataValue": DEM_NODATA, "externalDEMApplyEGM": not geoid_applied}


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
        heights = heights.rio.reproject("EPSG:4326", resampling=Resampling.bilinear, nodata=float("nan"))
    heights = heights.fillna(DEM_NODATA).drop_attrs()
    heights.encoding = {}
    heights.rio.write_nodata(DEM_NODATA).rio.to_raster(out, dtype="float32")
    return out


def _emptied(folder: Path) -> Path:
    """A new folder: pyroSAR skips a scene of which it finds any output."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _require_polarisations(products: list[Path], polarisations: tuple[str, ...]) -> None:
    from pyroSAR import identify

    for product in products:
        try:
            scene = identify(str(product))
        except Exception as error:  # of many types, from the readers of many formats
            msg = f"{product}: pyroSAR cannot read it as a Sentinel-1 product ({_first_line(error)}); replace or remove it"
            raise LoamError(msg) from None
        missing = {name.upper() for name in polarisations} - set(scene.polarizations)
        if missing:
            msg = f"{product}: polarisation {', '.join(sorted(missing))} is missing; remove the product, or the polarisation from sar"
            raise LoamError(msg)


def _geocode(scene: str, arguments: dict[str, Any]) -> Path:
    """Run pyroSAR; it does not raise what fails after the workflow is written, but leaves a log beside it."""
    from pyroSAR.snap import geocode

    try:
        workflow = Path(geocode(**arguments))
    except Exception as error:  # RuntimeErrors of pyroSAR, and those of downloads
        msg = (
            f"{scene}: pyroSAR cannot prepare the workflow ({_first_line(error)}); see that the scene meets grid.aoi and that "
            "SNAP's auxiliary data holds the orbit file and EGM96, or the network can be reached"
        )
        raise LoamError(msg) from None
    failure = workflow.with_name(workflow.name.replace("_proc.xml", "_error.log"))
    if failure.exists():
        raise LoamError(explain_failure(scene, failure.read_text(), workflow, failure, arguments["groupsize"]))
    return workflow


def explain_failure(scene: str, text: str, workflow: Path, path: Path, operators_per_call: int) -> str:
    """One line on a failure of gpt.

    Args:
        scene: name of the product.
        text: pyroSAR's log: gpt's output and its exit status, or a traceback.
        workflow: the whole workflow.
        path: where the log is.
        operators_per_call: how the workflow was cut into calls of gpt.
    """
    node = re.search(r"Error:\s*\[NodeId: ([^\]]+)\]\s*([^\n]*)", text)
    status = re.search(r"_tmp(\d+)\.xml\].*?(?:failed with return code|process return code) (-?\d+)", text, re.S)
    if node:
        what = f"gpt failed in {node[1]} ({node[2].strip()[:150]})"
    elif status:
        what = f"gpt ended with status {status[2]} in {_operators(workflow, int(status[1]), operators_per_call)}"
    else:
        what = f"SNAP's output cannot be had ({text.strip().splitlines()[-1][:150]})"
    return f"{scene}: {what}; {_remedy(text)}read {path}"


def _remedy(text: str) -> str:
    if re.search(r"OutOfMemoryError|Java heap space", text):
        return "raise sar.snap.memory_mb; "
    if "return code -9" in text:  # killed from outside, as the kernel or Slurm do with what takes too much
        return "give the job more memory than sar.snap.memory_mb; "
    return ""


def _operators(workflow: Path, call: int, operators_per_call: int) -> str:
    from pyroSAR.snap.auxil import groupbyWorkers

    names = [name for name in groupbyWorkers(str(workflow), operators_per_call)[call] if not re.match("Read|Write", name)]
    return " or ".join(names)


def _orbit(workflow: Path) -> str:
    return "precise" if "Sentinel Precise" in workflow.read_text() else "restituted"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:150]
