"""Soil moisture and its uncertainty between references, against values worked out by other means."""

import numpy as np
import pytest
from radar_scene import TRACKS, VV, Seen

from loam.core.flags import Flag
from loam.moisture.backscatter import ALL_TRACKS
from loam.moisture.fitting import fit_tracks
from loam.moisture.scale import Moisture, Pixels, relative_moisture

ONE = np.zeros(1, dtype=np.int64)


def layers(
    dry: float, wet: float, u_dry: float = 0.0, u_wet: float = 0.0, u_s: float | None = None
) -> np.ndarray:
    """References of one track and one pixel."""
    u_s = float(np.hypot(u_dry, u_wet)) if u_s is None else u_s
    return np.array([dry, wet, wet - dry, u_dry, u_wet, u_s], np.float32).reshape(1, 6, 1, 1)


def scaled(level: np.ndarray, pixel: np.ndarray, variance: float = 0.0) -> Moisture:
    level = np.asarray(level, np.float32).reshape(1, 1, -1)
    wide = np.broadcast_to(pixel, (*pixel.shape[:2], *level.shape[1:]))
    pixels = Pixels(wide, None, np.zeros((2, 1, *level.shape[1:]), np.float32))
    return relative_moisture(
        level, np.full_like(level, variance), None, pixels, ONE, ONE, np.int32(0), 3.0
    )


def test_dry_is_zero_wet_is_one_and_a_pixel_without_range_has_no_value() -> None:
    got = scaled(np.array([-16, -8, -12, -18, -7, np.nan]), layers(-16, -8))
    np.testing.assert_allclose(got.ssm[0, 0], [0, 1, 0.5, 0, 1, np.nan])
    assert np.isnan(scaled(np.array([-12.0]), layers(-12, -12)).ssm).all()


def test_flags_say_what_was_clipped_missing_or_under_water() -> None:
    got = scaled(np.array([-16.5, -12, -7, np.nan, -19.5]), layers(-16, -8)).flags[0, 0]
    expected = [
        Flag.CLIPPED_LOW,
        Flag(0),
        Flag.CLIPPED_HIGH,
        Flag.NO_OBSERVATION,
        Flag.CLIPPED_LOW | Flag.STANDING_WATER,
    ]
    assert [Flag(int(flag)) for flag in got] == expected


@pytest.mark.parametrize("correlation", [0.0, -0.4, 0.6])
@pytest.mark.parametrize("sigma", [-15.0, -11.5, -9.5])
def test_uncertainty_is_the_spread_of_a_monte_carlo(sigma: float, correlation: float) -> None:
    rng = np.random.default_rng(10)
    dry, wet, u_sigma, u_dry, u_wet = -16.0, -9.0, 0.4, 0.3, 0.35
    both = correlation * u_dry * u_wet
    d, w = rng.multivariate_normal([dry, wet], [[u_dry**2, both], [both, u_wet**2]], 400_000).T
    spread = ((rng.normal(sigma, u_sigma, 400_000) - d) / (w - d)).std()
    got = scaled(
        np.array([sigma]),
        layers(dry, wet, u_dry, u_wet, np.sqrt(u_dry**2 + u_wet**2 - 2 * both)),
        u_sigma**2,
    )
    assert got.uncertainty[0, 0, 0] == pytest.approx(spread, rel=0.03)


def test_both_algebraic_forms_agree(bare: Seen) -> None:
    """Levels brought to 40 degrees, or references brought to each level's own angle, the latter in NumPy and doubles."""
    fitted = fit_tracks(
        bare.level,
        bare.angle,
        bare.tracks,
        [*TRACKS, ALL_TRACKS],
        year(bare),
        (10, 90),
        0.99,
        None,
        2,
    )
    got = of_merged(bare, fitted).ssm
    dry, wet, beta = (
        values.astype(np.float64)
        for values in (fitted.layers[2, 0], fitted.layers[2, 1], fitted.slope[0, 0])
    )
    shift = beta * (bare.angle.astype(np.float64) - 40)
    other = np.clip((bare.level - (dry + shift)) / ((wet + shift) - (dry + shift)), 0, 1)
    known = np.isfinite(fitted.slope[0, 0])
    assert known.mean() > 0.9
    np.testing.assert_allclose(got[:, known], other[:, known], atol=1e-6)


def year(seen: Seen) -> tuple[np.ndarray, int]:
    return np.zeros(len(seen.level), np.int64), 1


def of_merged(seen: Seen, fitted) -> Moisture:
    pixels = Pixels(fitted.layers[:2], fitted.layers[2], fitted.slope)
    tracks, seasons = (seen.tracks == "D106").astype(np.int64), year(seen)[0]
    return relative_moisture(
        seen.level, seen.variance, seen.angle, pixels, tracks, seasons, np.int32(0), 3.0, 2
    )


def of_tracks(seen: Seen) -> Moisture:
    fitted = fit_tracks(
        seen.level, seen.angle, seen.tracks, list(TRACKS), year(seen), (10, 90), 0.99, None, 2
    )
    pixels = Pixels(fitted.layers, None, fitted.slope)
    tracks = (seen.tracks == "D106").astype(np.int64)
    return relative_moisture(
        seen.level, seen.variance, seen.angle, pixels, tracks, year(seen)[0], np.int32(0), 3.0, 2
    )


@pytest.mark.parametrize("merged", [False, True])
def test_intervals_cover_the_truth_as_often_as_they_say(bare: Seen, merged: bool) -> None:
    """On the twin's fields, with references fitted from the same noise: 63 to 73 % within 1 sigma, 92 to 97 % within 1.96."""
    fitted = fit_tracks(
        bare.level,
        bare.angle,
        bare.tracks,
        [*TRACKS, ALL_TRACKS],
        year(bare),
        (10, 90),
        0.99,
        None,
        2,
    )
    got = of_merged(bare, fitted) if merged else of_tracks(bare)
    known = np.isfinite(got.ssm)
    z = np.abs(got.ssm - bare.moisture)[known] / got.uncertainty[known]
    assert 0.63 <= (z < 1).mean() <= 0.73
    assert 0.92 <= (z < 1.96).mean() <= 0.97


def test_known_moisture_comes_back(bare: Seen) -> None:
    """r of 0.9 or more over time in the median pixel, bias of 0.03 or less."""
    got = of_tracks(bare).ssm
    truth = bare.moisture - bare.moisture.mean(axis=0)
    mine = got - got.mean(axis=0)
    r = (truth * mine).sum(axis=0) / np.sqrt((truth**2).sum(axis=0) * (mine**2).sum(axis=0))
    assert np.median(r) >= 0.9
    assert abs((got - bare.moisture).mean()) <= 0.03


def test_a_slope_is_used_where_it_is_known_and_the_tracks_own_references_elsewhere() -> None:
    own = np.broadcast_to(layers(-14, -6), (1, 6, 1, 2))
    merged = np.broadcast_to(layers(-16, -8)[0], (6, 1, 2))
    slope = np.array([[VV.slope, np.nan], [0.02, np.nan]], np.float32).reshape(2, 1, 1, 2)
    level, angle = np.full((1, 1, 2), -12.0, np.float32), np.full((1, 1, 2), 35.0, np.float32)
    got = relative_moisture(
        level, np.zeros_like(level), angle, Pixels(own, merged, slope), ONE, ONE, np.int32(0), 3.0
    )
    np.testing.assert_allclose(got.ssm[0, 0], [(-12 + VV.slope * 5 + 16) / 8, 2 / 8], atol=1e-6)
    assert got.uncertainty[0, 0, 0] == pytest.approx(0.02 * 5 / 8, rel=1e-4)
    assert got.uncertainty[0, 0, 1] == 0
