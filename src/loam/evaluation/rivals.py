"""What baselines and leak probes say of the samples, each fitted on the training samples alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from loam.config.evaluation import Boosting
from loam.core.antecedent_labels import ANTECEDENT
from loam.core.features import Covariates
from loam.evaluation.baselines import boost, stationary_features, weather_features
from loam.evaluation.leakage import date_features, pixel_and_season, shuffled_days, shuffled_pixels
from loam.evaluation.precipitation import fit_antecedent

BASELINES = ("climatology", "persistence", "antecedent", "boosting", "boosting_antecedent")
PROBES = ("date_only", "pixel_season", "shuffled_weather", "shuffled_space")


def rivals(
    covariates: Covariates,
    train: pd.DataFrame,
    tests: pd.DataFrame,
    cfg: Boosting,
    windows_days: Sequence[int],
    seed: int,
) -> pd.DataFrame:
    """Columns `BASELINES` and `PROBES` for the tests, float32 `(n)` each; NaN where there is too little to learn from.

    Args:
        covariates: of the run.
        train: training samples of `draw_samples`. Where it has the columns `ANTECEDENT`, as some experiments do, boosting is there
            once more with them.
        tests: test samples of `draw_samples`.
        cfg: section `evaluation.boosting`.
        windows_days: of the weather that boosting sees [day].
        seed: of binning and shuffling.
    """
    both = pd.concat([train, tests], ignore_index=True)
    features = _Features(covariates, both, windows_days, seed)
    plain = np.concatenate([features.stationary, features.weather], axis=1)
    matrices = {"boosting": plain}
    if set(ANTECEDENT) <= set(train.columns):
        matrices["boosting_antecedent"] = np.concatenate(
            [plain, both[list(ANTECEDENT)].to_numpy(np.float32)], axis=1
        )
    matrices |= {
        "date_only": date_features(days_of(both)),
        "shuffled_weather": np.concatenate(
            [features.stationary, features.foreign_weather()], axis=1
        ),
        "shuffled_space": np.concatenate([features.foreign_places(), features.weather], axis=1),
    }
    label, known = train["label"].to_numpy(), len(train)
    said = {
        name: boost(matrix[:known], label, matrix[known:], cfg, seed)
        for name, matrix in matrices.items()
    }
    said |= {name: tests[name].to_numpy(np.float32) for name in ("climatology", "persistence")}
    said |= {
        "antecedent": _antecedent(covariates, train, tests),
        "pixel_season": _pixel_season(train, tests),
    }
    return pd.DataFrame({name: said[name] for name in (*BASELINES, *PROBES) if name in said})


def days_of(table: pd.DataFrame) -> np.ndarray:
    """Day of every sample `(n)` datetime64[D]."""
    return table["time"].to_numpy().astype("datetime64[D]")


class _Features:
    """Features of samples, true ones and those of other days and places."""

    def __init__(
        self, covariates: Covariates, table: pd.DataFrame, windows_days: Sequence[int], seed: int
    ) -> None:
        self.covariates, self.windows_days, self.seed = covariates, windows_days, seed
        self.day, self.row, self.column = (
            days_of(table),
            table["row"].to_numpy(),
            table["column"].to_numpy(),
        )
        self.stationary = stationary_features(covariates, self.day, self.row, self.column)
        self.weather = weather_features(covariates, self.day, self.row, self.column, windows_days)

    def foreign_weather(self) -> np.ndarray:
        """Weather of other days; NDVI stays that of the day."""
        return weather_features(
            self.covariates,
            shuffled_days(self.day, self.seed),
            self.row,
            self.column,
            self.windows_days,
        )

    def foreign_places(self) -> np.ndarray:
        """Terrain, soil and NDVI of other places."""
        shape = (self.covariates.grid.shape.y, self.covariates.grid.shape.x)
        return stationary_features(
            self.covariates, self.day, *shuffled_pixels(self.row, self.column, shape, self.seed)
        )


def _antecedent(covariates: Covariates, train: pd.DataFrame, tests: pd.DataFrame) -> np.ndarray:
    places = [
        (days_of(part), part["row"].to_numpy(), part["column"].to_numpy())
        for part in (train, tests)
    ]
    fitted = fit_antecedent(covariates, *places[0], train["label"].to_numpy())
    return (
        np.full(len(tests), np.nan, dtype=np.float32)
        if fitted is None
        else fitted.predict(covariates, *places[1])
    )


def _pixel_season(train: pd.DataFrame, tests: pd.DataFrame) -> np.ndarray:
    seen, label = train["climatology"].to_numpy(), train["label"].to_numpy()
    return pixel_and_season(
        seen, days_of(train), label, tests["climatology"].to_numpy(), days_of(tests)
    )
