"""The environment in which the tests run pyroSAR: a folder of its own, made once and kept among temporary files.

pyroSAR needs GDAL's Python bindings, which no package index has as a wheel, and an sqlite3 that loads extensions. On
Debian the system's Python has the second, and the package python3-gdal the first.
"""

import fcntl
import hashlib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers import REPOSITORY

SYSTEM_PYTHON = "/usr/bin/python3"
BINDINGS = "python3-gdal"  # Debian's package
LIMIT_S = 300  # for all of it; on two cores it takes 40 with Debian's packages
# pyroSAR without its requirements, of which psycopg2 must be compiled and is for a database that Loam has not.
PYROSAR = ["pyroSAR==0.39.1"]
NEEDED_BY_PYROSAR = [
    "geoalchemy2",
    "lxml",
    "packaging",
    "pillow",
    "progressbar2",
    "psutil",
    "pyyaml",
    "requests",
    "spatialist==0.20.2",
    "sqlalchemy<2.1",
    "sqlalchemy-utils<0.42",
    "numpy<2",  # as GDAL's bindings were compiled for
]
NEEDED_BY_LOAM = ["dask", "odc-geo", "pydantic", "rasterio", "rioxarray", "xarray"]


_until = math.inf  # when the time is up


class CannotBeMade(Exception):
    """Why there is no environment on this machine, in one line."""


def make_environment() -> Path:
    """Python that can import pyroSAR and the room `sar`; made on first use.

    Raises:
        CannotBeMade: with the reason.
    """
    global _until
    _until = time.monotonic() + LIMIT_S
    packages = NEEDED_BY_PYROSAR + locked(NEEDED_BY_LOAM)
    name = hashlib.sha256(repr((PYROSAR, packages)).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"loam-snap-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # another run of the tests may be making it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ((folder / "ready").exists() and (folder / "venv/bin/python").exists()):
            _require_bindings()
            _install(folder / "venv", packages)
            (folder / "ready").touch()
    return folder / "venv/bin/python"


def locked(names: list[str]) -> list[str]:
    """Requirements with the versions of requirements.lock."""
    lock = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return [line for line in lock if line.partition("==")[0] in names]


def _require_bindings() -> None:
    if not Path(SYSTEM_PYTHON).exists():
        raise CannotBeMade(f"there is no {SYSTEM_PYTHON}")
    _run(
        "its sqlite3 loads no extensions",
        SYSTEM_PYTHON,
        "-c",
        "import sqlite3; sqlite3.connect(':memory:').enable_load_extension(True)",
    )
    if _runs(SYSTEM_PYTHON, "-c", "import osgeo"):
        return
    if os.getuid() != 0 or not shutil.which("apt-get"):  # as for `make test-slurm`: root on Debian
        raise CannotBeMade(
            f"{SYSTEM_PYTHON} has no osgeo (GDAL's bindings); on Debian: apt-get install {BINDINGS}"
        )
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", BINDINGS]
    if not _runs(*install):
        _run("apt-get update failed", "apt-get", "update", "--quiet")
        _run(f"apt-get could not install {BINDINGS}", *install)


def _install(venv: Path, packages: list[str]) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    _run(
        "no environment could be made",
        SYSTEM_PYTHON,
        "-m",
        "venv",
        "--without-pip",
        "--system-site-packages",
        str(venv),
    )
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(venv / "bin/python"),
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "--retries",
        "1",
    ]
    _run("pip could not install pyroSAR", *pip, "--no-deps", *PYROSAR)
    _run("pip could not install what pyroSAR needs", *pip, *packages)


def _runs(*command: str) -> bool:
    try:
        _run("", *command)
    except CannotBeMade:
        return False
    return True


def _run(complaint: str, *command: str) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=max(_until - time.monotonic(), 1),
            stdin=subprocess.DEVNULL,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired:
        raise CannotBeMade(f"{complaint}: not within {LIMIT_S} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise CannotBeMade(f"{complaint}: {re.sub(r'https?://[^ ]+', '…', last)[:200]}")
