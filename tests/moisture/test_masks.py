"""Flags from maps and references."""

from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from loam.config.sources import LandCover
from loam.core.flags import Flag
from loam.core.grid import land_cover_codes
from loam.moisture.masks import incidence_flags, land_cover_flags, sensitivity_flags


def write(path: Path, codes: np.ndarray, box: GeoBox) -> Path:
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "width": box.shape.x,
        "height": box.shape.y,
    }
    with rasterio.open(path, "w", **profile, crs=str(box.crs), transform=box.transform) as file:
        file.write(codes.astype(np.uint8), 1)
    return path


def test_land_cover_is_the_commonest_class_of_a_pixel(tmp_path: Path, box: GeoBox) -> None:
    fine = box.zoom_out(0.5)
    codes = np.full(fine.shape, 40)
    codes[:2, :2] = [[80, 80], [80, 40]]
    codes[2:4, :2] = 50
    classes = LandCover(
        path="x",
        legend="own",
        legends={"own": {"water": (80,), "built_up": (50,), "forest": (10,)}},
    )
    flags = land_cover_flags(
        land_cover_codes(write(tmp_path / "codes.tif", codes, fine), box), classes
    )
    assert flags[0, 0] == Flag.WATER
    assert flags[1, 0] == Flag.BUILT_UP
    assert (flags[2:, :] == 0).all()


def test_a_window_of_the_map_is_the_maps_own(tmp_path: Path, box: GeoBox) -> None:
    """In another projection and finer: what a block reads is what the whole area would."""
    wide = GeoBox.from_bbox(
        box.pad(20).extent.to_crs("EPSG:4326").boundingbox, "EPSG:4326", resolution=0.0001
    )
    path = write(
        tmp_path / "codes.tif",
        np.random.default_rng(0).choice([10, 30, 40, 80], tuple(wide.shape)),
        wide,
    )
    whole = land_cover_codes(path, box)
    for window in ((slice(0, 5), slice(0, 7)), (slice(4, 12), slice(9, 16))):
        np.testing.assert_array_equal(land_cover_codes(path, box[window]), whole[window])


def test_beyond_the_map_nothing_is_flagged(tmp_path: Path, box: GeoBox) -> None:
    path = write(tmp_path / "codes.tif", np.full((4, 4), 80), box[:4, :4])
    codes = land_cover_codes(path, box)
    assert (codes[:4, :4] == 80).all()
    assert np.isnan(codes[4:]).all()
    assert np.isnan(land_cover_codes(path, box[8:, 8:])).all()


def test_low_sensitivity_is_too_little_or_too_uncertain_or_no_more_than_noise() -> None:
    s, u = np.array([1.4, 3.0, 3.0, 1.7, np.nan]), np.array([0.1, 0.1, 1.2, 0.25, 0.1])
    assert (sensitivity_flags(s, u, 0.0, 1.5) > 0).tolist() == [True, False, True, False, True]
    assert (sensitivity_flags(s, u, 1.3, 1.5) > 0).tolist() == [True, False, True, True, True]


def test_angles_outside_the_range_are_flagged() -> None:
    flags = incidence_flags(np.array([10.0, 20.0, 45.0, 50.0, np.nan]), (20, 45))
    assert [bool(flag) for flag in flags] == [True, False, False, True, False]
