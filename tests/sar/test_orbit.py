"""Orbits against a circle, whose position, velocity and acceleration are known; orbit files by name and content."""

from pathlib import Path

import numpy as np
import pytest
from sar.ground import write_orbit_file

from loam.core.errors import LoamError
from loam.sar.annotation import StateVectors
from loam.sar.orbit import find_orbit_file, fit_orbit, read_orbit_file

EPOCH = np.datetime64("2022-03-01T11:05:00", "ns")
RADIUS, RATE = 7_071_000.0, 2 * np.pi / 5924  # of Sentinel-1
START, STOP = EPOCH, EPOCH + np.timedelta64(25, "s")


def circle(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    angle = RATE * np.asarray(seconds)
    out = np.stack([np.cos(angle), 0.3 * np.sin(angle), np.sin(angle)]) * RADIUS
    speed = np.stack([-np.sin(angle), 0.3 * np.cos(angle), np.cos(angle)]) * RADIUS * RATE
    return out, speed, -out * RATE**2


def vectors(seconds: np.ndarray) -> StateVectors:
    times = EPOCH + (np.asarray(seconds) * 1e9).astype("timedelta64[ns]")
    position, velocity, _ = circle(seconds)
    return StateVectors(times, position.T, velocity.T, "annotation")


def test_between_vectors_the_orbit_is_the_circle() -> None:
    orbit = fit_orbit(vectors(np.arange(-60, 90, 10)), EPOCH, "product")
    seconds = np.linspace(-20, 45, 60).reshape(6, 10)
    for found, expected, tolerance in zip(
        orbit.at(seconds), circle(seconds), (1e-4, 1e-4, 1e-4), strict=True
    ):
        assert found.shape == (3, 6, 10)
        np.testing.assert_allclose(found, expected, atol=tolerance)


def test_vectors_that_do_not_belong_together_are_refused() -> None:
    good = vectors(np.arange(-60, 90, 10))
    damaged = good.position_m.copy()
    damaged[5, 1] += 300
    with pytest.raises(LoamError, match="leave a smooth path"):
        fit_orbit(
            StateVectors(good.times, damaged, good.velocity_ms, "annotation"), EPOCH, "product"
        )
    with pytest.raises(LoamError, match="5 state vectors"):
        fit_orbit(vectors(np.arange(5) * 10), EPOCH, "product")


def orbit_file(
    folder: Path, name: str, mission: str = "Sentinel-1A", seconds: np.ndarray | None = None
) -> Path:
    return write_orbit_file(
        folder / name, vectors(np.arange(-300, 310, 10) if seconds is None else seconds), mission
    )


PRECISE = "S1A_OPER_AUX_POEORB_OPOD_20220321T081604_V20220228T225942_20220302T005942.EOF"
RESTITUTED = "S1A_OPER_AUX_RESORB_OPOD_20220301T143251_V20220301T103000_20220301T140737.EOF"
OTHERS = "S1B_OPER_AUX_POEORB_OPOD_20220321T081604_V20220228T225942_20220302T005942.EOF"
TOO_LATE = "S1A_OPER_AUX_POEORB_OPOD_20220322T081604_V20220301T225942_20220303T005942.EOF"


def test_precise_comes_before_restituted_and_other_satellites_do_not_count(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in (OTHERS, RESTITUTED, TOO_LATE, PRECISE, "notes.EOF")]
    assert find_orbit_file(paths, "S1A", START, STOP) == tmp_path / PRECISE
    assert (
        find_orbit_file([path for path in paths if "POEORB" not in path.name], "S1A", START, STOP)
        == tmp_path / RESTITUTED
    )
    assert find_orbit_file([tmp_path / TOO_LATE, tmp_path / OTHERS], "S1A", START, STOP) is None


def test_an_orbit_file_gives_the_vectors_around_the_image(tmp_path: Path) -> None:
    read = read_orbit_file(orbit_file(tmp_path, PRECISE), "S1A", START, STOP)
    assert read.source == "precise"
    assert START - read.times[0] == np.timedelta64(60, "s")
    orbit = fit_orbit(read, EPOCH, PRECISE)
    np.testing.assert_allclose(orbit.at(np.array([3.3]))[0], circle(np.array([3.3]))[0], atol=1e-3)
    assert (
        read_orbit_file(orbit_file(tmp_path, RESTITUTED), "S1A", START, STOP).source == "restituted"
    )


def test_an_orbit_file_of_another_platform_or_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoamError, match="is an orbit of Sentinel-1B, the scene is of S1A"):
        read_orbit_file(orbit_file(tmp_path, PRECISE, mission="Sentinel-1B"), "S1A", START, STOP)
    with pytest.raises(LoamError, match="does not cover"):
        read_orbit_file(
            orbit_file(tmp_path, PRECISE, seconds=np.arange(0, 300, 10)), "S1A", START, STOP
        )
    (tmp_path / "cut.EOF").write_text("<Earth_Explorer_File><Data_")
    with pytest.raises(LoamError, match="cannot be read as an orbit file"):
        read_orbit_file(tmp_path / "cut.EOF", "S1A", START, STOP)
