"""Nothing skips in silence: in CI, a skip that is not on a short list fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import REPOSITORY

CASES = """
import pytest

@pytest.mark.skipif(True, reason="no real observations; set LOAM_REAL_DATA to a folder")
def test_marked(): pass

def test_within(): pytest.skip("no environment with pyroSAR: pip could not install it")

def test_no_gpu(): pytest.skip("there is no GPU here")
"""


@pytest.mark.parametrize(
    ("strict", "counts"), [("", "3 skipped"), ("1", "1 failed, 1 skipped, 1 error")]
)
def test_a_skip_that_is_not_expected_fails_in_ci(tmp_path: Path, strict: str, counts: str) -> None:
    (tmp_path / "test_cases.py").write_text(CASES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", str(tmp_path)]
    path = os.pathsep.join((str(REPOSITORY / "tests"), str(REPOSITORY / "src")))
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", os.devnull],
        cwd=tmp_path,
        env=os.environ | {"LOAM_STRICT_SKIPS": strict, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert counts in done.stdout, done.stdout + done.stderr
