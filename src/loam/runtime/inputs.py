"""Local inputs that a configuration names: which files they are, and what is missing."""

import glob
from collections.abc import Collection

from loam.config import Config
from loam.core.errors import LoamError
from loam.core.paths import blocked, files_of, folder_for_a_file, is_glob, unreadable

# Keys that name no folder.
FILES = {
    "grid.aoi",
    "sources.dem.path",
    "sources.dem.geoid",
    "sources.landcover.path",
}


def aoi_files(cfg: Config) -> list[str]:
    """The file of the area's polygon, and those that belong to it; empty where bounds are given."""
    path = cfg.grid.aoi_path
    if path is None:
        return []
    together = path.suffix.lower() in {".shp", ".tab", ".mif"}
    beside = sorted(map(str, path.parent.glob(f"{glob.escape(path.stem)}.*"))) if together else []
    return beside or [str(path)]


def source_files(cfg: Config, name: str) -> list[str]:
    """Files of a source, globs filled in where files match them; empty where it is not used.

    Args:
        cfg: the configuration.
        name: of the source.
    """
    return files_of(getattr(getattr(cfg.sources, name), "path", None))


def is_imported(cfg: Config, name: str) -> bool:
    """Whether files of a source follow a provider's conventions, so that they must be imported first."""
    return cfg.sources.uses(name) and getattr(cfg.sources, name).kind != "netcdf"


# What the workflow can make alone, and the sources that it reads for that.
TARGETS = {
    "gamma0": frozenset({"backscatter", "dem"}),
    "moisture": frozenset({"backscatter", "dem", "weather", "ndvi", "landcover", "soil"}),
}
INDISPENSABLE = ("backscatter", "weather", "dem")


def _is_a_part(targets: Collection[str]) -> bool:
    """Whether all that is asked for can be made without a model, and without what only that reads."""
    return bool(targets) and set(targets) <= TARGETS.keys()


def sources_of(targets: Collection[str], cfg: Config) -> list[str]:
    """Names of the sources that some targets of the workflow read; all of them for any other target.

    Args:
        targets: as named on the command line; none stands for everything.
        cfg: the configuration.
    """
    known = list(type(cfg.sources).model_fields)
    if not _is_a_part(targets):
        return known
    needed = frozenset().union(*(TARGETS[target] for target in targets))
    if cfg.sources.backscatter.kind == "cube" and set(targets) == {"gamma0"}:
        needed -= {"dem"}
    if not cfg.moisture.derived.volumetric:
        needed -= {"soil"}
    return [name for name in known if name in needed]


def missing_inputs(cfg: Config, targets: Collection[str] = ()) -> str | None:
    """One line that names every local input that is not there and where it belongs, or a folder of Loam's that cannot be written.

    Args:
        cfg: the configuration.
        targets: what is asked for, as for `sources_of`: inputs that it does not read need not be there.
    """
    needed = sources_of(targets, cfg)
    try:
        wanted = {f"sources.{name}.path": source_files(cfg, name) for name in needed}
    except LoamError as error:
        return str(error)
    for name in INDISPENSABLE:
        optional = name == "weather" and _is_a_part(targets)
        if name in needed and not optional and not wanted[f"sources.{name}.path"]:
            return f"sources.{name}.path: not set; Loam cannot run without it"
    wanted["grid.aoi"] = [str(cfg.grid.aoi_path)] if cfg.grid.aoi_path else []
    if not _is_a_part(targets):
        wanted["evaluation.truth"] = [cfg.evaluation.truth or ""]
        wanted |= {
            f"evaluation.stations.sources.{place}.path": [each.path]
            for place, each in enumerate(cfg.evaluation.stations.sources)
        }
    if cfg.sources.backscatter.kind == "scenes":
        wanted["sources.backscatter.orbits"] = [cfg.sources.backscatter.orbits or ""]
        wanted["sources.dem.geoid"] = [cfg.sources.dem.geoid_path or ""]
    given = [
        (key, path)
        for key, paths in wanted.items()
        for path in paths
        if path and not path.startswith(cfg.made_by_the_twin)
    ]
    faults = {(path, key): _fault(path, key) for key, path in given}
    gone = [
        f"{path} ({key}{_why(path, fault)})"
        for (path, key), fault in faults.items()
        if fault is not None
    ]
    if gone:
        return (
            f"missing input: {', '.join(gone)}; put each file there, or set its key to where it is"
        )
    return blocked(cfg.area, cfg.run)


def _fault(path: str, key: str) -> str | None:
    """Why an input cannot serve, before it is opened; None where nothing speaks against it."""
    fault = unreadable(path)
    return folder_for_a_file(path) if fault is None and key in FILES else fault


def _why(path: str, fault: str) -> str:
    """What is added to the name of a missing input: nothing where no file of this name is there."""
    return f": {fault}" if fault else ": no file matches" if is_glob(path) else ""
