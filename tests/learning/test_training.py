"""Training on a tiny task whose answer is known; prediction from its checkpoint."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import not_fingerprinted
from learning.task import EXPERIMENT, SIZE, TRAIN, all_labels, labels_of, learn

from loam.config.learning import Predict
from loam.core.errors import LoamError
from loam.core.features import open_covariates
from loam.core.labels import scratch_folder
from loam.core.raster import open_dataset, write_zarr
from loam.learning.dataset import PatchDataset, channel_statistics
from loam.learning.device import device_of
from loam.learning.prediction import Inputs, load_checkpoint, predict, predict_date, predict_day


@pytest.fixture(scope="module")
def trained(site, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("model")
    return out, learn(site, out)


def test_it_learns_what_can_be_learnt(trained) -> None:
    _, history = trained
    assert list(history.columns) == [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_rmse",
        "validation_r2",
    ]
    assert history["validation_r2"].max() > 0.8


def test_the_checkpoint_holds_plain_values_and_only_the_best_is_kept(trained) -> None:
    out, _ = trained
    content = torch.load(out / "0.ckpt", weights_only=True)
    assert content["hyper_parameters"]["window"] == {
        "days": 3,
        "form": "sequence",
        "channels": ["slope", "flat"],
    } | {
        "antecedent_labels": False,
        "antecedent_days": 0,
    }
    assert sorted(path.name for path in out.iterdir()) == ["0.ckpt", "0.csv"]


def test_the_same_seed_gives_the_same_and_a_member_another(site, tmp_path, trained) -> None:
    short = TRAIN.model_copy(update={"epochs": 2})
    histories = []
    for folder, member in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        histories.append(learn(site, tmp_path / folder, short, member))
    pd.testing.assert_frame_equal(histories[0], histories[1])
    assert (histories[0]["train_loss"] != histories[2]["train_loss"]).all()


def test_mse_is_a_choice(site, tmp_path) -> None:
    history = learn(site, tmp_path, TRAIN.model_copy(update={"loss": "mse", "epochs": 4}))
    assert (history["train_loss"] > 0).all()
    model, window = load_checkpoint(tmp_path / "0.ckpt")
    covariates = open_covariates([site / "static.zarr", site / "weather.zarr"])
    inputs = Inputs(covariates, window["days"], window["form"], None, 0)
    sigma = np.stack(
        [
            predict_day(model, inputs, np.datetime64(day), 256)[1]
            for day in ("2022-07-01", "2022-07-10")
        ]
    )
    # The variance learns too, else a map's uncertainty would be noise.
    assert float(sigma.mean()) == pytest.approx(history["validation_rmse"].iloc[-1], rel=0.6)


def test_normalisation_comes_from_the_training_patches_and_travels(site, trained, tmp_path) -> None:
    labels = labels_of(site, tmp_path, ("train",))
    covariates = open_covariates([site / "static.zarr", site / "weather.zarr"])
    index = pd.read_parquet(site / "patches.parquet")
    dataset = PatchDataset(
        index[index["split"] == "train"],
        labels,
        covariates,
        size=SIZE,
        days=3,
        form="sequence",
        stride=4,
    )
    expected = channel_statistics(dataset, TRAIN.seed)
    model, _ = load_checkpoint(trained[0] / "0.ckpt")
    np.testing.assert_allclose(model.dynamic_mean.ravel(), expected["dynamic_mean"], rtol=1e-6)
    assert expected["static_deviation"][1] == 1.0  # a constant channel is not blown up


def test_a_patch_is_what_lies_at_its_place_and_day(site, tmp_path) -> None:
    labels = labels_of(site, tmp_path)
    covariates = open_covariates([site / "static.zarr", site / "weather.zarr"])
    index = pd.DataFrame(
        {"date": [labels.times[7]], "row": [16], "column": [0], "weight": [0.7], "split": ["train"]}
    )
    sample = PatchDataset(index, labels, covariates, size=SIZE, days=3, form="sequence", stride=1)[
        0
    ]
    np.testing.assert_array_equal(
        sample["ssm"], open_dataset(site / "ssm.zarr")["ssm"].values[7, 16:32, 0:16]
    )
    np.testing.assert_array_equal(
        sample["static"], open_dataset(site / "static.zarr")["static"].values[:, 16:32, 0:16]
    )
    rain = open_dataset(site / "weather.zarr")["precipitation"].values[5:8, 0, 0]
    np.testing.assert_allclose(sample["dynamic"][:, 0, 3, 3], rain, rtol=1e-6)


def test_predictions_are_for_all_acquisitions_and_each_day_asked_for_has_its_own(
    site, trained, tmp_path
) -> None:
    short = open_dataset(site / "ssm.zarr").isel(time=slice(5, 8))
    write_zarr(short.odc.assign_crs("EPSG:32618"), tmp_path / "ssm.zarr")
    predict(
        trained[0] / "0.ckpt",
        all_labels(tmp_path / "ssm.zarr", site, tmp_path / "all"),
        [site / "static.zarr", site / "weather.zarr"],
        tmp_path / "out.zarr",
        Predict(tile_px=16),
        "cpu",
        2,
    )
    maps = open_dataset(tmp_path / "out.zarr")
    assert [str(time)[:10] for time in maps["time"].values] == [
        "2022-01-06",
        "2022-01-07",
        "2022-01-08",
    ]
    (tmp_path / "2022-01-07").mkdir()
    both = [tmp_path / f"2022-01-07/{member}.zarr" for member in (0, 1)]
    predict_date(
        [trained[0] / "0.ckpt"] * 2,
        tmp_path / "ssm.zarr",
        site / "splits.json",
        [site / "static.zarr", site / "weather.zarr"],
        both,
        Predict(tile_px=16),
        "cpu",
        2,
    )
    for path in both:
        np.testing.assert_array_equal(open_dataset(path)["ssm"].values, maps["ssm"].values[1:2])
    truth = open_dataset(site / "ssm.zarr")["ssm"].values[5:8]
    assert np.abs(maps["ssm"].values[:3] - truth).mean() < 0.1
    assert ((maps["ssm_uncertainty"].values > 0) & (maps["ssm_uncertainty"].values < 1)).all()


def test_antecedent_labels_travel_from_training_to_prediction(site, tmp_path) -> None:
    learn(
        site,
        tmp_path,
        TRAIN.model_copy(update={"epochs": 1}),
        experiment=EXPERIMENT.model_copy(update={"antecedent_labels": True}),
    )
    model, window = load_checkpoint(tmp_path / "0.ckpt")
    assert window["antecedent_labels"] and window["channels"] == ["slope", "flat"]
    assert model.static_mean.numel() == 6
    assert torch.isfinite(model.static_mean).all()
    few = open_dataset(site / "ssm.zarr").isel(time=slice(60, 64)).load()
    answers = []
    for shift in (0.0, 0.3):
        # Other labels on the days before change what is predicted for the last; those of the day itself do not.
        changed = few.assign(
            ssm=few["ssm"].copy(
                data=np.concatenate(
                    [few["ssm"].values[:3] - shift, few["ssm"].values[3:] * (1 - shift)]
                )
            )
        )
        write_zarr(changed.odc.assign_crs("EPSG:32618"), tmp_path / "ssm.zarr")
        predict(
            tmp_path / "0.ckpt",
            all_labels(tmp_path / "ssm.zarr", site, tmp_path / "all"),
            [site / "static.zarr", site / "weather.zarr"],
            tmp_path / "out.zarr",
            Predict(tile_px=16),
            "cpu",
            2,
        )
        answers.append(open_dataset(tmp_path / "out.zarr")["ssm"].values)
    np.testing.assert_array_equal(answers[0][0], answers[1][0])  # nothing lies before the first
    assert np.abs(answers[0][3] - answers[1][3]).max() > 1e-4


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto").type == device_of("cpu").type == "cpu"
    with pytest.raises(
        LoamError, match=r"learning.train.accelerator = 'gpu': PyTorch finds no GPU"
    ):
        device_of("gpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(trained, tmp_path, value: float) -> None:
    content = torch.load(trained[0] / "0.ckpt", weights_only=True)
    name = next(
        name for name, weights in content["state_dict"].items() if weights.is_floating_point()
    )
    content["state_dict"][name].view(-1)[0] = value
    torch.save(content, tmp_path / "0.ckpt")
    with pytest.raises(
        LoamError, match=rf"0.ckpt: weights '{name}' are not all finite numbers; remove it"
    ):
        load_checkpoint(tmp_path / "0.ckpt")


def test_a_truncated_checkpoint_and_other_channels_are_named(site, trained, tmp_path) -> None:
    (tmp_path / "0.ckpt").write_bytes((trained[0] / "0.ckpt").read_bytes()[:1000])
    with pytest.raises(
        LoamError, match=r"0.ckpt: cannot be read as a checkpoint .*; remove it and run again"
    ):
        load_checkpoint(tmp_path / "0.ckpt")
    other = open_dataset(site / "static.zarr").isel(channel=[0])
    write_zarr(other.odc.assign_crs("EPSG:32618"), tmp_path / "static.zarr")
    with pytest.raises(
        LoamError, match=r"was trained on \['slope', 'flat'\], but the covariates are \['slope'\]"
    ):
        predict(
            trained[0] / "0.ckpt",
            all_labels(site / "ssm.zarr", site, tmp_path / "all"),
            [tmp_path / "static.zarr", site / "weather.zarr"],
            tmp_path / "o.zarr",
            Predict(tile_px=16),
            "cpu",
            1,
        )


def test_progress_is_plain_lines(site, tmp_path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="loam"):
        learn(site, tmp_path, TRAIN.model_copy(update={"epochs": 1}))
    assert any(
        record.getMessage().startswith("epoch 1 of 1: train_loss") for record in caplog.records
    )


def test_what_a_killed_step_has_left_goes_with_the_next_and_nothing_else(tmp_path: Path) -> None:
    out, others = tmp_path / "0.zarr", tmp_path / ".1.zarr.scratch.abc"
    others.mkdir()
    killed = scratch_folder(out)
    (killed.__enter__() / "values.f32").write_bytes(b"0" * 8)  # and never left
    (left,) = set(tmp_path.iterdir()) - {others}
    with scratch_folder(out) as folder:
        assert set(tmp_path.iterdir()) == {others, folder}
        assert folder != left
        assert not list(folder.iterdir())
    assert set(tmp_path.iterdir()) == {others}


def test_the_fingerprint_counts_all_that_runs(site, tmp_path: Path) -> None:
    short = TRAIN.model_copy(update={"epochs": 1, "workers": 0})
    assert not not_fingerprinted("train", lambda: learn(site, tmp_path, short))
