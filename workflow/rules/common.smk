# What all rules share: how a step gets its settings and its code, what it asks for, and how Loam is found.
import csv
import os
import shlex
import subprocess
from functools import cache

from snakemake.cli import get_argument_parser


wildcard_constraints:
    experiment="[a-z0-9][a-z0-9_]*",
    member=r"\d+",
    date=r"\d{4}-\d{2}-\d{2}",


# Every environment sees this checkout, or the Loam that is installed; outside conda the interpreter that runs Snakemake runs the steps.
CODE = SOURCE if SOURCE.is_dir() else package_alone(Path(".snakemake/loam_package"))
PATHS = f"export PYTHONPATH={shlex.quote(str(CODE))}; "
if not workflow.deployment_settings.deployment_method:
    PATHS += f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
# Threads that wait without spinning: jobs share the cores, and a spinning one takes what its neighbour needs.
shell.prefix(f"set -euo pipefail; export OMP_WAIT_POLICY=passive; {PATHS}")


def given():
    """All files and folders of the user's."""
    sources = [path for name in type(cfg.sources).model_fields for path in inputs.source_files(cfg, name)]
    others = [cfg.sources.backscatter.orbits, cfg.sources.dem.geoid_path, cfg.evaluation.truth]
    stations = [station.path for station in cfg.evaluation.stations.sources]
    found = [*sources, *filter(None, others), *stations, *inputs.aoi_files(cfg)]
    return [path for path in found if not path.startswith(cfg.made_by_the_twin)]


# What the command line asks for: the check of inputs looks at what that reads, and at no more.
# Snakemake tells a workflow of it only when the files are read, too late for one line on what is missing.
TARGETS = () if IS_MODULE else get_argument_parser().parse_known_args(sys.argv[1:])[0].targets or ()

if workflow.is_main_process:
    if fault := inputs.missing_inputs(cfg, TARGETS):
        stop(fault)
    if early := contents.dated_in_the_future(given()):
        sys.stderr.write(f"loam: {early}\n")
    run_registry.begin()
    run_registry.unlock()
else:
    try:
        run_registry.join()
    except LoamError as error:
        sys.exit(str(error))

# The stack. Of scenes, it is named by the metadata of its group, as stack_scenes explains. Commands take them for the folder.
STACK = (
    "<resources>/gamma0/stack.zarr/zarr.json"
    if cfg.sources.backscatter.kind == "scenes"
    else "<resources>/gamma0/stack.zarr"
)
# What labels are made from: the stack, or the stack without its speckle.
BACKSCATTER = STACK if cfg.sar.speckle.images == "none" else "<results>/gamma0/filtered.zarr"
# The file of the area's polygon and those that belong to it.
AOI = inputs.aoi_files(cfg)
EXPERIMENTS = sorted(cfg.learning.active)
MEMBERS = range(cfg.learning.members)


def theirs(paths):
    """A user's files as input. Their content decides whether a step runs again, not their time, nor that of a folder: see `step`."""
    paths = [paths] if isinstance(paths, str) else paths or []
    return [path if path.startswith(cfg.made_by_the_twin) else ancient(local(path)) for path in paths]


def identity(paths, suffixes=()):
    """What a user's files hold; the twin's are known by what makes them."""
    try:
        return contents.identity([path for path in paths if not path.startswith(cfg.made_by_the_twin)], suffixes)
    except LoamError as error:
        stop(f"loam: {error}")


def step(name, section=None, reads=(), suffixes=(), values=None, **sections):
    """Params of a step: its settings as JSON (argument: dotted section), the fingerprint of its code, what the user's files hold.

    `values`: arguments that are no sections. `reads`: sources by name and other paths, or a function from wildcards to paths. The area's polygon is read wherever the grid is.
    """
    parts = ({"cfg": section} if section else {}) | sections

    def files(wildcards):
        named = reads(wildcards) if callable(reads) else reads
        known = type(cfg.sources).model_fields
        given = [inputs.source_files(cfg, each) if each in known else [each] for each in named if each]
        return sum(given, []) + (AOI if "grid" in parts else [])

    return {
        "cfg": lambda wildcards: settings.as_json(
            {key: cfg.section(dotted.format(**wildcards)) for key, dotted in parts.items()} | (values or {})
        ),
        "code": fingerprint(name),
        "contents": lambda wildcards: identity(files(wildcards), suffixes),
    }


def asked(name):
    """Memory and time by area and dates, more when a killed job comes again; GPUs, nodes and tasks of training."""

    def by(quantity):
        return lambda wildcards, attempt: getattr(resources_for(name, cfg, attempt=attempt), quantity)

    first = resources_for(name, cfg)
    several = {"mpi": "srun", "tasks": first.tasks, "tasks_per_gpu": 1, "nodes": first.nodes} if first.tasks > 1 else {}
    gpus = {"gpu": first.gpus} if first.gpus else {}
    return {"mem_mb": by("memory_mb"), "runtime": by("minutes")} | gpus | several


def launcher(name):
    """What the command of several processes stands behind under Slurm, for its `shell`; nothing elsewhere, and for a single one."""
    one = resources_for(name, cfg)
    if one.tasks == 1:
        return ""
    # All cores of the job on each node, whatever their number: how many were given for a task, nothing tells in here.
    step = f"srun --nodes={one.nodes} --ntasks-per-node={one.tasks // one.nodes} --cpu-bind=none"
    return f"${{{{SLURM_JOB_ID:+{step}}}}} "


# What files of a provider become, where Loam does not read them as they are.
MADE = {"soil": "<resources>/soil/properties.zarr", "ndvi": "<resources>/ndvi/looks.zarr"}


def source(name):
    """Files of a source as rule input; nothing when it is not used. Tiles of terrain and land cover are joined first."""
    files = inputs.source_files(cfg, name)
    return f"<resources>/{name}/mosaic.tif" if name in {"dem", "landcover"} and len(files) > 1 else theirs(files)


def prepared(name):
    """A source as covariates read it: the user's own file, or what was made of a provider's files."""
    return MADE[name] if inputs.is_imported(cfg, name) else source(name)


def used(name, path):
    """A file that is made from a source; nothing when the source is not used."""
    return path if cfg.sources.uses(name) else []


# What models are shown of a place and day.
COVARIATES = [
    "<results>/covariates/static.zarr",
    "<results>/covariates/weather.zarr",
    *(["<results>/covariates/ndvi.zarr"] if cfg.sources.uses("ndvi") else []),
]


def check_inputs():
    """Before the first job starts, open every source and look for the GPU that is asked for; stop with one line if one cannot serve."""
    check("check-inputs", cfg=cfg, sources=inputs.sources_of(TARGETS, cfg))
    on_gpu = cfg.learning.train.accelerator == "gpu" and workflow.local_exec  # a login node needs none
    if on_gpu and any(
        job.rule.name in {"train", "predict", "predict_date", "probe_model"} for job in workflow.dag.needrun_jobs()
    ):
        check("check-device", accelerator="gpu")


def check(command, **parts):
    """Run a command of Loam's here and now."""
    command = [sys.executable, "-m", "loam", command, "--params", settings.as_json(parts)]
    environment = os.environ | ({"PYTHONPATH": str(SOURCE)} if SOURCE.is_dir() else {})
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    sys.stderr.write(done.stderr)


def scene_table():
    """Scenes by track and quarter, once the products have been found."""
    path = checkpoints.find_scenes.get().output.scenes
    return scenes_of(path, os.stat(path).st_mtime_ns)


@cache  # read once a version of the file, not once a job
def scenes_of(path, _version):
    """Rows of scenes.csv by track and quarter."""
    with open(path) as file:
        rows = list(csv.DictReader(file))
    if not rows or any(None in row.values() for row in rows):
        stop(f"{path}: is not whole; remove it (rm {shlex.quote(path)}) and run again")
    batches = {}
    for row in rows:
        batches.setdefault((row["track"], row["quarter"]), []).append(row)
    return batches


def of_batch(column, separator):
    """Files named in a column by the scenes of a track and quarter."""

    def files(wildcards):
        rows = scene_table().get((wildcards.track, wildcards.quarter), [])
        return theirs(sorted({path for row in rows for path in row[column].split(separator) if path}))

    return files


def products_and_orbits(wildcards):
    """Products and orbit files of a track and quarter."""
    files = [*of_batch("products", "|")(wildcards), *of_batch("orbit_file", "|")(wildcards)]
    return [os.path.dirname(path) if os.path.basename(path) == "manifest.safe" else path for path in files]


def batches(wildcards):
    """Folder of every track and quarter that has scenes."""
    return sorted(f"resources/{cfg.area}/gamma0/{track}_{quarter}" for track, quarter in scene_table())
