"""Cubes as services deliver them, unchanged: openEO's digital numbers, whose fill and encoding the file does not tell."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from loam.config.base import Period
from loam.core.errors import LoamError
from loam.sources.cube import linear_power, open_cube

PERIOD = Period(start="2023-04-01", end="2023-04-30")


@pytest.fixture
def openeo(real_data: Path) -> Path:
    path = real_data / "openeo_s1_ten_dates/cdse_sentinel1_grd.nc"
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_openeo_without_tracks_is_refused_with_what_it_lacks(openeo: Path) -> None:
    with pytest.raises(LoamError, match="variable track is missing"):
        open_cube(openeo, PERIOD, "dn")


def test_openeos_digital_numbers_are_backscatter_and_its_fill_is_none(
    openeo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "with_track.nc"
    raw = xr.open_dataset(openeo).load().drop_encoding()
    raw.assign_coords(track=("t", [str(day)[:10] for day in raw["t"].values])).to_netcdf(path)
    data = open_cube(path, PERIOD, "dn")
    for name, usual_db in (("vv", -11), ("vh", -18)):
        decibel = 10 * np.log10(linear_power(data[name], path).values)
        digits = raw[f"S1-SIGMA0-{name.upper()}"].values
        assert (np.isnan(decibel) == ((digits == 65534) | (digits == 0))).all()
        assert np.isnan(decibel).any()
        assert abs(np.nanmedian(decibel) - usual_db) < 4
    with pytest.raises(
        LoamError,
        match=r"vv reaches from .* with units '1'; correct its units, or declare its nodata value",
    ):
        linear_power(open_cube(path, PERIOD)["vv"], path)
