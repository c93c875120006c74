"""Files of providers as they are delivered."""

from pathlib import Path

import pytest
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.core.networks import read_ismn_file
from loam.evaluation.stations import read_stations
from loam.sources.weather import read_weather

STATIONS = {"power": 2, "radius_km": 100, "min_stations": 1, "cell_m": 2000, "lapse_k_per_km": None}


@pytest.fixture(scope="session")
def providers(real_data: Path) -> Path:
    if not (real_data / "providers").exists():
        pytest.skip(f"no files of providers in {real_data}")
    return real_data / "providers"


def source(kind: str) -> Weather:
    return Weather(
        kind=kind, path=None, variables={}, stamp="start", day_ends_utc_h=24, stations=STATIONS
    )


def test_eobs_has_an_axis_of_one_member(providers: Path) -> None:
    (path,) = (providers / "eobs_2018").glob("qq_*.nc")
    box = GeoBox.from_bbox((575000, 5546000, 583000, 5554000), "EPSG:32632", resolution=20)
    got = read_weather(
        [path], source("netcdf"), box, None, Period(start="2018-06-01", end="2018-06-30")
    )
    assert got["solar_radiation"].sizes["time"] == 3
    assert 5 < float(got["solar_radiation"].mean()) < 35


def test_prism_is_read_from_the_zip_that_it_comes_in(providers: Path) -> None:
    path = providers / "prism_bil/PRISM_ppt_stable_4kmD2_20110101_bil.zip"
    box = GeoBox.from_bbox((240000, 4426000, 248000, 4434000), "EPSG:32611", resolution=20)
    got = read_weather(
        [path], source("prism"), box, None, Period(start="2011-01-01", end="2011-12-31")
    )
    assert (
        str(got["time"].values[0])[:10] == "2011-01-01"
        and 0 <= float(got["precipitation"].max()) < 50
    )


def test_older_downloads_of_the_ismn_have_no_flag_but_unknown(providers: Path) -> None:
    path = providers / "ismn_multinetwork/Data_header_values.zip"
    with pytest.raises(
        LoamError, match=r"no value has one of evaluation.stations.good_flags = \[G\]; it has U"
    ):
        read_stations("ismn", path, 0.1, ("G",))
    assert len(read_stations("ismn", path, 0.1, ("U",))) == 8


def test_both_forms_of_the_ismn_tell_the_same(providers: Path) -> None:
    ceop, header = (
        read_ismn_file(next((providers / "ismn_smosmania" / form).rglob("*.stm")))
        for form in ("ceop", "header")
    )
    assert (ceop.station, ceop.latitude, ceop.longitude, ceop.elevation_m) == (
        header.station,
        header.latitude,
        header.longitude,
        112,
    )
    assert (
        list(ceop.time) == list(header.time)
        and list(ceop.value) == list(header.value)
        and list(ceop.flag) == list(header.flag)
    )
