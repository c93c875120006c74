"""The workflow as a user meets it: dry runs, reruns, one-line faults, the small scene from end to end against its truth."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
import yaml
from helpers import REPOSITORY, merged
from small_scene import COVARIATES, LABELS, LEARNING, PATCHES, QUALITY, SCENES, SMALL, House, jobs

from loam.core.flags import UNUSABLE
from loam.core.raster import open_dataset
from loam.core.splits import SPLITS, Splits, splits_of_pixels


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1]


# --- Before anything has run ---


@pytest.mark.parametrize(
    "files",
    [
        ["config/demo.yaml"],
        ["config/demo.yaml", "config/paper.yaml"],
        ["config/demo.yaml", "small.yaml"],
    ],
)
def test_every_configuration_plans(fresh: House, files: list[str]) -> None:
    done = fresh.run("--configfile", *files, "-n")
    assert done.returncode == 0, done.stderr
    assert "make_twin" in done.stdout + done.stderr


def test_lint_finds_nothing(fresh: House) -> None:
    done = fresh.run("--configfile", "config/demo.yaml", "--lint")
    assert done.returncode == 0
    assert "Congratulations, your workflow is in a good condition!" in done.stdout + done.stderr


@pytest.mark.parametrize("flag", ["--dag", "--rulegraph"])
def test_graphs_are_drawn(fresh: House, flag: str) -> None:
    done = fresh.run("--configfile", "config/demo.yaml", flag)
    assert done.returncode == 0
    assert done.stdout.startswith("digraph")
    assert "detect_change" in done.stdout


def test_the_county_says_in_one_line_what_is_missing_and_where_it_belongs(fresh: House) -> None:
    done = fresh.run("--configfile", "config/prince_georges.yaml", "-n")
    assert done.returncode == 1
    assert last_line(done).startswith(
        "missing input: resources/prince_georges/input/scenes (sources.backscatter.path), "
    )
    assert "resources/prince_georges/input/county.geojson (grid.aoi), " in last_line(done)
    assert last_line(done).endswith("put each file there, or set its key to where it is")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("learnin={a: 1}", "learnin: unknown key; did you mean 'learning'?"),
        (
            "moisture={references: {dry_percentile: 70}}",
            "moisture.references.dry_percentile = '70': input should be less than 50",
        ),
        (
            "sources={dem: {path: nowhere.tif}}",
            "missing input: nowhere.tif (sources.dem.path); put each file there, or set its key to where it is",
        ),
    ],
)
def test_a_bad_setting_stops_a_dry_run_with_one_line(fresh: House, change: str, said: str) -> None:
    done = fresh.run("--configfile", "config/demo.yaml", "-n", "--config", change)
    assert done.returncode == 1
    assert last_line(done) == said
    assert "Traceback" not in done.stderr


def test_a_bad_file_of_settings_stops_a_dry_run_with_one_line(fresh: House, tmp_path: Path) -> None:
    """Snakemake reads it before the Snakefile; Loam has looked at it before, from any folder."""
    (tmp_path / "bad.yaml").write_text("period: {start: 2021-02-29}")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-s",
        str(fresh.folder / "Snakefile"),
        "-n",
        "--configfile",
        "bad.yaml",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = "bad.yaml: line 1: 2021-02-29 is no date (day is out of range for month); correct it, or put it in quotes where it is text"
    assert last_line(done) == said
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("target", "missing", "makes", "leaves"),
    [
        ("gamma0", ("weather", "ndvi", "landcover", "soil"), "stack_scenes", "import_weather"),
        ("moisture", ("soil",), "detect_change", "prepare_static"),
        ("maps", (), "write_maps", "collect_samples"),
        ("report", (), "draw_scores", "soil_water_index"),
    ],
)
def test_a_target_asks_for_its_own_jobs_and_sources(
    fresh: House, target: str, missing: tuple[str, ...], makes: str, leaves: str
) -> None:
    gone = {name: {"path": f"nowhere/{name}.tif"} for name in missing}
    done = fresh.small("-n", target, sources=gone)
    assert done.returncode == 0, done.stdout + done.stderr
    planned = set(re.findall(r"^(\w+) +\d+$", done.stdout, re.M))
    assert {makes, target} <= planned and leaves not in planned
    if missing:
        assert last_line(fresh.small("-n", sources=gone)).startswith("missing input: nowhere/")


def test_labels_need_no_weather_and_say_so(fresh: House) -> None:
    done = fresh.small("-n", "moisture", sources={"weather": {"path": None}})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prepare_weather" not in done.stdout
    assert done.stderr.count("no label is flagged as frozen") == 1
    assert "sources.weather.path: not set" in last_line(
        fresh.small("-n", sources={"weather": {"path": None}})
    )


def test_it_works_from_another_folder(fresh: House, tmp_path: Path) -> None:
    done = fresh.run("--configfile", "config/demo.yaml", "-n", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr


# --- The finished run ---


def test_results_are_all_there(house: House) -> None:
    results = house.folder / "results/small"
    for day in ("2023-08-30", "2023-08-31"):
        assert (results / f"maps/{day}.tif").exists()
        assert (results / f"figures/map_{day}.png").stat().st_size > 10_000
    scores = pd.read_parquet(results / "evaluation/scores.parquet")
    place = ["experiment", "member", "model", "split", "target", "stratum_kind", "stratum"]
    assert list(scores.columns) == [*place, "metric", "value", "count"]
    assert set(scores["split"]) == {"random", "temporal", "spatial", "spatiotemporal"}
    baselines, probes = (
        {"climatology", "persistence", "antecedent", "boosting"},
        {"date_only", "pixel_season", "shuffled_weather", "shuffled_space"},
    )
    assert {"sequence", "ceiling"} | baselines | probes == set(scores["model"]) - {
        "boosting_antecedent"
    }
    assert {"r2", "r", "rmse", "mae", "bias"} <= set(scores["metric"])
    assert {"label", "truth"} == set(scores["target"])
    kinds = {
        "land_cover",
        "slope",
        "season",
        "decile",
        "permuted",
        "permuted_on_date",
        "sanity",
        "check",
    }
    assert kinds | {"all"} == set(scores["stratum_kind"])
    assert all(path.stat().st_size for path in (results / "benchmarks").rglob("*.tsv"))


def test_labels_follow_the_truth(house: House) -> None:
    """Change detection knows nothing of the truth; its labels must."""
    labels, truth = (
        open_dataset(house.folder / path)
        for path in ("results/small/moisture/ssm.zarr", "resources/small/twin/truth.zarr")
    )
    usable = ((labels["flags"].values & int(UNUSABLE)) == 0) & np.isfinite(labels["ssm"].values)
    days = labels["time"].values.astype("datetime64[D]").astype("datetime64[ns]")
    true = truth["ssm"].sel(time=days).values
    assert np.array_equal(labels["x"], truth["x"])
    assert np.array_equal(labels["y"], truth["y"])
    assert usable.mean() > 0.3
    assert np.corrcoef(labels["ssm"].values[usable], true[usable])[0, 1] > 0.55
    shifted = truth["ssm"].sel(time=days - np.timedelta64(40, "D"), method="nearest").values
    # A wrong day would not do.
    assert np.corrcoef(labels["ssm"].values[usable], shifted[usable])[0, 1] < 0.45


def test_predictions_know_days_they_have_not_seen(house: House) -> None:
    scores = pd.read_parquet(house.folder / "results/small/evaluation/scores.parquet")
    whole = scores[
        (scores["target"] == "truth")
        & (scores["stratum_kind"] == "all")
        & (scores["split"] == "spatiotemporal")
    ]
    truth = whole.set_index(["model", "metric"])["value"]
    assert truth["sequence", "r"] > 0.4
    assert truth["sequence", "rmse"] < truth["persistence", "rmse"]


def test_maps_are_on_the_grid_in_range_and_explained(house: House) -> None:
    with rasterio.open(house.folder / "results/small/maps/2023-08-31.tif") as file:
        assert file.crs.to_epsg() == 32618
        assert (file.bounds.left, file.bounds.top, file.res) == (330000, 4291280, (20, 20))
        assert file.descriptions == ("ssm", "ssm_uncertainty", "flags")
        assert np.isnan(file.nodata)
        ssm, sigma, flags = file.read()
    valid = np.isfinite(ssm)
    assert valid.mean() > 0.8
    assert ((ssm[valid] >= 0) & (ssm[valid] <= 1)).all()
    assert (sigma[valid] > 0).all()
    assert (flags[~valid].astype(int) & 1 == 1).all()  # nothing but water is without a value


def test_references_know_no_test_date(house: House, tmp_path: Path) -> None:
    """Noise in place of every date that does not train changes no reference, bit for bit."""
    from loam import config
    from loam.core.raster import write_zarr
    from loam.moisture.references import fit_references

    results = house.folder / "results/small"
    stack = open_dataset(house.folder / "resources/small/gamma0/stack.zarr").load()
    training = Splits.read(results / "samples/splits.json").dates["train"]
    other = ~np.isin(
        stack["time"].values.astype("datetime64[s]"), np.array(training, dtype="datetime64[s]")
    )
    assert other.sum() > 20
    stack["vv"].values[other] = np.random.default_rng(0).random(
        (other.sum(), *stack["vv"].shape[1:])
    )
    write_zarr(stack.odc.assign_crs("EPSG:32618"), tmp_path / "stack.zarr")
    raw = [
        yaml.safe_load((REPOSITORY / "config" / name).read_text())
        for name in ("default.yaml", "demo.yaml")
    ]
    cfg = config.load(merged(merged(*raw), SMALL)).moisture
    fit_references(
        tmp_path / "stack.zarr",
        results / "samples/splits.json",
        results / "covariates/weather.zarr",
        None,
        None,
        tmp_path / "references.zarr",
        cfg.signal,
        cfg.references,
        cfg.vegetation,
        cfg.compute,
        2,
    )
    before, after = (
        open_dataset(path / "references.zarr").load() for path in (results / "moisture", tmp_path)
    )
    for name in before.data_vars:
        np.testing.assert_array_equal(before[name].values, after[name].values)


def test_scored_pixels_are_of_the_part_they_are_scored_in(house: House) -> None:
    results = house.folder / "results/small"
    splits = Splits.read(results / "samples/splits.json")
    samples = pd.read_parquet(results / "evaluation/samples.parquet")
    times = np.unique(samples["time"].to_numpy())
    units = splits.of_units(times)
    maps = np.stack(
        [splits_of_pixels(each, splits.block_px, (64, 64), splits.buffer_px) for each in units]
    )
    part = maps[
        np.searchsorted(times, samples["time"].to_numpy()), samples["row"], samples["column"]
    ]
    assert (np.array(SPLITS)[part] == samples["split"].to_numpy()).all()


def test_the_plan_counts_the_jobs_that_ran_and_asks_for_more_than_they_used(house: House) -> None:
    from loam import config
    from loam.runtime import resources

    raw = [
        yaml.safe_load((REPOSITORY / "config" / name).read_text())
        for name in ("default.yaml", "demo.yaml")
    ]
    cfg = config.load(merged(merged(*raw), SMALL))
    tables = list((house.folder / "results/small/benchmarks").rglob("*.tsv"))
    rules = [path.stem if path.parent.name == "benchmarks" else path.parent.name for path in tables]
    assert Counter(rules) == resources.jobs(cfg)
    for rule, path in zip(rules, tables, strict=True):
        used_mb = pd.read_csv(path, sep="\t", na_values="-")["max_rss"].max()
        assert used_mb + resources.STARTER_MB < resources.resources_for(rule, cfg).memory_mb, rule


def test_the_report_holds_maps_scores_and_captions(house: House) -> None:
    done = house.small("--report", "report.html")
    assert done.returncode == 0, done.stderr
    text = (house.folder / "report.html").read_text()
    for word in ("map_2023-08-31.png", "scatter.png", "scores.html", "curves.png", "1 Maps"):
        assert word in text


# --- What runs again, and what does not ---


def test_nothing_runs_twice(house: House) -> None:
    assert house.planned() == set()


def test_training_settings_rerun_training_and_what_follows(house: House) -> None:
    assert house.planned(learning={"train": {"epochs": 9}}) == LEARNING


def test_change_detection_settings_rerun_it_and_what_follows(house: House) -> None:
    assert (
        house.planned(moisture={"references": {"dry_percentile": 12}})
        == LABELS | LEARNING | PATCHES
    )


def test_a_setting_of_scaling_leaves_the_references(house: House) -> None:
    planned = house.planned(moisture={"change": {"min_sensitivity_db": 1.2}})
    assert planned == {"detect_change", "draw_moisture"} | PATCHES | LEARNING


def test_a_question_more_reruns_the_probes_and_the_scores_alone(house: House) -> None:
    planned = house.planned(evaluation={"probes": {"rain_mm": 9}})
    assert planned == {"probe_model", "score", "draw_scores"}


def test_stations_are_validated_where_there_are_some(house: House) -> None:
    (house.folder / "station.txt").write_text("")
    planned = house.planned(
        evaluation={"stations": {"sources": [{"kind": "uscrn", "path": "station.txt"}]}}
    )
    assert planned == {"validate_stations", "draw_stations"}


def test_where_blocks_are_computed_reruns_nothing(house: House) -> None:
    assert house.planned(moisture={"compute": {"memory_mb": 3000, "workers": 2}}) == set()


def test_derived_products_are_made_on_request_alone(house: House) -> None:
    planned = house.planned(
        moisture={"derived": {"volumetric": True, "soil_water_index_days": [10]}}
    )
    assert planned == {"volumetric_moisture", "soil_water_index"}


def test_one_new_acquisition_is_scaled_with_the_references_that_are_there(copied: House) -> None:
    """Near real time: the stack is newer, and still nothing but the one acquisition is made."""
    whole = open_dataset(copied.folder / "results/small/moisture/ssm.zarr").load()
    name = str(whole["time"].values[-1])[:19].replace("-", "").replace(":", "")
    (copied.folder / "resources/small/gamma0/stack.zarr/zarr.json").touch()
    target = f"results/small/moisture/acquisitions/{name}.zarr"
    done = copied.small("--allowed-rules", "detect_acquisition", "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    new = open_dataset(copied.folder / target).load()
    for variable in ("ssm", "ssm_uncertainty", "flags"):
        np.testing.assert_array_equal(new[variable].values, whole[variable].values[-1:])
    assert not re.search(
        "rule (fit_references|detect_change|import_cube)", done.stdout + done.stderr
    )


def test_another_run_shares_what_the_area_owns(house: House) -> None:
    planned = house.planned(run="other")
    assert not planned & ({"make_twin", "import_weather"} | SCENES)
    assert {"fit_references", "train", "write_maps"} <= planned
    done = house.small("-n", run="other")
    assert "results/other/maps/2023-08-31.tif" in done.stdout + done.stderr
    assert "output: results/small" not in done.stdout + done.stderr


def test_a_source_switched_off_reruns_who_used_it(house: House) -> None:
    planned = house.planned(sources={"ndvi": None})
    assert planned == LEARNING | QUALITY


def test_an_edit_reruns_the_step_a_comment_does_not(copied: House) -> None:
    path = "src/loam/moisture/scale.py"
    copied.edit(
        path,
        "        known = np.isfinite",
        "        # Where it is certain.\n        known = np.isfinite",
    )
    copied.edit(path, '"""Where backscatter lies', '"""Tell where backscatter lies')
    assert copied.planned() == set()
    copied.edit(path, "np.float32(0)\n", "np.float32(0.1)\n")
    assert copied.planned() == {"detect_change", "draw_moisture"} | PATCHES | LEARNING


def test_a_new_scene_is_added_to_the_stack_and_reruns_no_covariate(copied: House) -> None:
    """In a user's folder: only its own quarter is flattened, and the stack keeps what it has."""
    mine, made = (
        copied.folder / "mine",
        sorted((copied.folder / "resources/small/twin/scenes").glob("*.SAFE")),
    )
    made[-1].rename(copied.folder / made[-1].name)
    (copied.folder / "resources/small/twin/scenes").rename(mine)
    source = {"sources": {"backscatter": {"path": "mine"}}}
    first = jobs(copied.small("--until", "stack_scenes", **source))
    assert first["stack_scenes"] == 1
    planned = copied.planned(**source)
    assert {"make_splits", "fit_references", "detect_change", "train"} <= planned
    assert not planned & (COVARIATES | SCENES)
    stack = copied.folder / "resources/small/gamma0/stack.zarr"
    before, times = (
        {file: file.stat().st_mtime_ns for file in stack.glob("vv/c/0/**/*") if file.is_file()},
        open_dataset(stack).sizes["time"],
    )
    (copied.folder / made[-1].name).rename(mine / made[-1].name)
    assert jobs(copied.small("--until", "stack_scenes", **source)) == {
        "find_scenes": 1,
        "flatten_scenes": 1,
        "stack_scenes": 1,
    }
    assert open_dataset(stack).sizes["time"] == times + 1
    assert before
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert copied.planned(**source) == set()  # the stack is again what all else was made from


def test_speckle_filtering_reruns_labels_and_what_follows(house: House) -> None:
    planned = house.planned(
        sar={"speckle": {"images": "causal"}}, samples={"splits": {"random_share": 0}}
    )
    assert planned == {"make_splits", "filter_speckle", "draw_scenes"} | PATCHES | LABELS | LEARNING


def test_a_speckle_filter_with_random_units_is_refused_before_any_job(house: House) -> None:
    done = house.small("-n", sar={"speckle": {"images": "split"}})
    assert done.returncode != 0
    assert (
        "samples.splits.random_share = 0.15: sar.speckle.images = 'split' filters these held-out units"
        in done.stdout + done.stderr
    )


def test_a_failed_run_leaves_earlier_results_and_goes_on_when_mended(
    copied: House, house: House
) -> None:
    maps = copied.folder / "results/small/maps/2023-08-31.tif"
    before = maps.read_bytes()
    done = copied.small(moisture={"references": {"min_dates": 1000}})
    assert done.returncode == 1
    assert (
        "loam sample-patches: samples.patches: no patch of split 'train'"
        in done.stdout + done.stderr
    )
    assert maps.read_bytes() == before
    mended = copied.small("--until", "sample_patches")
    assert mended.returncode == 0, mended.stderr
    pd.testing.assert_frame_equal(
        *(
            pd.read_parquet(each.folder / "results/small/samples/patches.parquet")
            for each in (copied, house)
        )
    )


def test_an_unfit_source_stops_before_any_job(copied: House) -> None:
    """The weather is cut short behind the workflow's back: nothing runs, and one line says why."""
    path = copied.folder / "short.nc"
    xr.load_dataset(copied.folder / "resources/small/twin/weather.nc").isel(
        time=slice(0, -5)
    ).to_netcdf(path)
    done = copied.small(sources={"weather": {"path": "short.nc"}})
    assert done.returncode == 1
    assert re.search(
        r"^loam check-inputs: short.nc: covers 2021-\d\d-\d\d to 2023-08-26, but the period .* extend the weather",
        done.stderr,
        re.M,
    )
    assert "Finished jobid" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert copied.planned() == set()
