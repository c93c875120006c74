"""Labels of the whole twin against its truth: correlation, bias and coverage, and what each disturbance costs.

    PYTHONPATH=src .venv/bin/python benchmarks/twin_labels.py [--pixels 128] [--years 5.5] [--mode none ndvi]

Backscatter of every overpass with the speckle of images of 10 m, averaged to 20 m, goes through the array functions of change detection.
A case without a disturbance has its part of the twin replaced by nothing. Takes some minutes a case.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import yaml
from odc.geo.geobox import GeoBox
from scipy.ndimage import uniform_filter

from loam.config.base import Period
from loam.config.moisture import Signal
from loam.config.twin import Twin
from loam.core.frost import frost_temperature
from loam.core.grid import support_pixels
from loam.moisture.backscatter import averaged_db, independent_share, speckle_variance
from loam.moisture.fitting import fit_tracks
from loam.moisture.scale import Moisture, Pixels, relative_moisture
from loam.moisture.surface import shared_series, surface_error
from loam.moisture.vegetation import vegetation_slope, without_vegetation
from loam.twin import radar
from loam.twin.catchment import Catchment, backscatter, evening_moisture, make_catchment, stream
from loam.twin.echo import speckle
from loam.twin.landscape import CROP, GRASS
from loam.twin.weather import KELVIN

DEFAULT = yaml.safe_load((Path(__file__).parents[1] / "config/default.yaml").read_text())
SIGNAL, TRAIN = Signal(**DEFAULT["moisture"]["signal"]), 0.65
OFF = {
    "ploughing": patch.object(
        radar, "tillage_db", lambda parcels, *_: np.zeros(parcels.shape, np.float32)
    ),
    "plants": patch.object(
        Catchment, "ndvi_on", lambda self, _: np.zeros(self.grid.shape, np.float32)
    ),
    "frost": patch.object(Catchment, "frozen_on", lambda self, _: np.zeros(self.grid.shape, bool)),
}
CASES = {
    "whole": [],
    "without frost": ["frost"],
    "without ploughing": ["ploughing"],
    "without plants": ["plants"],
    "without all": list(OFF),
}


class Seen:
    """What the radar saw of a twin `(time, y, x)`, and what is true."""

    def __init__(self, twin: Catchment, evenings: np.ndarray, off: list[str]) -> None:
        self.taken = radar.acquisitions(twin.period, twin.twin)
        self.times = np.array([np.datetime64(taken.when, "ns") for taken in self.taken])
        self.tracks = np.array([taken.track.name for taken in self.taken])
        self.ndvi = np.stack([twin.ndvi_on(taken.when.date()) for taken in self.taken])
        truth = [self._moisture(twin, evenings, taken) for taken in self.taken]
        for name in off:
            OFF[name].start()
        power = np.stack(
            [self._image(twin, taken, ssm) for taken, ssm in zip(self.taken, truth, strict=True)]
        )
        for name in off:
            OFF[name].stop()
        size = support_pixels(SIGNAL.label_support_m, twin.grid.resolution.x)
        self.truth = np.stack([uniform_filter(ssm, size) for ssm in truth])
        self.level, count = averaged_db(power.astype(np.float32), size, 2)
        share = independent_share(twin.grid.resolution.x, SIGNAL.speckle_cell_m)
        self.variance = speckle_variance(count, SIGNAL.looks, share) + np.float32(
            SIGNAL.calibration_error_db**2
        )
        daily = frost_temperature(
            twin.weather["temperature"].values.mean(axis=(1, 2))[:, None] - KELVIN,
            SIGNAL.frozen_below_degc,
            SIGNAL.thaw_degree_days,
        )
        day = (
            self.times.astype("datetime64[D]")
            - twin.weather["time"].values[0].astype("datetime64[D]")
        ).astype(int)
        self.thawed = (daily[day, 0] >= SIGNAL.frozen_below_degc) | ("frost" in off)
        self.fit = (np.arange(len(self.times)) < TRAIN * len(self.times)) & self.thawed

    @staticmethod
    def _moisture(twin: Catchment, evenings: np.ndarray, taken: radar.Acquisition) -> np.ndarray:
        day, share = (
            (taken.when.date() - twin.period.start).days,
            (taken.when.hour + taken.when.minute / 60) / 24,
        )
        return evenings[day] + np.float32(share) * (evenings[day + 1] - evenings[day])

    @staticmethod
    def _image(twin: Catchment, taken: radar.Acquisition, ssm: np.ndarray) -> np.ndarray:
        height, width = ssm.shape
        fine = speckle(
            (2 * height, 2 * width), twin.twin.looks, stream(twin.twin.seed, 3, taken.number)
        )
        return backscatter(twin, taken, ssm, "vv") * fine.reshape(height, 2, width, 2).mean(
            axis=(1, 3)
        )


def labels(seen: Seen, mode: str) -> tuple[Moisture, Moisture, np.ndarray]:
    """SSM with the surface's error and without it, and where references serve `(y, x)`."""
    level, variance, fit = seen.level, seen.variance, seen.fit
    if mode == "ndvi":
        slope, error, mean = vegetation_slope(level[fit], seen.ndvi[fit], seen.tracks[fit])
        level, variance = (
            without_vegetation(level, seen.ndvi, slope, mean),
            variance + (error * (seen.ndvi - mean)) ** 2,
        )
    series = shared_series(seen.level[fit][:, ::3, ::3].reshape(fit.sum(), -1), seen.tracks[fit])
    surface = surface_error(level[fit], series, seen.tracks[fit], seen.times[fit], 2)
    names = ["A004", "D106"]
    fitted = fit_tracks(
        level[fit],
        None,
        seen.tracks[fit],
        names,
        (np.zeros(fit.sum(), np.int64), 1),
        (10.0, 90.0),
        0.05,
        None,
        2,
    )
    pixels = Pixels(fitted.layers, None, np.zeros((2, 1, *level.shape[1:]), np.float32))
    place, season, nothing = (
        (seen.tracks == names[1]).astype(np.int64),
        np.zeros(len(level), np.int64),
        np.zeros((1, 1, 1), np.int32),
    )
    both = [
        relative_moisture(
            level, var, None, pixels, place, season, nothing, SIGNAL.standing_water_db, 2
        )
        for var in (variance + surface**2, variance)
    ]
    sensitivity, error = fitted.layers[:, 2], fitted.layers[:, 5]
    return both[0], both[1], (sensitivity >= np.maximum(1.5, 3 * error)).all(axis=0)


def row(seen: Seen, mode: str, chosen: np.ndarray) -> str:
    """Scores of some pixels `(y, x)` as cells of a table."""
    honest, noise, serves = labels(seen, mode)
    chosen = chosen & serves
    low, high = np.quantile(seen.truth[seen.fit], [0.1, 0.9], axis=0)
    scaled = np.clip((seen.truth - low) / (high - low) * 0.8 + 0.1, 0, 1)[seen.thawed][:, chosen]
    ssm, truth = honest.ssm[seen.thawed][:, chosen], seen.truth[seen.thawed][:, chosen]
    r = np.median(
        [np.corrcoef(one, other)[0, 1] for one, other in zip(ssm.T, truth.T, strict=True)]
    )
    cover = [
        (np.abs(ssm - scaled) < sigmas * each.uncertainty[seen.thawed][:, chosen]).mean()
        for each in (honest, noise)
        for sigmas in (1, 1.96)
    ]
    return f"{r:.2f} | {(ssm - truth).mean():.2f} | " + " | ".join(
        f"{100 * share:.0f} %" for share in cover
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=128, help="edge of the area [pixel]")
    parser.add_argument("--years", type=float, default=5.5)
    parser.add_argument("--mode", nargs="*", default=["none"], choices=["none", "ndvi"])
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    arguments = parser.parse_args()
    edge, end = 20 * arguments.pixels, date(2024, 6, 30)
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + edge, 4290000 + edge), "EPSG:32618", resolution=20
    )
    period = Period(start=end - timedelta(days=round(365.25 * arguments.years)), end=end)
    twin = make_catchment(box, period, Twin(**DEFAULT["twin"]))
    evenings = np.stack(list(evening_moisture(twin))).astype(np.float32)
    print(
        "| twin | vegetation | r | bias | 68 % covers | 95 % covers | without surface error | |\n|---|---|---|---|---|---|---|---|"
    )
    for case in arguments.cases:
        seen = Seen(twin, evenings, CASES[case])
        for mode in arguments.mode:
            for cover, codes in (("", (CROP, GRASS)), (", crops", (CROP,)), (", grass", (GRASS,))):
                print(
                    f"| {case}{cover} | {mode} | {row(seen, mode, np.isin(twin.landcover, codes))} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
