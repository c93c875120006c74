"""Step `validate-stations`: predictions and labels at the pixels of stations against what was measured in the ground."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from loam.config.evaluation import InSitu
from loam.core.ensemble import by_experiment
from loam.core.flags import usable_labels
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import Splits
from loam.evaluation.metrics import anomalies
from loam.evaluation.stations import Sensor, read_stations

PLACE = ("network", "station", "depth_m", "latitude", "longitude", "row", "column")
SCORES = (*PLACE, "model", "period", "metric", "value", "count")
SERIES = (*PLACE, "model", "day", "measured", "ssm", "scaled")
PERIODS = ("all", "test")
LABEL = "label"


def validate_stations(
    predictions: list[Path],
    ssm: Path,
    splits: Path,
    stations: list[Path],
    out: Path,
    series: Path,
    cfg: InSitu,
) -> None:
    """Write scores per station, sensor, model and period, and the matched series, as Parquet.

    Args:
        predictions: maps of the members of every experiment.
        ssm: labels.
        splits: splits of the run.
        stations: files or folders of measurements.
        out: Parquet file for the scores.
        series: Parquet file for the matched series.
        cfg: section `evaluation.stations`.
    """
    labels = open_dataset(ssm)
    dates = Splits.read(splits).dates
    matched: list[pd.DataFrame] = []
    for given, path in zip(cfg.sources, stations, strict=True):
        for sensor in read_stations(given.kind, path, cfg.max_depth_m, cfg.good_flags):
            place = pixel_of(sensor, labels.odc.geobox)
            if place is None:
                text = "station %s of %s at %.4f, %.4f lies outside the grid; it is not used"
                logging.getLogger(__name__).info(
                    text, sensor.station, sensor.network, sensor.latitude, sensor.longitude
                )
                continue
            at_pixel = moisture_at(predictions, labels, *place)
            matched += [
                _matched(sensor, place, name, values, dates, cfg)
                for name, values in at_pixel.items()
            ]
    table = (
        pd.concat(matched, ignore_index=True)
        if matched
        else pd.DataFrame(columns=[*SERIES, "period"])
    )
    with atomic_write(series) as partial:
        table[list(SERIES)].to_parquet(partial, index=False)
    rows = [
        row
        for _, part in table.groupby([*PLACE, "model"], sort=False)
        for row in _rows(part, cfg.min_matches)
    ]
    with atomic_write(out) as partial:
        pd.DataFrame(rows, columns=list(SCORES)).astype({"value": float, "count": int}).to_parquet(
            partial, index=False
        )


def pixel_of(sensor: Sensor, box: GeoBox) -> tuple[int, int] | None:
    """Row and column of the pixel that a sensor stands in; None outside the grid."""
    x, y = Transformer.from_crs("EPSG:4326", str(box.crs), always_xy=True).transform(
        sensor.longitude, sensor.latitude
    )
    column, row = box.wld2pix(x, y)
    inside = 0 <= row < box.shape.y and 0 <= column < box.shape.x
    return (int(row), int(column)) if inside else None


def moisture_at(
    predictions: list[Path], labels: xr.Dataset, row: int, column: int
) -> dict[str, pd.Series]:
    """Relative moisture of one pixel by day: of the labels, and of every experiment, the mean of its members.

    Args:
        predictions: maps of the members of every experiment.
        labels: content of `ssm.zarr`.
        row: of the pixel.
        column: of the pixel.
    """
    here = labels[["ssm", "flags"]].isel(y=row, x=column).load()
    usable = usable_labels(here["ssm"].values, here["flags"].values)
    out = {
        LABEL: pd.Series(usable, index=pd.DatetimeIndex(here["time"].values).floor("D"))
        .dropna()
        .groupby(level=0)
        .mean()
    }
    for experiment, members in by_experiment(predictions).items():
        series = [open_dataset(path)["ssm"].isel(y=row, x=column).to_series() for path in members]
        out[experiment] = pd.concat(series, axis=1).mean(axis=1).dropna()
    return out


def _matched(
    sensor: Sensor,
    place: tuple[int, int],
    model: str,
    ssm: "pd.Series[float]",
    dates: Mapping[str, tuple[str, ...]],
    cfg: InSitu,
) -> pd.DataFrame:
    """Days that both know, with SSM scaled to the station's units by the training dates."""
    from pytesmo.temporal_matching import temporal_collocation

    measured = temporal_collocation(
        ssm.index, sensor.moisture.rename("measured").to_frame(), pd.Timedelta(hours=1)
    )
    table = pd.DataFrame(
        {"measured": measured["measured"].to_numpy(), "ssm": ssm.to_numpy()}, index=ssm.index
    ).dropna()
    days = {part: pd.DatetimeIndex(dates[part]).floor("D") for part in ("train", "test")}
    table["scaled"] = scaled(table, table.index.isin(days["train"]), cfg)
    values: tuple[Any, ...] = (
        sensor.network,
        sensor.station,
        sensor.depth_m,
        sensor.latitude,
        sensor.longitude,
        *place,
        model,
    )
    table = table.rename_axis("day").reset_index()
    for name, value in zip((*PLACE, "model"), values, strict=True):
        table[name] = value
    # A mapped day between test dates is as new to the model as they are.
    within = (
        (table["day"] >= days["test"].min()) & (table["day"] <= days["test"].max())
        if len(days["test"])
        else False
    )
    return table.assign(period=np.where(within, "test", "earlier"))


def scaled(table: pd.DataFrame, training: np.ndarray, cfg: InSitu) -> np.ndarray:
    """SSM in the units of the station `(n)` [m3/m3]; NaN where there are too few training days to learn the scale from.

    Args:
        table: columns `measured` [m3/m3] and `ssm` [1] `(n)`.
        training: which rows the scale is learnt from, bool `(n)`.
        cfg: section `evaluation.stations`.
    """
    from pytesmo.cdf_matching import CDFMatching

    known = table[training]
    if len(known) < cfg.min_matches or known["ssm"].std() == 0:
        return np.full(len(table), np.nan)
    if cfg.scaling == "cdf":
        matching = CDFMatching(minobs=cfg.min_matches)
        return np.asarray(
            matching.fit(known["ssm"].to_numpy(), known["measured"].to_numpy()).predict(
                table["ssm"].to_numpy()
            )
        )
    anomaly = (table["ssm"] - known["ssm"].mean()) / known["ssm"].std()
    return (anomaly * known["measured"].std() + known["measured"].mean()).to_numpy()


def _rows(part: pd.DataFrame, min_matches: int) -> Iterator[tuple[Any, ...]]:
    """Scores of one sensor and model over all days, and over the test dates."""
    place = tuple(part[[*PLACE, "model"]].iloc[0])
    for period in PERIODS:
        chosen = part if period == "all" else part[part["period"] == period]
        for name, value in station_scores(chosen, min_matches).items():
            yield (*place, period, name, value, len(chosen))


def station_scores(part: pd.DataFrame, min_matches: int) -> dict[str, float]:
    """Scores of matched days, NaN where there are fewer than `min_matches`.

    Args:
        part: columns `day`, `measured` [m3/m3], `ssm` [1], `scaled` [m3/m3].
        min_matches: fewest days.

    Returns:
        Correlation `r` and that of anomalies against a moving mean of 35 days `anomaly_r` [1], `ubrmsd` and `bias` of scaled
        SSM [m3/m3], by pytesmo.
    """
    from pytesmo.metrics import bias, pearson_r, ubrmsd

    names = ("r", "anomaly_r", "ubrmsd", "bias")
    if len(part) < min_matches:
        return dict.fromkeys(names, np.nan)
    measured, ssm, known = (
        part.set_index("day")[name].astype(float) for name in ("measured", "ssm", "scaled")
    )
    apart = [anomalies(values.to_numpy(), part["day"].to_numpy()) for values in (measured, ssm)]
    pairs = (known.to_numpy(), measured.to_numpy())
    values = (
        pearson_r(measured.to_numpy(), ssm.to_numpy()),
        pearson_r(*apart),
        ubrmsd(*pairs),
        bias(*pairs),
    )
    return dict(zip(names, map(float, values), strict=True))
