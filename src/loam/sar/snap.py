"""Backend `snap`: the same outputs through pyroSAR and SNAP's `gpt`, if SNAP is installed (envs/snap.yaml).

It differs from backend `loam` where SNAP does. Where the thermal noise is greater than the signal, SNAP keeps the
signal as it was instead of a negative power, so means near the noise floor come out too high. SNAP samples a DEM given
as a file half its pixel too far to the south-east, until the version that mends its issue SNAP-4264. pyroSAR fetches
the orbit files itself, into SNAP's auxiliary data, and fails where there is none.

pyroSAR's `geocode` writes the workflow, and could run it. Here it does not: version 0.39.1 asks SNAP for a precise orbit
even where it found a restituted one, and it hides what gpt raises.
"""

import re
import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.sar.snap_outputs import collect_outputs
from loam.sar.snap_workflow import SnapSettings, geocode_arguments, write_snap_dem


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
    scratch = scratch.resolve()  # gpt takes a relative path from elsewhere
    out, work = _emptied(scratch / "out"), _emptied(scratch / "work")
    heights = write_snap_dem(dem, scratch / "dem.tif")
    arguments = geocode_arguments(products, box, heights, geoid_applied, cfg, polarisations)
    workflow, orbit = _prepare(products[0], arguments | {"outdir": str(out), "tmpdir": str(work)})
    _run(products[0].name, workflow, cfg, threads)
    data = collect_outputs(out, box, polarisations, products[0].name)
    shutil.rmtree(work)
    return data.assign_attrs(orbit=orbit)


def find_gpt(setting: str | None) -> Path:
    """Path of SNAP's graph processing tool, links followed.

    Args:
        setting: the program; None: `gpt` on PATH.

    Raises:
        LoamError: there is none, or it is not part of a SNAP installation.
    """
    remedy = "install SNAP (see envs/snap.yaml) and name its gpt in sar.snap.gpt, or set sar.backend to loam"
    found = shutil.which(setting or "gpt")
    if found is None:
        where = (
            f"sar.snap.gpt = '{setting}': no such program"
            if setting
            else "sar.snap.gpt: null, and no gpt is on PATH"
        )
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
        gone = (error.name or "pyroSAR").partition(".")[0]
        msg = f"sar.backend = 'snap': Python has no {gone}; run Snakemake with --sdm conda (envs/snap.yaml), or set it to loam"
        raise LoamError(msg) from None
    known = ConfigHandler()
    if "SNAP" not in known.sections:
        known.add_section("SNAP")
    wanted = {"path": gpt.with_name("snap"), "gpt": gpt, "etc": gpt.parents[1] / "etc"}
    for key, path in wanted.items():
        if known["SNAP"].get(key) != str(
            path
        ):  # other jobs read the file: leave it alone unless it must change
            known.set("SNAP", key=key, value=str(path), overwrite=True)


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


def _prepare(product: Path, arguments: dict[str, Any]) -> tuple[Path, str]:
    """Let pyroSAR write the workflow and fetch what it needs; the workflow, and the kind of orbit file it names."""
    from pyroSAR.snap import geocode

    try:
        workflow = Path(geocode(**arguments, test=True, returnWF=True))
        return workflow, _name_orbit(workflow, product)
    except Exception as error:  # RuntimeErrors of pyroSAR, and those of downloads
        msg = (
            f"{product.name}: pyroSAR cannot prepare the workflow ({_first_line(error)}); see that the scene meets grid.aoi and "
            "that SNAP's auxiliary data holds the orbit file and EGM96, or the network can be reached"
        )
        raise LoamError(msg) from None


def _name_orbit(workflow: Path, product: Path) -> str:
    """Ask SNAP for the kind of orbit file that pyroSAR found: precise or restituted."""
    from pyroSAR import identify
    from pyroSAR.snap.auxil import Workflow

    found = identify(str(product)).getOSV(osvType=["POE", "RES"], returnMatch=True)
    kind = "Restituted" if "RESORB" in (found or "RESORB") else "Precise"
    nodes = Workflow(str(workflow))
    nodes["Apply-Orbit-File"].parameters["orbitType"] = f"Sentinel {kind} (Auto Download)"
    nodes.write(str(workflow))
    return kind.lower()


def _run(scene: str, path: Path, cfg: SnapSettings, threads: int) -> None:
    """Run gpt and turn its images into GeoTIFFs beside the workflow; a failure leaves its log there."""
    from pyroSAR.snap.auxil import Workflow, gpt, groupbyWorkers, writer

    work = Workflow(str(path))["Write"].parameters["file"]
    groups = groupbyWorkers(str(path), cfg.operators_per_call)
    options = [f"-J-Xmx{cfg.memory_mb}m", "-c", f"{cfg.cache_mb}M", "-q", str(threads), "-x"]
    try:
        # pyroSAR's own border noise removal writes into the measurement of an unpacked SAFE; ESA's is in the workflow.
        gpt(
            str(path),
            tmpdir=work,
            groups=[list(group) for group in groups],
            gpt_args=options,
            removeS1BorderNoiseMethod="ESA",
        )
        writer(str(path), str(path.parent))
    except Exception:
        failure = path.with_name(path.name.replace("_proc.xml", "_error.log"))
        failure.write_text(traceback.format_exc())
        raise LoamError(explain_failure(scene, failure, groups)) from None


def explain_failure(scene: str, path: Path, groups: Sequence[Sequence[str]]) -> str:
    """One line on a failure of gpt.

    Args:
        scene: name of the product.
        path: log with a traceback, in which stands what gpt printed and its exit status.
        groups: names of the operators that each call of gpt ran.
    """
    text = path.read_text()
    node = re.search(r"Error:\s*\[NodeId: ([^\]]+)\]\s*([^\n]*)", text)
    status = re.search(r"_tmp(\d+)\.xml\].*?return code (-?\d+)", text, re.S)
    if node:
        what = f"gpt failed in {node[1]} ({node[2].strip()[:150]})"
    elif status:
        operators = [name for name in groups[int(status[1])] if not re.match("Read|Write", name)]
        what = f"gpt ended with status {status[2]} in {' or '.join(operators)}"
    else:
        what = f"SNAP's output cannot be had ({text.strip().splitlines()[-1][:150]})"
    return f"{scene}: {what}; {_remedy(text)}read {path}"


def _remedy(text: str) -> str:
    if re.search(r"OutOfMemoryError|Java heap space", text):
        return "raise sar.snap.memory_mb; "
    if (
        "return code -9" in text
    ):  # killed from outside, as the kernel or Slurm do with what takes too much
        return "give the job more memory than sar.snap.memory_mb; "
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:150]
