"""Calibration and noise against tables that are planes, which bilinear interpolation must reproduce."""

import numpy as np
import pytest

from loam.core.errors import LoamError
from loam.sar.calibration import (
    AzimuthNoise,
    Noise,
    Table,
    beta_nought,
    border_mask,
    noise_on,
    require_noise_units,
    table_on,
)


def plane(
    scale: float = 1.0,
    lines: tuple[int, ...] = (0, 100, 250),
    pixels: tuple[int, ...] = (0, 40, 80, 199),
) -> Table:
    across = np.array(pixels, dtype=float)
    return Table(
        np.array(lines, dtype=float),
        [across] * len(lines),
        [scale * (500 + 2 * line + 3 * across) for line in lines],
    )


def test_a_plane_comes_back_between_its_nodes() -> None:
    lines, pixels = np.array([0, 37, 180, 249]), np.array([1, 39, 41, 150, 199])
    np.testing.assert_allclose(
        table_on(plane(), lines, pixels), 500 + 2 * lines[:, None] + 3 * pixels[None, :], rtol=1e-6
    )


def test_beyond_the_last_vector_its_values_hold() -> None:
    np.testing.assert_allclose(table_on(plane(), np.array([400]), np.array([0])), [[1000]])


def test_a_table_of_one_line_holds_everywhere() -> None:
    np.testing.assert_allclose(
        table_on(plane(lines=(0,)), np.array([0, 90]), np.array([10])), [[530], [530]]
    )


def test_azimuth_noise_multiplies_only_its_own_part() -> None:
    flat = Table(np.array([0.0, 300.0]), [np.array([0.0, 199.0])] * 2, [np.array([10.0, 10.0])] * 2)
    first = AzimuthNoise(0, 199, 0, 99, np.array([0, 199]), np.array([1.0, 2.0]))
    second = AzimuthNoise(0, 199, 100, 199, np.array([0, 199]), np.array([3.0, 3.0]))
    found = noise_on(Noise(flat, [first, second]), np.array([0, 199, 200]), np.arange(98, 102))
    np.testing.assert_allclose(found, [[10, 10, 30, 30], [20, 20, 30, 30], [10, 10, 10, 10]])


def test_beta_nought_is_power_less_noise_over_the_squared_table() -> None:
    lines, pixels = np.arange(600, 1200), np.arange(7)
    table = Table(
        np.array([0.0, 2000.0]), [np.array([0.0, 10.0])] * 2, [np.array([400.0, 400.0])] * 2
    )
    noise = Noise(
        Table(
            np.array([0.0, 2000.0]), [np.array([0.0, 10.0])] * 2, [np.array([2500.0, 2500.0])] * 2
        ),
        [],
    )
    number = np.full((600, 7), 40, dtype=np.uint16)
    number[3, 2] = 0
    found = beta_nought(number, lines, pixels, table, noise)
    assert np.isnan(found[3, 2])
    number[3, 2] = 40
    # Negative, and kept.
    np.testing.assert_allclose(
        np.nan_to_num(found, nan=(1600 - 2500) / 400**2), (1600 - 2500) / 400**2, rtol=1e-6
    )
    np.testing.assert_allclose(beta_nought(number, lines, pixels, table, None), 0.01, rtol=1e-6)


def test_a_noise_table_in_other_units_is_refused() -> None:
    table = Table(np.array([0.0]), [np.array([0.0, 10.0])], [np.array([600.0, 600.0])])
    good = Noise(
        Table(np.array([0.0]), [np.array([0.0, 10.0])], [np.array([600.0**2 * 10**-2.5] * 2)]), []
    )
    require_noise_units(good, table, "product")
    wrong = Noise(Table(np.array([0.0]), [np.array([0.0, 10.0])], [np.array([1e-3] * 2)]), [])
    with pytest.raises(
        LoamError, match=r"a floor of -85.6 dB, not -40 to -12; set sar.flatten.thermal_noise"
    ):
        require_noise_units(wrong, table, "product")


def test_only_low_values_in_one_piece_with_the_edge_are_border() -> None:
    rng = np.random.default_rng(3)
    number = np.sqrt(rng.gamma(4.4, 90.0**2 / 4.4, (200, 300))).astype(np.uint16)
    number[:, :30] = rng.integers(0, 12, (200, 30))  # border noise
    number[80:130, 120:180] = 5  # a lake darker than any: not at the edge
    noise = np.full(number.shape, 50.0**2)
    mask = border_mask(number, noise, (False, False, True, False))
    assert mask[:, :26].all()
    assert not mask[:, 45:].any()
    assert not border_mask(number, noise, (False, False, False, True)).any()
