"""The small scene: a repository in which it runs, and what its rules are."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml
from helpers import REPOSITORY

# The demo's catchment, an eighth of its size and short: seconds a job, the same rules.
SMALL = {
    "area": "small",
    "run": "small",
    "period": {"start": "2022-01-01", "end": "2023-08-31"},
    "grid": {"aoi": [330000, 4290000, 331280, 4291280]},
    "twin": {"relief_m": 60, "spin_up_days": 120},
    "moisture": {"references": {"min_dates": 15}, "change": {"incidence_range_deg": [20, 60]}},
    "covariates": {"static": {"curvature": False}},
    "samples": {
        "splits": {"gap_days": 12, "block_px": 16},
        "patches": {
            "size_px": 16,
            "stride_px": 16,
            "wet_stride_px": 8,
            "max_patches": 300,
            "max_wet_patches": 300,
        },
    },
    "learning": {
        "train": {"epochs": 16, "learning_rate": 0.01},
        "experiments": {"sequence": {"days": 30}, "two_day": None},
    },
    "evaluation": {
        "samples": {"per_split": 4000},
        "boosting": {"samples": 5000, "iterations": 30},
        "probes": {"patches_per_split": 30},
    },
    "products": {"maps": {"last_days": 2}},
}
QUALITY = {"report_covariates", "draw_covariates"}
COVARIATES = {"prepare_static", "prepare_weather", "prepare_ndvi", "import_weather"} | QUALITY
SCENES = {"find_scenes", "prepare_heights", "flatten_scenes", "stack_scenes"}
LABELS = {"fit_references", "detect_change", "draw_moisture"}
PATCHES = {"sample_patches", "unpack_labels", "check_splits", "draw_sampling"}
LEARNING = {
    "train",
    "predict",
    "predict_date",
    "calibrate",
    "write_maps",
    "draw_maps",
    "draw_series",
}
LEARNING |= {"collect_samples", "probe_model", "score", "draw_scores"}


class House:
    """A copy of the repository in which runs are made and files are edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )

    def small(self, *arguments: str, **changes: object) -> subprocess.CompletedProcess[str]:
        extra = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
        return self.run(
            "--configfile",
            "config/demo.yaml",
            "small.yaml",
            *arguments,
            *(["--config", *extra] if extra else []),
        )

    def planned(self, **changes: object) -> set[str]:
        """Rules that a dry run would run, without the target rules."""
        done = self.small("-n", **changes)
        assert done.returncode == 0, done.stderr
        table = re.search(
            r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", done.stdout + done.stderr, re.S
        )
        return (
            set()
            if table is None
            else {line.split()[0] for line in table.group(1).splitlines()}
            - {"all", "total", "maps", "figures"}
        )

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))


def copy_of_the_repository(folder: Path) -> House:
    for name in ("Snakefile", "workflow", "config", "src", "profiles", "envs", "requirements.lock"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(source, folder / name)
    shutil.copytree(REPOSITORY / "resources/styles", folder / "resources/styles")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return House(folder)


def jobs(done: subprocess.CompletedProcess[str]) -> Counter[str]:
    """Number of jobs that ran, by rule."""
    assert done.returncode == 0, done.stderr
    return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", done.stdout + done.stderr))
