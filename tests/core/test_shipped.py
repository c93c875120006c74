"""The package alone, for environments that do not hold it."""

import os
import subprocess
import sys
from pathlib import Path

from loam.core.shipped import PACKAGE, package_alone


def test_another_environment_finds_the_package_and_nothing_beside_it(tmp_path: Path) -> None:
    for _ in range(2):  # a second run finds the link
        folder = package_alone(tmp_path / "alone")
    assert [path.name for path in folder.iterdir()] == ["loam"]
    asked = "import loam.core.errors as found; print(found.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked],  # -S: without the packages of this environment
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).resolve() == PACKAGE / "core/errors.py"


def test_a_link_to_another_loam_is_renewed(tmp_path: Path) -> None:
    (tmp_path / "loam").symlink_to(tmp_path / "elsewhere")
    assert (package_alone(tmp_path) / "loam").resolve() == PACKAGE
