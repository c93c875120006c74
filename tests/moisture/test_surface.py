"""What tillage does to backscatter, told from moisture and from speckle."""

from dataclasses import replace

import numpy as np
import pytest
from radar_scene import see

from loam.moisture.fitting import fit_tracks
from loam.moisture.scale import Pixels, relative_moisture
from loam.moisture.surface import near_pairs, shared_series, surface_error

COUNT, SHAPE = 240, (24, 48)
TIMES = np.datetime64("2019-01-01", "ns") + np.arange(COUNT) * np.timedelta64(6, "D")


@pytest.fixture(scope="module")
def wetting():
    """Bare fields that wet and dry together, with a memory of some days, each in its own way besides."""
    rng = np.random.default_rng(50)
    common = np.empty(COUNT)
    common[0] = 0.5
    for date in range(1, COUNT):
        common[date] = 0.55 * common[date - 1] + 0.45 * rng.uniform(0, 1)
    common = (common - common.min()) / np.ptp(common)
    own = rng.normal(0, 0.03, (COUNT, *SHAPE))
    return see(np.clip(common[:, None, None] + own, 0, 1).astype(np.float32), rng)


def ploughed(scene, size_db: float):
    """Columns of fields, 4 pixels wide, each with another brightness every half year; the left half is left alone."""
    rng = np.random.default_rng(51)
    change = rng.normal(0, size_db, (COUNT // 30, 1, SHAPE[1] // 4))
    change = np.repeat(np.repeat(change, 30, axis=0), 4, axis=2) * (
        np.arange(SHAPE[1]) >= SHAPE[1] // 2
    )
    return replace(scene, level=(scene.level + change).astype(np.float32))


def surface_of(scene) -> np.ndarray:
    series = shared_series(scene.level[:, ::2, : SHAPE[1] : 2].reshape(COUNT, -1), scene.tracks)
    return surface_error(scene.level, series, scene.tracks, TIMES)


def test_tillage_is_measured_and_quiet_ground_has_none(wetting) -> None:
    found = surface_of(ploughed(wetting, 0.8))
    half = SHAPE[1] // 2
    rms = np.sqrt((found[:, half:].astype(float) ** 2).mean())
    print(f"planted 0.80 dB: {rms:.2f} dB; quiet ground {np.median(found[:, :half]):.2f} dB")
    assert rms == pytest.approx(0.8, rel=0.2)
    assert np.median(found[:, :half]) < 0.2


def test_intervals_cover_the_truth_of_ploughed_fields(wetting) -> None:
    scene = ploughed(wetting, 0.8)
    error, names = surface_of(scene), ["A004", "D106"]
    season = np.zeros(COUNT, np.int64)
    fitted = fit_tracks(scene.level, None, scene.tracks, names, (season, 1), (10.0, 90.0), 0.05)
    pixels = Pixels(fitted.layers, None, np.zeros((2, 1, *SHAPE), np.float32))
    place, tilled = (scene.tracks == "D106").astype(np.int64), np.arange(SHAPE[1]) >= SHAPE[1] // 2
    low, high = np.quantile(scene.moisture, [0.1, 0.9], axis=0)
    truth = np.clip((scene.moisture - low + 0.1 * (high - low) / 0.8) / ((high - low) / 0.8), 0, 1)
    covered = {}
    for name, variance in (("noise", scene.variance), ("surface", scene.variance + error**2)):
        got = relative_moisture(
            scene.level, variance, None, pixels, place, season, np.zeros((1, 1, 1), np.int32), 3.0
        )
        away = np.abs(got.ssm - truth)[:, :, tilled] / got.uncertainty[:, :, tilled]
        covered[name] = (away < 1).mean(), (away < 1.96).mean()
    print(covered)
    assert covered["noise"][0] < 0.5
    assert 0.63 <= covered["surface"][0] <= 0.73
    assert 0.92 <= covered["surface"][1] <= 0.97


def test_gaps_and_dates_without_a_series_do_not_matter(wetting) -> None:
    scene = ploughed(wetting, 0.8)
    gaps = np.random.default_rng(52).random(scene.level.shape) < 0.2
    holey = replace(scene, level=np.where(gaps, np.nan, scene.level).astype(np.float32))
    np.testing.assert_allclose(surface_of(holey).mean(), surface_of(scene).mean(), rtol=0.1)
    series = shared_series(scene.level.reshape(COUNT, -1), scene.tracks)
    series[::7] = np.nan
    whole = surface_error(
        np.where(np.isfinite(series)[:, None, None], scene.level, np.nan),
        np.nan_to_num(series),
        scene.tracks,
        TIMES,
    )
    np.testing.assert_array_equal(
        surface_error(scene.level, series, scene.tracks, TIMES, threads=3), whole
    )


def test_pairs_are_near_and_counted_once() -> None:
    assert near_pairs(TIMES[:4]).tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    assert surface_error(
        np.ones((3, 2, 2)), np.zeros(3), np.array(["A"] * 3), TIMES[:9:4]
    ).tolist() == [[0, 0], [0, 0]]
