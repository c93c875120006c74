"""Conformal factors: exact quantiles by dates, the promised coverage on new dates, and what a file of them needs."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days, odc_coords
from odc.geo.geobox import GeoBox
from scipy.special import ndtri

from loam.config.learning import Calibration
from loam.core.ensemble import ensemble, read_factors
from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.core.raster import write_zarr
from loam.learning.calibration import block_quantiles, calibrate, conformal_factors


def errors_of(
    count: int, pixels: int, between: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Scaled errors of dates, each with a bias of its own [sigma]."""
    return [np.abs(rng.normal(rng.normal(0, between), 1, pixels)) for _ in range(count)]


def test_every_date_counts_alike_whatever_its_pixels() -> None:
    small, large = np.array([1.0, 2.0]), np.repeat([3.0, 4.0], 500)
    np.testing.assert_array_equal(
        block_quantiles([small, large], np.array([0.25, 0.5, 0.75, 1.0])), [1, 2, 3, 4]
    )


def test_errors_as_sigma_says_give_the_factors_of_the_normal_distribution() -> None:
    found = conformal_factors(errors_of(40, 4000, 0.0, np.random.default_rng(0)))
    for percent in (68, 90, 95):
        assert found[f"factor_{percent}"] == pytest.approx(ndtri(0.5 + percent / 200), rel=0.02)
        assert found[f"plain_{percent}"] == pytest.approx(percent / 100, abs=0.01)
    assert (found["dates"], found["count"]) == (40, 160000)
    assert found["guaranteed_90"] == pytest.approx(0.9 * 40 / 41)


@pytest.mark.parametrize(("dates", "between"), [(5, 0.7), (12, 0.7), (12, 0.0)])
def test_the_intervals_cover_new_dates_on_average(dates: int, between: float) -> None:
    """Dates that err together: a pooled quantile covers too little of a new one, most with few dates; the raised level does not."""
    rng = np.random.default_rng(1)
    covered, pooled = [], []
    for _ in range(150):
        calibration, new = (
            errors_of(dates, 100, between, rng),
            np.concatenate(errors_of(40, 100, between, rng)),
        )
        covered.append((new <= conformal_factors(calibration)["factor_90"]).mean())
        pooled.append((new <= block_quantiles(calibration, np.array([0.9]))[0]).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.015)
    assert np.mean(covered) > np.mean(pooled)


def test_one_date_is_its_own_quantile() -> None:
    assert conformal_factors([np.arange(1, 101) / 10])["factor_90"] == 9.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two members, wrong by three of their sigmas on the pixels that must not be looked at."""
    rng, times, shape = np.random.default_rng(2), days("2022-01-01T05:00", 6, 6), (32, 32)
    box = GeoBox.from_bbox((0, 0, 640, 640), "EPSG:32618", resolution=20)
    mean = rng.random((6, *shape)).astype(np.float32)
    error = (0.1 * np.array([1, 1, 2, 2, 5, 5], dtype=np.float32))[:, None, None] * rng.choice(
        [-1, 1], (6, *shape)
    ).astype(np.float32)
    flags = np.zeros(mean.shape, np.int32)
    flags[:, :8, :8] = int(Flag.FROZEN)
    error[:, :8, :8] = 9  # flagged
    error[:, :16, 16:] = 9  # of a test block
    texts = [str(time)[:19] for time in times]
    dates = {
        "train": texts[4:],
        "validate": texts[:2],
        "calibrate": texts[2:4],
        "test": [],
        "gap": [],
    }
    splits = {
        "dates": dates,
        "blocks": {"px": 16, "shape": [2, 2], "test": [[0, 1]], "buffer_px": 0},
        "random": [],
    }
    (tmp_path / "splits.json").write_text(json.dumps(splits))

    def write(name: str, at: np.ndarray, **layers: np.ndarray) -> None:
        data = {
            key: (("time", "y", "x"), values, {"units": "1", "long_name": key})
            for key, values in layers.items()
        }
        write_zarr(
            xr.Dataset(data, coords=odc_coords(box) | {"time": at}).odc.assign_crs(box.crs),
            tmp_path / name,
        )

    write("ssm.zarr", times, ssm=mean + error, ssm_uncertainty=0 * mean + 0.1, flags=flags)
    for member, shift in ((0, 0.03), (1, -0.03)):
        write(
            f"{member}.zarr",
            times.astype("datetime64[D]").astype("datetime64[ns]"),
            ssm=mean + shift,
            ssm_uncertainty=0 * mean + 0.04,
        )
    return tmp_path


def calibrated(run: Path, *parts: str) -> dict:
    calibrate(
        [run / "0.zarr", run / "1.zarr"],
        run / "ssm.zarr",
        run / "splits.json",
        run / "calibration.json",
        Calibration(splits=parts),
    )
    return json.loads((run / "calibration.json").read_text())


def test_the_file_says_how_many_sigmas_the_usable_errors_are(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sigma = 0.05  # sqrt(0.04² + 0.03²)
    with caplog.at_level(logging.WARNING, logger="loam"):
        found = calibrated(run, "calibrate")
    assert found["factor_90"] == pytest.approx(0.2 / sigma, rel=1e-4)
    assert (found["dates"], found["count"], found["splits"]) == (
        2,
        2 * (3 * 256 - 64),
        ["calibrate"],
    )
    assert "calibration on 2 dates: for 90 % intervals only 60 % coverage is sure" in caplog.text
    assert read_factors(run / "calibration.json")[68] == found["factor_68"]


def test_more_parts_are_more_dates(run: Path) -> None:
    found = calibrated(run, "validate", "calibrate")
    assert found["dates"] == 4
    # Half of the dates err by 2, half by 4 sigmas.
    assert found["factor_68"] == pytest.approx(0.2 / 0.05, rel=1e-4)


def test_no_label_to_calibrate_on_is_named(run: Path) -> None:
    splits = json.loads((run / "splits.json").read_text())
    splits["dates"]["calibrate"] = []
    (run / "splits.json").write_text(json.dumps(splits))
    with pytest.raises(
        LoamError,
        match=r"learning.calibration.splits = \['calibrate'\]: no usable label on their dates",
    ):
        calibrated(run, "calibrate")


def test_a_file_without_factors_is_named(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(
        LoamError, match=r"calibration.json: has no factor_68; remove it and run calibrate again"
    ):
        read_factors(tmp_path / "calibration.json")


def test_an_ensemble_spreads_by_its_members_and_their_differences() -> None:
    mean, sigma = ensemble(np.array([0.2, 0.4]), np.array([0.1, 0.3]))
    assert mean == pytest.approx(0.3) and sigma == pytest.approx(np.sqrt((0.01 + 0.09) / 2 + 0.01))
