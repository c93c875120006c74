"""What jobs need: memory, time, disk and threads as functions of area and dates, for rules and for `loam plan` alike.

Every function is a constant, a part per megapixel and a part per megapixel and date, fitted to what Snakemake measured
in `benchmarks/*.tsv` of the demo, of the small scene of the tests and of the runs in docs/performance.md; `benchmarks/needs.py`
compares them with any other run. No data are opened: the size of the area and the number of dates come from the configuration.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from loam.config import Config
from loam.config.learning import Experiment
from loam.core.errors import LoamError
from loam.runtime.inputs import is_imported, source_files

STARTER_MB = 300  # two Snakemakes and a shell around every Slurm job: 230 MB measured
MARGIN = 1.3  # asked for, over what is expected
SLOWER = 4.0  # a node may be as much slower than the machine of the measurements, or as busy
LEAST_MINUTES = 10
SLURM_START_S = 8.0  # of a job: two Snakemakes start
SECOND_THREAD = 0.6  # of a core's work that every thread after the first adds


@dataclass(frozen=True)
class Size:
    """How large a run is."""

    megapixels: float
    dates: float  # acquisitions of the period
    quarters: float  # of the period


class Cost(NamedTuple):
    """A linear function of a job's size."""

    start: float
    megapixel: float = 0.0
    megapixel_date: float = 0.0

    def at(self, megapixels: float, dates: float) -> float:
        """Its value for a job."""
        return self.start + megapixels * (self.megapixel + self.megapixel_date * dates)


class Need(NamedTuple):
    """Of a step: threads, memory [MB], time of all cores together [s], what it writes [MB]."""

    threads: int
    memory: Cost
    seconds: Cost
    disk: Cost = Cost(0)


@dataclass(frozen=True)
class Request:
    """Of one job."""

    threads: int
    memory_mb: int
    minutes: int
    core_seconds: float
    disk_mb: float
    gpus: int
    nodes: int
    tasks: int


NEEDS = {
    "make_twin": Need(2, Cost(470, 0, 33), Cost(6, 0, 9), Cost(0, 0, 38)),
    "import_cube": Need(1, Cost(400, 0, 2), Cost(4, 0, 0.3), Cost(0, 0, 10)),
    "find_scenes": Need(4, Cost(900), Cost(4), Cost(1)),
    "prepare_heights": Need(1, Cost(260, 120), Cost(1.5, 5), Cost(0, 20)),
    "flatten_scenes": Need(1, Cost(380, 55), Cost(3, 0, 6.5), Cost(0, 0, 14)),
    "stack_scenes": Need(2, Cost(360, 60), Cost(3.5, 0, 0.3), Cost(0, 0, 8)),
    "filter_speckle": Need(2, Cost(600, 100), Cost(4, 0, 1), Cost(0, 0, 9)),
    "mosaic_dem": Need(1, Cost(260, 30), Cost(2, 0.5), Cost(0, 5)),
    "mosaic_landcover": Need(1, Cost(260, 60), Cost(2, 0.5), Cost(0, 5)),
    "import_weather": Need(1, Cost(400), Cost(5), Cost(5)),
    "import_soil": Need(1, Cost(350, 60), Cost(4, 1), Cost(0, 4)),
    "import_ndvi": Need(1, Cost(450), Cost(5), Cost(100)),
    "prepare_static": Need(1, Cost(390, 200), Cost(3.5, 4), Cost(0, 40)),
    "prepare_weather": Need(1, Cost(400), Cost(3), Cost(5)),
    "prepare_ndvi": Need(1, Cost(400, 40), Cost(5, 1), Cost(0, 15)),
    "report_covariates": Need(1, Cost(300, 150), Cost(2.5, 1)),
    "make_splits": Need(1, Cost(300), Cost(2)),
    "fit_references": Need(4, Cost(0), Cost(15, 0, 0.06), Cost(0, 60)),
    "detect_change": Need(4, Cost(0), Cost(5, 0, 0.12), Cost(0, 0, 7)),
    "detect_acquisition": Need(2, Cost(0), Cost(4, 1), Cost(0, 10)),
    "volumetric_moisture": Need(2, Cost(0), Cost(4, 0, 0.1), Cost(0, 0, 7)),
    "soil_water_index": Need(2, Cost(0), Cost(4, 0, 0.3), Cost(0, 0, 7)),
    "sample_patches": Need(1, Cost(290, 0, 3), Cost(3.5, 0, 0.3), Cost(1)),
    "check_splits": Need(1, Cost(400, 0, 3), Cost(4, 0, 0.1), Cost(1)),
    "unpack_labels": Need(1, Cost(350, 0, 3), Cost(3, 0, 0.2), Cost(0, 0, 13.5)),
    "train": Need(4, Cost(2300, 200, 5), Cost(8), Cost(1)),
    "predict": Need(4, Cost(700, 400), Cost(4.5, 0, 1.6), Cost(0, 0, 7)),
    "predict_date": Need(2, Cost(700, 400), Cost(5, 2), Cost(0, 7)),
    "calibrate": Need(1, Cost(400, 60), Cost(5, 0, 0.2), Cost(1)),
    "probe_model": Need(4, Cost(900, 0, 8), Cost(40), Cost(5)),
    "collect_samples": Need(2, Cost(1100, 400), Cost(30, 0, 1), Cost(15)),
    "score": Need(1, Cost(300), Cost(3.5), Cost(1)),
    "validate_stations": Need(1, Cost(600, 0, 1), Cost(10), Cost(1)),
    "write_maps": Need(1, Cost(360, 120), Cost(2.5, 2), Cost(0, 9)),
    "draw_maps": Need(1, Cost(240, 150), Cost(5, 1), Cost(1)),
    "draw_scores": Need(1, Cost(300), Cost(4), Cost(1)),
    "draw_stations": Need(1, Cost(300), Cost(4), Cost(1)),
    "draw_sampling": Need(1, Cost(350, 0, 3), Cost(4), Cost(1)),
    "draw_series": Need(1, Cost(800, 100), Cost(4, 0, 0.4), Cost(1)),
    "draw_moisture": Need(1, Cost(450, 60), Cost(3.5, 0, 0.1), Cost(1)),
    "draw_scenes": Need(1, Cost(350, 20, 1), Cost(4, 0, 0.1), Cost(1)),
    "draw_covariates": Need(1, Cost(450, 100), Cost(5, 1), Cost(1)),
}
# Steps that keep within moisture.compute.memory_mb, whatever the area.
BOUNDED = {
    "fit_references",
    "detect_change",
    "detect_acquisition",
    "volumetric_moisture",
    "soil_water_index",
}
# A patch's pixel, a pass over it forward and backward, with the validation after it [s]: a part, and one per day of a sequence.
TRAIN_S, TRAIN_DAY_S = 1.65e-6, {"convlstm": 0.165e-6, "reservoirs": 0.04e-6, "unet": 0.1e-6}


def size_of(cfg: Config) -> Size:
    """Size of a run, from its configuration alone."""
    aoi = cfg.grid.aoi
    area_km2 = (
        cfg.requests.extent_km2
        if isinstance(aoi, str)
        else (aoi[2] - aoi[0]) * (aoi[3] - aoi[1]) / 1e6
    )
    years = ((cfg.period.end - cfg.period.start).days + 1) / 365.25
    return Size(
        area_km2 / cfg.grid.resolution_m**2,
        years * cfg.requests.passes_per_year,
        math.ceil(4 * years),
    )


def resources_for(name: str, cfg: Config, size: Size | None = None, attempt: int = 1) -> Request:
    """What one job of a rule asks for.

    Args:
        name: of the rule.
        cfg: the configuration.
        size: of the run, None for that of the configuration.
        attempt: 1 for the first; a job that was killed asks for more.

    Raises:
        LoamError: nothing is known of the rule.
    """
    if name not in NEEDS:
        msg = f"{name}: nothing is known of what this rule needs; add it to NEEDS in src/loam/runtime/resources.py"
        raise LoamError(msg)
    size, need = size or size_of(cfg), NEEDS[name]
    dates = size.dates / batches(size, cfg) if name == "flatten_scenes" else size.dates
    memory = _memory_mb(name, cfg, size.megapixels, dates)
    seconds = need.seconds.at(size.megapixels, dates) + _training_seconds(name, cfg, size)
    wall = SLOWER * seconds / speedup(need.threads)
    return Request(
        threads=need.threads,
        memory_mb=math.ceil((STARTER_MB + MARGIN * memory) / 100) * 100 * attempt,
        minutes=max(LEAST_MINUTES, math.ceil(wall / 60)) * attempt,
        core_seconds=seconds,
        disk_mb=need.disk.at(size.megapixels, dates)
        * (cfg.learning.members if name == "predict_date" else 1),
        gpus=gpus(name, cfg),
        nodes=cfg.learning.train.nodes if name == "train" else 1,
        tasks=cfg.learning.train.nodes * cfg.learning.train.devices if name == "train" else 1,
    )


def speedup(threads: int) -> float:
    """How much faster several threads are than one."""
    return 1 + SECOND_THREAD * (threads - 1)


def _memory_mb(name: str, cfg: Config, megapixels: float, dates: float) -> float:
    if name in BOUNDED:
        return float(cfg.moisture.compute.memory_mb)
    if name == "flatten_scenes" and cfg.sar.backend == "snap":
        return float(cfg.sar.snap.memory_mb + 2000)
    # On a node, and Slurm counts by node.
    processes = cfg.learning.train.devices if name == "train" else 1
    return processes * NEEDS[name].memory.at(megapixels, dates)


def _training_seconds(name: str, cfg: Config, size: Size) -> float:
    """Of one member of the longest experiment."""
    if name != "train":
        return 0.0
    patches = cfg.samples.patches
    there = 2 * size.megapixels * 1e6 * size.dates / patches.stride_px**2
    pixels = min(patches.max_patches + patches.max_wet_patches, there) * patches.size_px**2
    return (
        cfg.learning.train.epochs * pixels * max(map(_pixel_seconds, cfg.learning.active.values()))
    )


def _pixel_seconds(one: Experiment) -> float:
    return TRAIN_S + TRAIN_DAY_S[one.architecture] * (one.days if one.form == "sequence" else 1)


def gpus(name: str, cfg: Config) -> int:
    """GPUs that one job asks for."""
    train = cfg.learning.train
    if train.accelerator == "cpu":
        return 0
    return {"train": train.devices * train.nodes, "predict": 1, "predict_date": 1}.get(name, 0)


def batches(size: Size, cfg: Config) -> int:
    """Jobs that flatten scenes: a track and quarter each; a track is passed every `twin.repeat_days`, 12 of one satellite."""
    tracks = max(1, round(cfg.requests.passes_per_year / (365.25 / 12)))
    return int(tracks * size.quarters)


def jobs(cfg: Config, size: Size | None = None) -> dict[str, int]:
    """How many jobs each rule will have, as far as the configuration tells."""
    size, sources, learning = size or size_of(cfg), cfg.sources, cfg.learning
    members = learning.members * len(learning.active)
    scenes = sources.backscatter.kind == "scenes"
    twin = any(
        path.startswith(cfg.made_by_the_twin)
        for name in type(sources).model_fields
        for path in source_files(cfg, name)[:1]
    )
    moisture = cfg.moisture.derived
    counts = {
        "make_twin": twin,
        "import_cube": not scenes,
        "find_scenes": scenes,
        "prepare_heights": scenes,
        "flatten_scenes": scenes * batches(size, cfg),
        "stack_scenes": scenes,
        "filter_speckle": cfg.sar.speckle.images != "none",
        "mosaic_dem": len(source_files(cfg, "dem")) > 1,
        "mosaic_landcover": len(source_files(cfg, "landcover")) > 1,
        "import_soil": is_imported(cfg, "soil"),
        "import_ndvi": is_imported(cfg, "ndvi"),
        "prepare_ndvi": sources.uses("ndvi"),
        "volumetric_moisture": moisture.volumetric,
        "soil_water_index": bool(moisture.soil_water_index_days),
        "detect_acquisition": 0,
        "predict_date": len(cfg.map_days),
        "write_maps": len(cfg.map_days),
        "train": members,
        "predict": members,
        "probe_model": members,
        "calibrate": len(learning.active),
        "validate_stations": bool(cfg.evaluation.stations.sources),
        "draw_stations": bool(cfg.evaluation.stations.sources),
    }
    return {name: int(counts.get(name, 1)) for name in NEEDS if counts.get(name, 1)}
