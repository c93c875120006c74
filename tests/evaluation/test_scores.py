"""The table of scores: complete, on common samples, against labels and truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from loam.evaluation.scores import score, score_table
from loam.parts import TESTS


def samples(count: int = 200, splits: tuple[str, ...] = TESTS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = count * len(splits)
    truth = rng.uniform(size=size)
    return pd.DataFrame(
        {
            "time": np.datetime64("2022-01-01", "s") + rng.integers(0, 12, size).astype("timedelta64[D]"),
            "row": rng.integers(0, 9, size).astype(np.int32),
            "column": rng.integers(0, 9, size).astype(np.int32),
            "split": np.repeat(splits, count),
            "track": "4",
            "label": (truth + rng.normal(0, 0.1, size)).astype(np.float32),
            "label_uncertainty": np.float32(0.1),
            "truth": truth.astype(np.float32),
            "climatology": np.float32(0.5),
            "persistence": (truth + rng.normal(0, 0.2, size)).astype(np.float32),
            "boosting": (truth + rng.normal(0, 0.15, size)).astype(np.float32),
            "sequence/0": (truth + rng.normal(0, 0.05, size)).astype(np.float32),
            "sequence/0/sigma": np.float32(0.11),
        }
    )


def value(table: pd.DataFrame, **wanted: str) -> float:
    found = table[np.logical_and.reduce([table[key] == one for key, one in wanted.items()])]
    assert len(found) == 1, wanted
    return float(found["value"].iloc[0])


def test_every_model_split_and_stratum_has_its_rows() -> None:
    table = score_table(samples())
    assert list(table.columns) == ["experiment", "member", "model", "split", "stratum", "metric", "value", "count"]
    assert not table.duplicated(["experiment", "member", "model", "split", "stratum", "metric"]).any()
    ours = table[(table["model"] == "convlstm") & (table["split"] == "both") & (table["stratum"] == "truth")]
    assert ours["metric"].tolist() == ["r2", "r", "rmse", "mae", "bias", "skill", "coverage90", "temporal_r", "spatial_r"]
    assert set(ours["experiment"]) == {"sequence"} and set(ours["member"]) == {"0"}
    assert set(table["model"]) == {"convlstm", "climatology", "persistence", "boosting", "ceiling"}
    # Ours has nine metrics, a baseline eight without coverage, persistence no spatial r; the ceiling is one row.
    assert len(table) == 4 * (2 * (9 + 3 * 8 - 1) + 1)


def test_values_are_those_of_the_samples() -> None:
    drawn = samples()
    table, part = score_table(drawn), drawn[drawn["split"] == "time"]
    got = value(table, model="convlstm", split="time", stratum="all", metric="r2")
    assert got == pytest.approx(r2_score(part["label"], part["sequence/0"]), rel=1e-6)
    against_truth = value(table, model="convlstm", split="time", stratum="truth", metric="r2")
    assert against_truth == pytest.approx(r2_score(part["truth"], part["sequence/0"]), rel=1e-6)
    ceiling = value(table, model="ceiling", split="time", metric="r2")
    assert ceiling == pytest.approx(1 - 0.01 / part["label"].to_numpy(float).var(), rel=1e-4)
    assert value(table, model="climatology", split="time", stratum="all", metric="skill") == 0


def test_all_models_are_scored_on_the_same_samples() -> None:
    drawn = samples()
    drawn.loc[drawn.index[::5], "sequence/0"] = np.nan
    drawn.loc[drawn.index[::7], "persistence"] = np.nan
    table = score_table(drawn)
    plain = table[table["metric"].isin(["r2", "rmse"]) & (table["split"] == "random")]
    kept = drawn[drawn["split"] == "random"][["sequence/0", "persistence"]].notna().all(axis=1).sum()
    assert set(plain["count"]) == {kept}


def test_an_empty_split_scores_nan_with_count_zero() -> None:
    table = score_table(samples(splits=("random", "space", "both")))
    empty = table[table["split"] == "time"]
    assert empty["value"].isna().all() and (empty["count"] == 0).all()
    assert table[(table["split"] == "both") & (table["metric"] == "rmse")]["value"].notna().all()


def test_a_model_that_says_nothing_takes_no_samples_from_the_others() -> None:
    drawn = samples()
    drawn["boosting"] = np.nan
    table = score_table(drawn)
    assert np.isnan(value(table, model="boosting", split="both", stratum="all", metric="r2"))
    assert value(table, model="convlstm", split="both", stratum="all", metric="r2") > 0.5


def test_unknown_truth_scores_nan() -> None:
    drawn = samples()
    drawn["truth"] = np.nan
    table = score_table(drawn)
    assert (table[table["stratum"] == "truth"]["count"] == 0).all()


def test_the_step_writes_the_table_and_ranks_the_better_model_first(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_parquet(tmp_path / "samples.parquet", index=False)
    score(tmp_path / "samples.parquet", tmp_path / "scores.parquet")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    better = value(scores, experiment="sequence", member="ensemble", split="time", stratum="truth", metric="rmse")
    worse = value(scores, experiment="two_day", member="ensemble", split="time", stratum="truth", metric="rmse")
    assert better < 0.05 < worse
    assert value(scores, experiment="sequence", member="0", split="time", stratum="truth", metric="coverage90") == pytest.approx(
        0.9, abs=0.06
    )
