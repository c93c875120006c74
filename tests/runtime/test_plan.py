"""What jobs ask for, and the plan that adds it up."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import REPOSITORY

from loam.config import Config, load
from loam.core.errors import LoamError
from loam.runtime import plan, resources

Load = Callable[..., Config]
BOUNDS = {"aoi": [0, 0, 10_000, 20_000], "crs": "EPSG:32618", "resolution_m": 20}


@pytest.fixture(scope="session")
def county() -> Config:
    return load(
        plan.merged([REPOSITORY / "config/default.yaml", REPOSITORY / "config/prince_georges.yaml"])
    )


def test_the_size_of_a_run_follows_from_its_configuration(load: Load, county: Config) -> None:
    size = resources.size_of(
        load(
            grid=BOUNDS,
            period={"start": "2022-01-01", "end": "2022-12-31"},
            requests={"passes_per_year": 61},
        )
    )
    assert size.megapixels == pytest.approx(0.5)
    assert size.dates == pytest.approx(61, rel=0.01)
    assert size.quarters == 4
    assert resources.size_of(county).megapixels == pytest.approx(3450 * 1950 / 1e6, rel=0.001)


def test_every_rule_is_in_the_table_and_nothing_else_is() -> None:
    text = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    asking = set(re.findall(r'\*\*asked\("(\w+)"\)', text))
    steps = set(
        re.findall(
            r"^ *(?:rule|checkpoint) (\w+):(?:(?!\n *(?:rule|checkpoint) ).)*?shell:",
            text,
            re.S | re.M,
        )
    )
    assert asking == steps == resources.NEEDS.keys()


def test_a_rule_that_nothing_is_known_of_is_named(cfg: Config) -> None:
    with pytest.raises(
        LoamError,
        match=r"^draw_rabbits: nothing is known of what this rule needs; add it to NEEDS in src/loam/runtime/resources.py$",
    ):
        resources.resources_for("draw_rabbits", cfg)


@pytest.mark.parametrize("name", resources.NEEDS)
def test_a_killed_job_comes_back_with_more(name: str, county: Config) -> None:
    first, second = (resources.resources_for(name, county, attempt=attempt) for attempt in (1, 2))
    assert (second.memory_mb, second.minutes) == (2 * first.memory_mb, 2 * first.minutes)
    assert first.memory_mb > resources.STARTER_MB
    assert first.minutes >= resources.LEAST_MINUTES


def test_only_training_and_predicting_ask_for_gpus_and_not_on_cpus(load: Load) -> None:
    auto, cpu = load(), load(learning={"train": {"accelerator": "cpu"}})
    assert {name for name in resources.NEEDS if resources.gpus(name, auto)} == {
        "train",
        "predict",
        "predict_date",
    }
    assert not any(resources.gpus(name, cpu) for name in resources.NEEDS)
    several = resources.resources_for("train", load(learning={"train": {"nodes": 2, "devices": 4}}))
    assert (several.gpus, several.nodes, several.tasks) == (8, 2, 8)


def test_every_process_on_a_node_has_its_memory(load: Load) -> None:
    """Slurm's `--mem` is that of a node, however many there are."""
    one, four, nodes = (
        resources.resources_for(
            "train", load(learning={"train": {"batch_size": 32} | train})
        ).memory_mb
        - resources.STARTER_MB
        for train in ({}, {"devices": 4}, {"nodes": 4})
    )
    assert four == pytest.approx(4 * one, abs=400)  # asked for in hundreds
    assert nodes == one


def test_change_detection_keeps_to_its_own_setting_whatever_the_area(county: Config) -> None:
    size = resources.size_of(county)
    large = resources.Size(100 * size.megapixels, size.dates, size.quarters)
    assert (
        resources.resources_for("detect_change", county, large).memory_mb
        == resources.resources_for("detect_change", county).memory_mb
    )
    assert (
        resources.resources_for("prepare_static", county, large).memory_mb
        > 10 * resources.resources_for("prepare_static", county).memory_mb
    )


def test_the_plan_counts_jobs_and_grows_with_area_and_years(
    county: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.plan([REPOSITORY / "config/prince_georges.yaml"])
    lines = capsys.readouterr().out.splitlines()
    cells = {
        line.split()[0]: line.split()[1:] for line in lines if line.startswith(("train", "flatten"))
    }
    sums = {
        name: re.split(r" {2,}", line)[1:]
        for line in lines
        for name in ("in all", "twice the area", "twice the years")
        if line.startswith(name)
    }
    assert cells["train"][0] == "3"
    assert cells["flatten_scenes"][0] == "26"  # two tracks, 13 quarters begun
    assert all(
        float(sums["twice the area"][column]) > float(sums["in all"][column])
        for column in (1, 3, 5)
    )
    assert float(sums["twice the years"][0]) > float(sums["in all"][0])
    assert float(sums["twice the area"][5]) == pytest.approx(2 * float(sums["in all"][5]), rel=0.02)


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoamError, match=r"nowhere.yaml: cannot be read as YAML"):
        plan.plan([tmp_path / "nowhere.yaml"])
