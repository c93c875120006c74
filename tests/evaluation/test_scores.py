"""The table of scores: complete, on common samples, against labels and truth; what probes find."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from loam.core.ensemble import read_factors
from loam.core.errors import LoamError
from loam.core.splits import TESTS
from loam.evaluation.asked import checks, probe_scores
from loam.evaluation.leakage import date_features
from loam.evaluation.scores import COLUMNS, score, score_table

DEVIATIONS = ["r2", "r", "rmse", "mae", "bias", "ubrmse"]
OTHERS = ["skill", "pod", "far", "csi", "pod_ranked", "temporal_r", "anomaly_r", "spatial_r"]
INTERVALS = [
    "crps",
    *(f"{name}{level}" for level in (68, 90, 95) for name in ("coverage", "width")),
]
CALIBRATION = {"sequence": {68: 1.5, 90: 3.0, 95: 4.0}}


def samples(count: int = 200, splits: tuple[str, ...] = TESTS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = count * len(splits)
    truth = rng.uniform(size=size)
    return pd.DataFrame(
        {
            "time": np.datetime64("2022-01-01", "s")
            + rng.integers(0, 12, size).astype("timedelta64[D]"),
            "row": rng.integers(0, 9, size).astype(np.int32),
            "column": rng.integers(0, 9, size).astype(np.int32),
            "split": np.repeat(splits, count),
            "track": "4",
            "label": (truth + rng.normal(0, 0.1, size)).astype(np.float32),
            "label_uncertainty": np.float32(0.1),
            "truth": truth.astype(np.float32),
            "land_cover": np.where(np.arange(size) % 3 == 0, "class 30", "forest 10"),
            "slope": "0-2",
            "season": "December to February",
            "decile": "01",
            "wet_threshold": np.float32(0.9),
            "climatology": np.float32(0.5),
            "persistence": (truth + rng.normal(0, 0.2, size)).astype(np.float32),
            "boosting": (truth + rng.normal(0, 0.15, size)).astype(np.float32),
            "date_only": np.float32(0.4),
            "sequence/0": (truth + rng.normal(0, 0.05, size)).astype(np.float32),
            "sequence/0/sigma": np.float32(0.11),
        }
    )


def value(table: pd.DataFrame, **wanted: str) -> float:
    wanted = {"stratum": "all", "target": "label"} | wanted
    found = table[np.logical_and.reduce([table[key] == one for key, one in wanted.items()])]
    assert len(found) == 1, wanted
    return float(found["value"].iloc[0])


def test_every_model_split_target_and_stratum_has_its_rows() -> None:
    table = score_table(samples(), CALIBRATION)
    assert list(table.columns) == list(COLUMNS)
    assert not table.duplicated(list(COLUMNS[:8])).any()
    whole = table[
        (table["split"] == "spatiotemporal")
        & (table["target"] == "truth")
        & (table["stratum"] == "all")
    ]
    calibrated = [
        f"{name}{level}_calibrated" for level in (68, 90, 95) for name in ("coverage", "width")
    ]
    ours = whole[whole["experiment"] == "sequence"]
    assert ours["metric"].tolist() == [*DEVIATIONS, *OTHERS, *INTERVALS, *calibrated]
    assert set(ours["member"]) == {"0"} and set(ours["model"]) == {"sequence"}
    assert set(whole["model"]) == {
        "sequence",
        "climatology",
        "persistence",
        "boosting",
        "date_only",
    }
    assert whole[whole["model"] == "persistence"]["metric"].tolist() == [*DEVIATIONS, *OTHERS[:-1]]
    kinds = table.groupby("stratum_kind")["stratum"].unique()
    assert sorted(kinds["land_cover"]) == ["class 30", "forest 10"]
    assert set(kinds.index) == {"all", "land_cover", "slope", "season", "decile"}


def test_values_are_those_of_the_samples() -> None:
    drawn = samples()
    table, part = score_table(drawn, CALIBRATION), drawn[drawn["split"] == "temporal"]
    got = value(table, model="sequence", split="temporal", metric="r2")
    assert got == pytest.approx(r2_score(part["label"], part["sequence/0"]), rel=1e-6)
    against_truth = value(table, model="sequence", split="temporal", target="truth", metric="r2")
    assert against_truth == pytest.approx(r2_score(part["truth"], part["sequence/0"]), rel=1e-6)
    ceiling = value(table, model="ceiling", split="temporal", metric="r2")
    assert ceiling == pytest.approx(1 - 0.01 / part["label"].to_numpy(float).var(), rel=1e-4)
    assert value(table, model="climatology", split="temporal", metric="skill") == 0
    forest = part[part["land_cover"] == "forest 10"]
    in_forest = value(table, model="boosting", split="temporal", metric="mae", stratum="forest 10")
    assert in_forest == pytest.approx((forest["boosting"] - forest["label"]).abs().mean(), rel=1e-5)
    inside = np.abs(part["label"] - part["sequence/0"]) <= 3 * 0.11
    assert value(
        table, model="sequence", split="temporal", metric="coverage90_calibrated"
    ) == pytest.approx(inside.mean())


def test_a_perfect_model_has_perfect_scores() -> None:
    drawn = samples()
    drawn["sequence/0"] = drawn["truth"]
    table = score_table(drawn, {})
    ones = ("r2", "r", "skill", "pod", "csi", "temporal_r", "anomaly_r", "spatial_r", "coverage68")
    for metric in ones:
        assert value(
            table, model="sequence", split="spatiotemporal", target="truth", metric=metric
        ) == pytest.approx(1)
    for metric in ("rmse", "mae", "bias", "ubrmse", "far"):
        assert (
            value(table, model="sequence", split="spatiotemporal", target="truth", metric=metric)
            == 0
        )


def test_all_models_are_scored_on_the_same_samples() -> None:
    drawn = samples()
    drawn.loc[drawn.index[::5], "sequence/0"] = np.nan
    drawn.loc[drawn.index[::7], "persistence"] = np.nan
    table = score_table(drawn, CALIBRATION)
    plain = table[
        table["metric"].isin(["r2", "rmse"])
        & (table["split"] == "random")
        & (table["stratum"] == "all")
    ]
    kept = (
        drawn[drawn["split"] == "random"][["sequence/0", "persistence"]].notna().all(axis=1).sum()
    )
    assert set(plain["count"]) == {kept}


def test_an_empty_split_scores_nan_with_count_zero() -> None:
    table = score_table(samples(splits=("random", "spatial", "spatiotemporal")), CALIBRATION)
    empty = table[table["split"] == "temporal"]
    assert empty["value"].isna().all() and (empty["count"] == 0).all() and len(empty)
    assert (
        table[(table["split"] == "spatiotemporal") & (table["metric"] == "rmse")]["value"]
        .notna()
        .all()
    )


def test_a_model_that_says_nothing_takes_no_samples_from_the_others() -> None:
    drawn = samples()
    drawn["boosting"] = np.nan
    table = score_table(drawn, CALIBRATION)
    assert np.isnan(value(table, model="boosting", split="spatiotemporal", metric="r2"))
    assert value(table, model="sequence", split="spatiotemporal", metric="r2") > 0.5


def test_unknown_truth_scores_nan() -> None:
    drawn = samples()
    drawn["truth"] = np.nan
    table = score_table(drawn, CALIBRATION)
    assert (table[table["target"] == "truth"]["count"] == 0).all()


def test_a_calibration_without_its_factors_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "sequence" / "calibration.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"factor_68": 1.0, "factor_90": 2.0}))
    with pytest.raises(
        LoamError, match=r"calibration\.json: has no factor_95; remove it and run calibrate again"
    ):
        read_factors(path)
    path.write_text(json.dumps({"factor_68": 1.0, "factor_90": 2.0, "factor_95": 2.5, "dates": 9}))
    assert read_factors(path) == {68: 1.0, 90: 2.0, 95: 2.5}


# --- Probes ---


def answers(weather_r2: float = -0.2, not_drier: int = 398) -> pd.DataFrame:
    """What `probe-model` writes of two dates with 200 pixels each, whose labels have variance 0.04."""
    rows = []
    for split in TESTS:
        for date in ("2022-03-01T05", "2022-03-07T05"):
            for case, r2 in {
                "unchanged": 0.6,
                "precipitation": 0.3,
                "weather": weather_r2,
                "more_rain": 0.0,
            }.items():
                squared = 100 * 0.04 * (1 - r2)
                asked = not_drier / 2 if case == "more_rain" else np.nan
                row = (
                    split,
                    np.datetime64(date, "ns"),
                    case,
                    100,
                    squared,
                    50.0,
                    100 * (0.04 + 0.25),
                    200,
                    asked,
                )
                rows.append(row)
    names = [
        "split",
        "date",
        "case",
        "count",
        "squared_error",
        "label",
        "label_squared",
        "pixels",
        "not_drier",
    ]
    return pd.DataFrame(rows, columns=names)


def test_importance_is_what_the_exchange_costs() -> None:
    table = pd.DataFrame(probe_scores({("sequence", "0"): answers()}), columns=list(COLUMNS))
    rain = {"stratum_kind": "permuted", "stratum": "precipitation", "split": "spatiotemporal"}
    assert value(table, **rain, metric="r2") == pytest.approx(0.3)
    assert value(table, **rain, metric="r2_fall") == pytest.approx(0.3)
    assert value(table, **rain, metric="mse_rise") == pytest.approx(0.04 * 0.3)
    on_date = {
        "stratum_kind": "permuted_on_date",
        "stratum": "precipitation 2022-03-07",
        "split": "spatiotemporal",
    }
    assert value(table, **on_date, metric="mse_rise") == pytest.approx(0.04 * 0.3)
    assert value(
        table,
        stratum_kind="sanity",
        stratum="more_rain",
        split="spatiotemporal",
        metric="not_drier",
    ) == pytest.approx(398 / 400)


def passed(table: pd.DataFrame) -> dict[str, float]:
    found = pd.DataFrame(checks(table), columns=list(COLUMNS))
    found = found[found["metric"] == "passed"]
    return dict(zip(found["stratum"], found["value"], strict=True))


def with_answers(table: pd.DataFrame, **changes: float) -> pd.DataFrame:
    asked = pd.DataFrame(
        probe_scores({("sequence", "0"): answers(**changes)}), columns=list(COLUMNS)
    )
    return pd.concat([table, asked], ignore_index=True)


def test_an_honest_model_passes_and_each_fault_is_found() -> None:
    table = score_table(samples(), CALIBRATION)
    assert passed(with_answers(table)) == {"date_only": 1, "shuffled_weather": 1, "more_rain": 1}
    assert passed(with_answers(table, weather_r2=0.5)) == {
        "date_only": 1,
        "shuffled_weather": 0,
        "more_rain": 1,
    }
    assert passed(with_answers(table, not_drier=390)) == {
        "date_only": 1,
        "shuffled_weather": 1,
        "more_rain": 0,
    }


def test_a_world_of_dates_alone_is_flagged() -> None:
    """Labels that only depend on the date: a model of dates is as good as ours, which has then learnt nothing else."""
    drawn = samples()
    of_date = date_features(drawn["time"].to_numpy())[:, 1] / 12
    noise = np.random.default_rng(1).normal(0, 0.05, len(drawn))
    drawn = drawn.assign(
        label=of_date, truth=of_date, date_only=of_date + noise, **{"sequence/0": of_date - noise}
    )
    assert passed(score_table(drawn, CALIBRATION))["date_only"] == 0


def test_the_step_writes_the_table_and_ranks_the_better_model_first(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    table.to_parquet(tmp_path / "samples.parquet", index=False)
    calibration, asked = (
        tmp_path / "sequence" / "calibration.json",
        tmp_path / "probes" / "sequence" / "0.parquet",
    )
    for path in (calibration, asked):
        path.parent.mkdir(parents=True, exist_ok=True)
    calibration.write_text(json.dumps({"factor_68": 1.0, "factor_90": 1.7, "factor_95": 2.0}))
    answers().to_parquet(asked, index=False)
    score(tmp_path / "samples.parquet", [asked], [calibration], tmp_path / "scores.parquet")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    better = value(
        scores,
        experiment="sequence",
        member="ensemble",
        split="temporal",
        target="truth",
        metric="rmse",
    )
    worse = value(
        scores,
        experiment="two_day",
        member="ensemble",
        split="temporal",
        target="truth",
        metric="rmse",
    )
    assert better < 0.05 < worse
    one = {"experiment": "sequence", "member": "0", "split": "temporal", "target": "truth"}
    assert value(scores, **one, metric="coverage90") == pytest.approx(0.9, abs=0.06)
    calibrated = scores[scores["metric"] == "coverage90_calibrated"]
    assert set(zip(calibrated["experiment"], calibrated["member"], strict=True)) == {
        ("sequence", "ensemble")
    }
    assert {"permuted", "permuted_on_date", "sanity", "check"} <= set(scores["stratum_kind"])
