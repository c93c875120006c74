"""Samples: every model on the same ones, baselines blind to the tests and to the future."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import not_fingerprinted

from loam.core.antecedent_labels import summarise
from loam.core.ensemble import ensemble
from loam.core.errors import LoamError
from loam.core.flags import UNUSABLE, Flag
from loam.core.raster import open_dataset, write_zarr
from loam.core.splits import SPLITS, TESTS, Splits, splits_of_pixels
from loam.evaluation.baselines import climatology, usable_windows
from loam.evaluation.history import antecedent_channels, with_history
from loam.evaluation.labels import Frame, blocks, open_frames, usable_labels
from loam.evaluation.rivals import BASELINES, PROBES
from loam.evaluation.samples import collect_samples, draw_ordinals, draw_samples

COLUMNS = ["time", "row", "column", "split", "track", "label", "label_uncertainty", "truth"]
COLUMNS += ["land_cover", "slope", "season", "decile", "wet_threshold", *BASELINES, *PROBES]
EXPERIMENTS = [
    f"{name}/{member}{sigma}"
    for name in ("sequence", "two_day")
    for member in (0, 1, "ensemble")
    for sigma in ("", "/sigma")
]


def collected(run: Any, **changes: Any) -> pd.DataFrame:
    out = run.path("samples.parquet")
    collect_samples(**{**run.inputs(), **changes}, out=out)
    return pd.read_parquet(out)


def parts_of(run: Any) -> np.ndarray:
    splits = Splits.read(run.path("splits.json"))
    return np.stack(
        [splits_of_pixels(units, 16, (48, 40), 2) for units in splits.of_units(run.times)]
    )


def rewrite(path: Path, change: Any) -> None:
    data = open_dataset(path).load()
    crs = data.odc.crs
    change(data)
    write_zarr(data.odc.assign_crs(crs), path, {"time": 7})


def test_columns_labels_and_truth_are_exact(shared_run: Any, table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS + EXPERIMENTS
    assert set(table["split"]) == set(TESTS)
    assert (table.groupby("split").size() <= 300).all()
    assert not table.duplicated(["time", "row", "column"]).any()
    data = open_dataset(shared_run.path("ssm.zarr")).load()
    index = np.searchsorted(shared_run.times, table["time"].to_numpy().astype("datetime64[s]"))
    where = (index, table["row"].to_numpy(), table["column"].to_numpy())
    np.testing.assert_array_equal(table["label"], data["ssm"].values[where])
    np.testing.assert_array_equal(table["track"], data["track"].values[index])
    assert ((data["flags"].values[where] & int(UNUSABLE)) == 0).all()
    assert [SPLITS[part] for part in parts_of(shared_run)[where]] == table["split"].tolist()
    day = (table["time"].to_numpy().astype("datetime64[D]") - np.datetime64("2022-01-01")).astype(
        int
    )
    np.testing.assert_array_equal(table["truth"], shared_run.truth_values[day, where[1], where[2]])


def test_all_samples_are_taken_where_there_are_fewer_than_wanted(run: Any) -> None:
    cfg = run.inputs()["cfg"].model_copy(update={"per_split": 10**6})
    table = collected(run, cfg=cfg, truth=None)
    data = open_dataset(run.path("ssm.zarr")).load()
    usable = np.isfinite(usable_labels(data["ssm"].values, data["flags"].values))
    for part in TESTS:
        assert (table["split"] == part).sum() == (
            usable & (parts_of(run) == SPLITS.index(part))
        ).sum()
    assert table["truth"].isna().all()


def test_predictions_are_those_of_the_day_and_the_ensemble_is_a_mixture(
    shared_run: Any, table: pd.DataFrame
) -> None:
    data = open_dataset(shared_run.path("learning/two_day/1.zarr")).load()
    index = np.searchsorted(
        data["time"].values.astype("datetime64[D]"),
        table["time"].to_numpy().astype("datetime64[D]"),
    )
    np.testing.assert_array_equal(
        table["two_day/1"], data["ssm"].values[index, table["row"], table["column"]]
    )
    mean = (table["two_day/0"] + table["two_day/1"]) / 2
    spread = ((table["two_day/0"] - table["two_day/1"]) / 2) ** 2
    np.testing.assert_allclose(table["two_day/ensemble"], mean, rtol=1e-5)
    np.testing.assert_allclose(
        table["two_day/ensemble/sigma"], np.sqrt(0.15**2 + spread), rtol=1e-4
    )


def test_ensemble_variance_is_that_of_draws_from_its_members() -> None:
    means, sigmas = np.array([[0.2], [0.8]]), np.array([[0.1], [0.3]])
    rng = np.random.default_rng(0)
    member = rng.integers(0, 2, 400_000)
    draws = rng.normal(means[member, 0], sigmas[member, 0])
    mean, sigma = ensemble(means, sigmas)
    assert mean[0] == pytest.approx(draws.mean(), abs=0.005)
    assert sigma[0] == pytest.approx(draws.std(), abs=0.005)


def test_changing_test_labels_changes_no_baseline_fit(run: Any, table: pd.DataFrame) -> None:
    parts = parts_of(run)

    def spoil(data: xr.Dataset) -> None:
        tested = np.isin(parts, [SPLITS.index(part) for part in TESTS])
        data["ssm"] = (
            data["ssm"]
            .where(~tested | data["ssm"].isnull(), 1 - data["ssm"])
            .assign_attrs(data["ssm"].attrs)
        )

    rewrite(run.path("ssm.zarr"), spoil)
    after = collected(run)
    assert not np.array_equal(table["label"], after["label"])
    for name in (
        "time",
        "row",
        "column",
        "wet_threshold",
        "climatology",
        "antecedent",
        "boosting",
        *PROBES,
    ):
        np.testing.assert_array_equal(table[name], after[name])


def test_changing_training_labels_does_change_the_baselines(run: Any, table: pd.DataFrame) -> None:

    def spoil(data: xr.Dataset) -> None:
        data["ssm"] = (data["ssm"] * 0.5).assign_attrs(data["ssm"].attrs)

    rewrite(run.path("ssm.zarr"), spoil)
    after = collected(run)
    np.testing.assert_allclose(after["climatology"], table["climatology"] / 2, rtol=1e-5)
    assert not np.allclose(table["boosting"], after["boosting"], atol=0.05)


def frames_of(days: list[str], values: list[float]) -> list[Frame]:
    part = np.zeros((1, 1), dtype=np.int8)
    grids = [np.full((1, 1), value, dtype=np.float32) for value in values]
    return [
        Frame(np.datetime64(day, "s"), "4", grid, grid, part)
        for day, grid in zip(days, grids, strict=True)
    ]


def test_persistence_never_sees_the_same_day_or_the_future() -> None:
    days = ["2022-01-01T05", "2022-01-05T05", "2022-01-05T17", "2022-01-09T05", "2022-01-20T05"]
    frames = frames_of(days, [0.1, 0.2, 0.3, np.nan, 0.5])
    last = [float(history.last[0, 0]) for _, history in with_history(frames, 0)]
    np.testing.assert_allclose(last, [np.nan, 0.1, 0.1, 0.3, 0.3], rtol=1e-6)


def test_antecedent_labels_are_those_of_the_days_before_weighted_by_their_certainty() -> None:
    days = ["2022-01-01T05", "2022-01-05T05", "2022-01-05T17", "2022-01-09T05", "2022-01-20T05"]
    walk = with_history(frames_of(days, [0.1, 0.2, 0.3, np.nan, 0.5]), 8)
    none, one = (np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    seen = [
        [float(values[0]) for values in history.at(frame.day, none, one).values()]
        for frame, history in walk
    ]
    # The uncertainty of these frames is their label: 1 / u² weighs the dry more.
    weights = 1 / np.array([0.1, 0.2, 0.3]) ** 2
    mean = np.average([0.1, 0.2, 0.3], weights=weights)
    expected = [
        [np.nan, 8, np.nan, 0],
        [0.1, 4, 0.1, 1],
        [0.1, 4, 0.1, 1],
        [0.3, 4, mean, 3],
        [np.nan, 8, np.nan, 0],
    ]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


def test_persistence_of_the_table_is_the_last_usable_earlier_label(
    shared_run: Any, table: pd.DataFrame
) -> None:
    data = open_dataset(shared_run.path("ssm.zarr")).load()
    label = usable_labels(data["ssm"].values, data["flags"].values)
    day = shared_run.times.astype("datetime64[D]")
    for sample in table.sample(80, random_state=0).itertuples():
        earlier = label[day < np.datetime64(sample.time, "D"), sample.row, sample.column]
        seen = earlier[np.isfinite(earlier)]
        assert sample.persistence == (seen[-1] if seen.size else sample.climatology)


def test_climatology_is_the_mean_of_the_training_labels(
    shared_run: Any, table: pd.DataFrame
) -> None:
    data = open_dataset(shared_run.path("ssm.zarr")).load()
    label = usable_labels(data["ssm"].values, data["flags"].values)
    label[parts_of(shared_run) != SPLITS.index("train")] = np.nan
    known = np.isfinite(label).any(axis=0)
    mean = np.full(known.shape, np.nan)
    mean[known] = np.nanmean(label[:, known], axis=0)
    mean[~known] = mean[known].mean()
    np.testing.assert_allclose(table["climatology"], mean[table["row"], table["column"]], rtol=1e-5)
    assert (~known[table["row"], table["column"]])[
        table["split"].isin(["spatial", "spatiotemporal"])
    ].all()


def test_climatology_without_any_training_label_is_nan() -> None:
    assert np.isnan(climatology(np.zeros((2, 2)), np.zeros((2, 2)))).all()


def test_draws_are_fair_and_repeatable() -> None:
    counts = np.array([100, 0, 300])
    chosen = [draw_ordinals(counts, 40, np.random.default_rng(seed)) for seed in range(200)]
    assert all(sum(part.size for part in draw) == 40 and draw[1].size == 0 for draw in chosen)
    assert all(draw[0].max(initial=0) < 100 and draw[2].max(initial=0) < 300 for draw in chosen)
    assert np.mean([draw[0].size for draw in chosen]) == pytest.approx(10, abs=1)
    again = draw_ordinals(counts, 40, np.random.default_rng(7))
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(chosen[7]))


def test_dates_without_weather_are_not_drawn(run: Any) -> None:
    labels = open_frames(open_dataset(run.path("ssm.zarr")), Splits.read(run.path("splits.json")))
    allowed = run.times > np.datetime64("2022-10-15")
    table = draw_samples(labels, allowed, {"temporal": 50, "random": 50}, 0)
    assert set(table["split"]) == {"temporal"}
    assert (table["time"] > np.datetime64("2022-10-15")).all()


def test_an_empty_split_is_no_fault_but_no_sample_at_all_is(run: Any) -> None:
    rewrite(
        run.path("ssm.zarr"),
        lambda data: data["flags"].values.__ior__(
            np.where(run.times[:, None, None] > run.times[30], 1, 0)
        ),
    )
    assert set(collected(run)["split"]) == {"random", "spatial"}
    rewrite(run.path("ssm.zarr"), lambda data: data["flags"].values.__ior__(int(Flag.FROZEN)))
    with pytest.raises(LoamError, match=r"ssm\.zarr: no test split .* usable label"):
        collected(run)


def test_predictions_of_other_days_are_refused(run: Any) -> None:
    data = open_dataset(run.path("learning/sequence/0.zarr")).load()
    crs = data.odc.crs
    data = data.assign_coords(time=data["time"] + np.timedelta64(4000, "D"))
    write_zarr(data.odc.assign_crs(crs), run.path("learning/sequence/0.zarr"))
    with pytest.raises(LoamError, match=r"sequence/0\.zarr: predicts none"):
        collected(run)


def test_blocks_cover_every_date_once_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = xr.DataArray(np.zeros((10, 4, 5)), dims=("time", "y", "x")).chunk({"time": (4, 4, 2)})
    assert [(one.start, one.stop) for one in blocks(data)] == [(0, 4), (4, 8), (8, 10)]
    monkeypatch.setattr("loam.evaluation.labels.BLOCK_VALUES", 60)
    assert [(one.start, one.stop) for one in blocks(data)] == [
        (0, 3),
        (3, 4),
        (4, 7),
        (7, 8),
        (8, 10),
    ]


def test_strata_and_threshold_are_those_of_place_and_training(
    shared_run: Any, table: pd.DataFrame
) -> None:
    assert (table["land_cover"] == np.where(table["column"] < 20, "class 30", "class 40")).all()
    slope = open_dataset(shared_run.path("static.zarr"))["static"].values[
        1, table["row"], table["column"]
    ]
    assert set(table["slope"]) == {"0–2°", "2–5°"}  # noqa: RUF001
    assert ((slope >= 2) == (table["slope"] == "2–5°")).all()  # noqa: RUF001
    months = table["time"].dt.month
    assert (months.isin([6, 7, 8]) == (table["season"] == "June to August")).all()
    assert table["wet_threshold"].nunique() == 1
    top = table["label"] >= table["wet_threshold"]
    assert (top == (table["decile"] == "10")).all() and 0 < top.mean() < 0.5


def test_without_land_cover_the_class_is_unknown(run: Any) -> None:
    assert set(collected(run, landcover=None)["land_cover"]) == {"unknown"}


def test_antecedent_labels_give_boosting_a_second_column_only_when_asked(run: Any) -> None:
    assert "boosting_antecedent" not in collected(run, antecedent_days=0)


def test_boosting_sees_no_longer_window_than_the_experiments() -> None:
    assert usable_windows((1, 3, 30), 10) == (1, 3, 10)
    assert usable_windows((1, 3, 30), 30) == (1, 3, 30)
    assert usable_windows((20,), 2) == (2,)


def test_antecedent_labels_of_baselines_are_those_that_models_are_shown() -> None:
    """Two rooms, two ways of reading, one meaning."""
    rng = np.random.default_rng(0)
    values = rng.random((7, 2, 3, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[:, :, 0, 0] = np.nan
    ages, whole = np.arange(70, 0, -10).astype(np.float32), np.zeros(3, dtype=int)
    shown = np.empty((4, 3, 4), dtype=np.float32)
    summarise(
        values, ages, np.ones((7, 1, 1), dtype=bool), whole, np.zeros(4, dtype=int), 90.0, shown
    )
    flat = values.reshape(7, 2, 12)
    np.testing.assert_allclose(
        antecedent_channels(flat[:, 0], flat[:, 1], ages, 90), shown.reshape(4, 12), rtol=1e-4
    )


def test_the_fingerprint_counts_all_that_runs(run: Any) -> None:
    assert not not_fingerprinted("collect-samples", lambda: collected(run))
