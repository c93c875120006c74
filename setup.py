"""Puts the default settings and their schema, the styles and tables of `resources/` into the wheel; all else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = (
    "config/default.yaml",
    "config/schema.json",
    "resources/soil_texture.csv",
    "resources/styles/ssm.qml",
)


class BuildWithData(build_py):
    """Copies what `loam.core.shipped` looks for; a checkout has it in its own folders."""

    def run(self) -> None:
        """Build the package, then add the files."""
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib) / "loam/shipped" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)


setup(cmdclass={"build_py": BuildWithData})
