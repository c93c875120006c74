# The code of Loam, and the validated configuration `cfg`.
import sys
from importlib.util import find_spec

from snakemake.exceptions import WorkflowError

# The code beside this file, or, where Snakemake fetched the workflow from a repository, the Loam that is installed.
HERE = Path(str(workflow.current_basedir)).parents[1]
SOURCE = HERE / "src"
IS_MODULE = not workflow.modifier.is_main_snakefile()
if (SOURCE / "loam").is_dir():
    sys.path.insert(0, str(SOURCE))
elif find_spec("loam") is None:
    raise WorkflowError(
        "Loam is not installed, and its code does not lie beside workflow/Snakefile; install the same version with pip"
    )
from loam import config as settings
from loam.config.yaml_file import merged, over, read
from loam.core.errors import LoamError
from loam.core.shipped import package_alone, shipped
from loam.runtime import contents, inputs, run_registry
from loam.runtime.fingerprint import fingerprint
from loam.runtime.resources import NEEDS, resources_for


def stop(message):
    """End with one line: as Snakemake does where another workflow uses Loam, else with the line alone."""
    if IS_MODULE:
        raise WorkflowError(message)
    sys.exit(message)


# No `configfile:`, whose faults are tracebacks: Loam reads the default, and looks into the files that Snakemake has read.
DEFAULT = shipped("config/default.yaml")
try:
    if not IS_MODULE:
        merged(map(Path, workflow.configfiles))
    cfg = settings.load(over(read(DEFAULT), config))
except LoamError as error:
    stop(str(error))
if str(DEFAULT) not in workflow.configfiles and not IS_MODULE:
    workflow.configfiles.append(str(DEFAULT))  # shown in the report
