"""Build the image of `envs/Containerfile` and run the small scene in it: `make test-container`.

Needs podman. Where containers may not be started, as inside another, `LOAM_CONTAINER_TOOL=buildah` builds and runs in a changed
root. `LOAM_CONTAINER_ARGS` holds further arguments of the build, such as `--build-arg BASE=…` for another base image.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]
CHROOT = ("--isolation", "chroot")


def run(*command: str) -> None:
    """Run a command and stop where it fails."""
    print("+", shlex.join(command), flush=True)
    subprocess.run(command, cwd=REPOSITORY, check=True)


def in_container(tool: str, folder: str, *asked: str) -> None:
    """Run Snakemake in the image, in a folder of the user's."""
    if tool == "podman":
        run("podman", "run", "--rm", "--volume", f"{folder}:/work", "loam", *asked)
        return
    name, entry = "loam-small-scene", ("snakemake", "--snakefile", "/opt/loam/workflow/Snakefile")
    subprocess.run(["buildah", "rm", name], capture_output=True, check=False)
    run("buildah", "from", "--name", name, "localhost/loam")
    place = ("--volume", f"{folder}:/work", "--workingdir", "/work")
    run("buildah", "run", *CHROOT, *place, name, "--", *entry, *asked)  # it knows no entry point
    run("buildah", "rm", name)


def main() -> None:
    """Build, run, and look for the maps."""
    from helpers import merged
    from small_scene import SMALL

    tool = os.environ.get("LOAM_CONTAINER_TOOL", "podman")
    more = shlex.split(os.environ.get("LOAM_CONTAINER_ARGS", ""))
    how = CHROOT if tool == "buildah" else ()
    run(tool, "build", *how, "--file", "envs/Containerfile", "--tag", "loam", *more, ".")
    demo = yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "small.yaml").write_text(yaml.safe_dump(merged(demo, SMALL)))
        in_container(tool, folder, "--configfile", "small.yaml", "--cores", "2", "report")
        maps = sorted((Path(folder) / "results/small/maps").glob("*.tif"))
    print(f"maps made in the container: {', '.join(path.name for path in maps)}")
    sys.exit(len(maps) != 2)


if __name__ == "__main__":
    main()
