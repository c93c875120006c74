# Loam: Sentinel-1 to daily maps of soil moisture. A rule is names, paths and one command; settings are in config/.
import sys

sys.path.insert(0, f"{workflow.basedir}/src")
from loam import config as settings, needs, orphans
from loam.errors import LoamError
from loam.provenance import fingerprint
from loam.yaml_file import merged, over, read

# No `configfile:`, whose faults are tracebacks: Loam reads the default, and looks into the files that Snakemake has read.
DEFAULT = Path(workflow.basedir) / "config/default.yaml"
try:
    merged(map(Path, workflow.configfiles))
    config.update(over(read(DEFAULT), config))
    cfg = settings.load(config)
except LoamError as error:
    sys.exit(str(error))
workflow.configfiles.append(str(DEFAULT))  # shown in the report


report: "workflow/report/workflow.rst"


pathvars:
    resources=f"resources/{cfg.area}",
    results=f"results/{cfg.run}",
    logs=f"results/{cfg.run}/logs",
    benchmarks=f"results/{cfg.run}/benchmarks",


include: "workflow/rules/common.smk"
include: "workflow/rules/twin.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/sar.smk"
include: "workflow/rules/moisture.smk"
include: "workflow/rules/covariates.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/products.smk"


onstart:
    enter()
    check_inputs()


onsuccess:
    orphans.leave()


onerror:
    orphans.leave()


rule all:
    default_target: True
    input:
        rules.maps.input,
        rules.figures.input,
        rules.derived.input,
        "<results>/evaluation/scores.parquet",
