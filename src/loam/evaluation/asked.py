"""What trained models answered when asked with covariates of other dates and places, and with more rain; what it must be."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from loam.core.splits import TESTS

UNCHANGED, ALL_WEATHER, MORE_RAIN = "unchanged", "weather", "more_rain"
HEADLINE = "spatiotemporal"
# A model of dates alone that comes nearer than this to one that sees the weather: the dates leak [R²].
CLEARLY = 0.1
# R² that a model may keep when its weather is that of other dates: what place and season tell.
DESTROYED_R2 = 0.1
NOT_DRIER = 0.99

Row = tuple[object, ...]


def probe_scores(asked: Mapping[tuple[str, str], pd.DataFrame]) -> Iterator[Row]:
    """Rows of the table of scores from the answers of each experiment's members.

    Args:
        asked: table of `probe-model` by experiment and member.

    Yields:
        Per split and group of covariates R², rise of the mean square error and fall of R² (Breiman 2001), the rise on each
        date, and the share of pixels that more rain does not make drier.
    """
    for (experiment, member), table in asked.items():
        for split in TESTS:
            part = table[table["split"] == split]
            place = (experiment, member, experiment, split, "label")
            yield from (
                (*place, *row) for row in (*_importance(part), *_on_dates(part), _not_drier(part))
            )


def _importance(part: pd.DataFrame) -> Iterator[Row]:
    sums = part.groupby("case")[["count", "squared_error", "label", "label_squared"]].sum()
    if UNCHANGED not in sums.index:
        return
    cases = {str(case): values for case, values in sums.iterrows() if case != MORE_RAIN}
    right = _r2_and_mse(cases[UNCHANGED])
    for case, values in cases.items():
        r2, mse = _r2_and_mse(values)
        for metric, value in (("r2", r2), ("mse_rise", mse - right[1]), ("r2_fall", right[0] - r2)):
            yield "permuted", case, metric, value, int(values["count"])


def _on_dates(part: pd.DataFrame) -> Iterator[Row]:
    errors = part[part["count"] > 0].assign(mse=lambda each: each["squared_error"] / each["count"])
    if errors.empty:
        return
    mse = errors.pivot_table(index="date", columns="case", values="mse").drop(
        columns=MORE_RAIN, errors="ignore"
    )
    counts = errors[errors["case"] == UNCHANGED].set_index("date")["count"].to_dict()
    for case in mse.columns.drop(UNCHANGED):
        for date, rise in (mse[case] - mse[UNCHANGED]).items():
            yield (
                "permuted_on_date",
                f"{case} {str(date)[:10]}",
                "mse_rise",
                float(rise),
                int(counts[date]),
            )


def _not_drier(part: pd.DataFrame) -> Row:
    asked = part[part["case"] == MORE_RAIN]
    pixels = int(asked["pixels"].sum())
    return (
        "sanity",
        MORE_RAIN,
        "not_drier",
        float(asked["not_drier"].sum() / pixels) if pixels else np.nan,
        pixels,
    )


def _r2_and_mse(sums: "pd.Series[float]") -> tuple[float, float]:
    """R² and mean square error from count, squared error, label and squared label, each summed."""
    count = sums["count"]
    if count < 2:
        return np.nan, np.nan
    spread = sums["label_squared"] - sums["label"] ** 2 / count
    return (1 - sums["squared_error"] / spread if spread > 0 else np.nan), sums[
        "squared_error"
    ] / count


def checks(table: pd.DataFrame) -> Iterator[Row]:
    """Rows that say whether each experiment passes the leak probes: what was measured, the bar, and 1 or 0.

    - `date_only`: R² over that of the model that knows dates alone, on other dates and places.
    - `shuffled_weather`: R² left there with the weather of other dates.
    - `more_rain`: smallest share of pixels over the splits that more rain does not make drier.

    Args:
        table: scores, with the rows of `probe_scores`.
    """
    label = table[table["target"] == "label"]
    r2 = label[(label["metric"] == "r2") & (label["split"] == HEADLINE)]
    of_dates = _first(r2[(r2["model"] == "date_only") & (r2["stratum_kind"] == "all")])
    ours = label[~label["experiment"].isin(["baseline", "probe"])]
    for (experiment, member), part in ours.groupby(["experiment", "member"], sort=False):
        here = r2[(r2["experiment"] == experiment) & (r2["member"] == member)]
        measured = {
            "date_only": (_first(here[here["stratum_kind"] == "all"]) - of_dates, CLEARLY, 1),
            "shuffled_weather": (
                _first(
                    here[(here["stratum_kind"] == "permuted") & (here["stratum"] == ALL_WEATHER)]
                ),
                DESTROYED_R2,
                -1,
            ),
            "more_rain": (part.loc[part["metric"] == "not_drier", "value"].min(), NOT_DRIER, 1),
        }
        for name, (value, bar, sign) in measured.items():
            if np.isfinite(value):
                said = {"measured": value, "bar": bar, "passed": float(sign * (value - bar) >= 0)}
                place = (experiment, member, experiment, HEADLINE, "label", "check", name)
                yield from (
                    (*place, metric, number, int(here["count"].max()))
                    for metric, number in said.items()
                )


def _first(rows: pd.DataFrame) -> float:
    return float(rows["value"].iloc[0]) if len(rows) else np.nan
