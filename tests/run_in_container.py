"""Build the image of `envs/Containerfile` and run the small scene in it: `make test-container`.

Needs podman, or buildah where containers may not be started. `LOAM_CONTAINER_ARGS` holds further arguments of the build, such as
`--build-arg BASE=…` for another base image.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "src")]


def run(*command: str) -> None:
    """Run a command and stop where it fails."""
    print("+", shlex.join(command), flush=True)
    subprocess.run(command, cwd=REPOSITORY, check=True)


def main() -> None:
    """Build, run, and look for the maps."""
    from helpers import merged
    from small_scene import SMALL

    starts = (
        shutil.which("podman")
        and not subprocess.run(
            ["podman", "run", "--rm", os.environ.get("LOAM_PROBE_IMAGE", "loam"), "--version"],
            capture_output=True,
            check=False,
        ).returncode
    )
    more = shlex.split(os.environ.get("LOAM_CONTAINER_ARGS", ""))
    build = ["podman", "build"] if starts else ["buildah", "build", "--isolation", "chroot"]
    run(*build, "--file", "envs/Containerfile", "--tag", "loam", *more, ".")
    demo = yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "small.yaml").write_text(yaml.safe_dump(merged(demo, SMALL)))
        asked = ["--configfile", "small.yaml", "--cores", "2", "report"]
        if starts:
            run("podman", "run", "--rm", "--volume", f"{folder}:/work", "loam", *asked)
        else:  # as podman would, in a changed root: buildah knows no entry point
            name = "loam-small-scene"
            subprocess.run(["buildah", "rm", name], capture_output=True, check=False)
            run("buildah", "from", "--name", name, "localhost/loam")
            entry = ["snakemake", "--snakefile", "/opt/loam/workflow/Snakefile"]
            place = [
                "--isolation",
                "chroot",
                "--volume",
                f"{folder}:/work",
                "--workingdir",
                "/work",
            ]
            run("buildah", "run", *place, name, "--", *entry, *asked)
            run("buildah", "rm", name)
        maps = sorted((Path(folder) / "results/small/maps").glob("*.tif"))
    print(f"maps made in the container: {', '.join(path.name for path in maps)}")
    sys.exit(len(maps) != 2)


if __name__ == "__main__":
    main()
