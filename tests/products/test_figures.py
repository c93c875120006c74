"""Figures: they are drawn whatever is missing, and say what they should."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import splits_text
from matplotlib import pyplot as plt

from loam.core.errors import LoamError
from loam.core.flags import UNUSABLE, Flag
from loam.core.raster import write_cog, write_zarr
from loam.core.splits import Splits
from loam.products.interval_figure import interval_figure
from loam.products.map_figures import FLAG_COLOURS, draw_maps, flag_classes
from loam.products.maps import map_of
from loam.products.moisture_figure import draw_moisture, label_statistics
from loam.products.probe_figure import importance
from loam.products.scenes_figure import draw_scenes, seen_by
from loam.products.score_figures import bar_figure, draw_scores, scatter_figure
from loam.products.score_lookup import Scores
from loam.products.score_table import as_html
from loam.products.series_figure import area_mean, draw_series, label_means, span_of_tests
from loam.products.station_figure import draw_stations
from loam.products.strata_figure import strata_figure, strata_of


def is_picture(path: Path) -> bool:
    pixels = plt.imread(path)
    return min(pixels.shape[:2]) > 300 and len(np.unique(pixels[..., :3])) > 10


def test_maps_become_pictures(folder: Path, tmp_path: Path) -> None:
    grid = xr.open_zarr(folder / "ssm.zarr", consolidated=False)
    rng = np.random.default_rng(0)
    for name, water in (("2022-01-09", 0), ("2022-01-15", int(Flag.WATER))):
        fields = map_of(
            rng.uniform(size=(40, 60)), np.full((40, 60), 0.1), np.full((40, 60), water)
        )
        data = xr.Dataset(fields, coords={"y": grid["y"], "x": grid["x"]}).odc.assign_crs(
            "EPSG:32618"
        )
        write_cog(data, tmp_path / f"{name}.tif", {"date": name})
    out = [tmp_path / f"{name}.png" for name in ("2022-01-09", "2022-01-15")]
    draw_maps([path.with_suffix(".tif") for path in out], out)
    assert all(is_picture(path) for path in out)


def test_a_file_that_is_no_map_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "2022-01-01.tif").write_text("not a raster")
    with pytest.raises(LoamError, match=r"2022-01-01\.tif: is no map"):
        draw_maps([tmp_path / "2022-01-01.tif"], [tmp_path / "2022-01-01.png"])


def test_a_pixel_with_several_flags_shows_the_first() -> None:
    shown = flag_classes(
        np.array(
            [
                0,
                int(Flag.FOREST),
                int(Flag.FOREST | Flag.WATER | Flag.FROZEN),
                int(Flag.CLIPPED_LOW),
            ]
        )
    )
    assert shown.tolist() == [0, 1 + list(FLAG_COLOURS).index(Flag.FOREST), 1, 0]
    assert set(FLAG_COLOURS) == set(UNUSABLE)


def test_scores_are_drawn_with_an_empty_split(
    samples: pd.DataFrame, scores: pd.DataFrame, tmp_path: Path
) -> None:
    samples.to_parquet(tmp_path / "samples.parquet")
    scores.to_parquet(tmp_path / "scores.parquet")
    history = tmp_path / "a" / "0.csv"
    history.parent.mkdir()
    history.write_text(
        "epoch,train_loss,validation_loss,validation_rmse\n0,1.0,1.2,0.3\n1,0.8,1.1,0.2\n"
    )
    pictures = [
        tmp_path / f"{name}.png"
        for name in ("scatter", "bars", "strata", "intervals", "probes", "curves")
    ]
    draw_scores(
        tmp_path / "samples.parquet",
        tmp_path / "scores.parquet",
        [history],
        *pictures,
        tmp_path / "table.html",
    )
    assert all(is_picture(path) for path in pictures)
    assert (tmp_path / "table.html").read_text().startswith("<!DOCTYPE html>")


def test_bars_have_the_height_of_their_scores(scores: pd.DataFrame) -> None:
    axes = bar_figure(Scores(scores)).axes[0]
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert list(heights) == [
        "a",
        "climatology of the pixel",
        "persistence",
        "antecedent precipitation",
        "gradient boosting",
    ]
    np.testing.assert_allclose(heights["a"], [0.2, 0.2, np.nan, -1.0])  # -1.5 is cut at -1
    np.testing.assert_allclose(heights["gradient boosting"], [0.6, 0.6, np.nan, -1.0])
    lines = [line.get_segments()[0] for line in axes.collections]
    ceilings = [line[0][1] for line in lines if len(line)]
    np.testing.assert_allclose(ceilings, [0.7, 0.7, -1.0])
    plt.close("all")


def test_an_experiment_is_shown_by_its_ensemble_or_only_member(scores: pd.DataFrame) -> None:
    assert [(shown.experiment, shown.member) for shown in Scores(scores).ours()] == [
        ("a", "ensemble")
    ]
    alone = scores[scores["member"].isin(["1", "-"])]
    assert [(shown.experiment, shown.member) for shown in Scores(alone).ours()] == [("a", "1")]


def test_scatter_has_a_row_for_the_truth_only_where_it_is_known(
    samples: pd.DataFrame, scores: pd.DataFrame
) -> None:
    known, unknown = (Scores(table) for table in (scores, without_truth(scores)))
    assert len(scatter_figure(samples, known).axes) == 9  # four splits a row, and the colour bar
    assert len(scatter_figure(samples.assign(truth=np.nan), unknown).axes) == 5
    plt.close("all")


def without_truth(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.assign(count=np.where(scores["target"] == "truth", 0, scores["count"]))


def test_strata_are_in_their_order_and_hold_their_errors(scores: pd.DataFrame) -> None:
    known = Scores(scores)
    assert strata_of(known, "slope") == ["0–2°", "from 15°"]  # noqa: RUF001
    assert strata_of(known, "season") == ["March to May"]
    panel = strata_figure(known).axes[1]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [-1.5, -1.5])
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0–2°", "from\n15°"]  # noqa: RUF001
    plt.close("all")


def test_intervals_show_what_holds_as_predicted_and_calibrated(scores: pd.DataFrame) -> None:
    panel = interval_figure(Scores(scores)).axes[0]
    texts = [line.get_label() for line in panel.lines[1:]]
    assert texts == ["a, as predicted", "a, calibrated"]
    np.testing.assert_allclose(panel.lines[1].get_ydata(), [20, 20, 20])
    plt.close("all")


def test_importance_is_the_mean_over_members_with_their_range(scores: pd.DataFrame) -> None:
    np.testing.assert_allclose(importance(scores).loc[("a", "precipitation")], [0.35, 0.3, 0.4])


def test_the_table_holds_every_model_both_targets_and_what_failed(scores: pd.DataFrame) -> None:
    page = as_html(Scores(scores))
    for text in (
        "Against the labels",
        "Against the truth",
        "a, ensemble",
        "a, member 0",
        "persistence",
        "noise ceiling",
        "Leak probes",
    ):
        assert text in page
    assert (
        "pixels that more rain does not make drier" in page and '<td class="failed">no</td>' in page
    )
    assert "−1.500" in page and "nan" not in page  # noqa: RUF001
    assert "Against the truth" not in as_html(Scores(without_truth(scores)))


@pytest.mark.parametrize("empty", [False, True])
def test_stations_are_drawn(tmp_path: Path, empty: bool) -> None:
    day = pd.date_range("2022-01-01", periods=40, freq="6D")
    place = {
        "network": "USCRN",
        "station": "Hill",
        "latitude": 39.0,
        "longitude": -96.0,
        "row": 1,
        "column": 2,
    }
    wet = 0.2 + 0.1 * np.sin(np.arange(40) / 5)
    parts = [
        pd.DataFrame(
            {
                **place,
                "depth_m": depth,
                "model": model,
                "day": day,
                "measured": wet,
                "ssm": wet * 3,
                "scaled": wet + shift,
            }
        )
        for depth in (0.05, 0.1)
        for model, shift in (("label", 0.03), ("sequence", 0.01))
    ]
    series = pd.concat(parts).iloc[: 0 if empty else None]
    scores = pd.DataFrame(
        {
            **place,
            "depth_m": 0.05,
            "model": ["sequence"],
            "period": "test",
            "metric": "r",
            "value": 0.8,
            "count": 9,
        }
    )
    series.to_parquet(tmp_path / "series.parquet")
    scores.iloc[: 0 if empty else None].to_parquet(tmp_path / "scores.parquet")
    draw_stations(
        tmp_path / "scores.parquet", tmp_path / "series.parquet", tmp_path / "stations.png"
    )
    assert (tmp_path / "stations.png").stat().st_size > 3000
    assert empty or is_picture(tmp_path / "stations.png")


@pytest.mark.parametrize("truth", [True, False])
def test_the_series_is_drawn(folder: Path, tmp_path: Path, truth: bool) -> None:
    (tmp_path / "splits.json").write_text(
        splits_text(test=["2022-01-15T11:00:00", "2022-01-21T11:00:00"])
    )
    members = [folder / f"learning/sequence/{member}.zarr" for member in (0, 1)]
    known = folder / "truth.zarr" if truth else None
    draw_series(
        members,
        folder / "ssm.zarr",
        folder / "weather.zarr",
        tmp_path / "splits.json",
        known,
        tmp_path / "series.png",
    )
    assert is_picture(tmp_path / "series.png")


def test_means_of_labels_leave_out_acquisitions_that_show_little() -> None:
    values = np.full((3, 5, 5), np.nan)
    values[0], values[1, 0, 0], values[2, :2] = 0.4, 0.9, 0.6
    times = pd.date_range("2022-01-01", periods=3)
    labels = xr.DataArray(values, dims=("time", "y", "x"), coords={"time": times})
    area = xr.DataArray(np.ones((5, 5), dtype=bool), dims=("y", "x"))
    means = label_means(labels, area)
    assert means.index.tolist() == [times[0], times[2]]
    np.testing.assert_allclose(means, [0.4, 0.6])


def test_the_area_mean_is_over_members_and_the_area_only() -> None:
    fields = [
        xr.DataArray(np.full((1, 2, 2), value), dims=("time", "y", "x"), coords={"time": [0]})
        for value in (0.2, 0.6)
    ]
    fields[0][0, 1, 1] = 9.0
    area = xr.DataArray([[True, True], [True, False]], dims=("y", "x"))
    np.testing.assert_allclose(area_mean([field.rename("ssm") for field in fields], area), [0.4])


def test_test_dates_span_first_to_last() -> None:
    assert span_of_tests(Splits({}, 1, (1, 1), (), 0, ())) is None
    tests = ("2022-03-01T05:00:00", "2022-01-01T05:00:00")
    span = span_of_tests(Splits({"test": tests}, 1, (1, 1), (), 0, ()))
    assert span == (np.datetime64("2022-01-01T05"), np.datetime64("2022-03-01T05"))


def test_labels_are_drawn_and_counted(folder: Path, tmp_path: Path) -> None:
    draw_moisture(folder / "references.zarr", folder / "ssm.zarr", tmp_path / "moisture.png")
    assert is_picture(tmp_path / "moisture.png")
    labels = xr.open_zarr(folder / "ssm.zarr", consolidated=False)
    mean, share = label_statistics(labels["ssm"], labels["flags"])
    assert (share[0:8] == 0).all() and np.isnan(mean[0:8]).all()
    assert (share[8:12] == 0.75).all() and (share[28:] == 1).all()
    assert (share[16:20] == 0).all() and np.isnan(share[20:24]).all()
    np.testing.assert_allclose(mean[30], labels["ssm"].values[:, 30].mean(axis=0), rtol=1e-5)


def test_scenes_become_pictures_by_track(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    power = rng.gamma(4.4, 0.1 / 4.4, (6, 40, 60)).astype(np.float32)
    power[:, :5], power[0, 10] = np.nan, -0.001  # never seen; noise taken away leaves little
    mask = np.zeros(power.shape, np.uint8)
    mask[:, 20:24] = 2
    mask[3:, 30] = 4
    data = xr.Dataset(
        {
            "vv": (("time", "y", "x"), power, {"units": "1", "long_name": "gamma nought VV"}),
            "incidence": (
                ("time", "y", "x"),
                np.full(power.shape, 39.0, np.float32),
                {"units": "degree", "long_name": "incidence"},
            ),
            "mask": (("time", "y", "x"), mask, {"units": "1", "long_name": "mask"}),
        },
        coords={
            "time": np.datetime64("2022-01-01", "ns") + np.arange(6) * np.timedelta64(6, "D"),
            "y": 4290790 - 20.0 * np.arange(40),
            "x": 330010 + 20.0 * np.arange(60),
            "track": ("time", list("ADADAD")),
        },
    )
    write_zarr(data.odc.assign_crs("EPSG:32618"), tmp_path / "stack.zarr")
    draw_scenes(tmp_path / "stack.zarr", tmp_path / "scenes.png")
    assert is_picture(tmp_path / "scenes.png")
    seen = seen_by(data.isel(time=[0, 2, 4]))
    assert (
        (seen.count[:5] == 0).all()
        and (seen.count[20:24] == 0).all()
        and (seen.count[30] == 2).all()
        and (seen.count[35] == 3).all()
    )
    np.testing.assert_allclose(
        seen.backscatter_db[35], 10 * np.log10(power[::2, 35].mean(axis=0)), rtol=1e-5
    )
    assert np.isnan(seen.backscatter_db[:5]).all()
    assert seen.incidence_deg is not None and (seen.incidence_deg == 39).all()
