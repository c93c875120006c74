"""Sections of the configuration that tests of sources change a key of."""

import pytest

from loam.config.base import Period
from loam.config.sources import Ndvi, Soil, Weather

STATIONS = {"power": 2, "radius_km": 100, "min_stations": 3, "cell_m": 2000, "lapse_k_per_km": None}


@pytest.fixture
def period() -> Period:
    return Period(start="2020-01-01", end="2021-12-31")


@pytest.fixture
def weather_source():
    def make(stations: dict | None = None, **changes) -> Weather:
        plain = {
            "kind": "netcdf",
            "path": None,
            "variables": {},
            "stamp": "start",
            "day_ends_utc_h": 24,
        }
        return Weather(**(plain | changes), stations=STATIONS | (stations or {}))

    return make


@pytest.fixture
def soil_source():
    return lambda **changes: Soil(
        **(
            {
                "kind": "ssurgo",
                "path": "x",
                "variables": (),
                "depth_cm": 5,
                "texture_codes": "soilgrids",
            }
            | changes
        )
    )


@pytest.fixture
def ndvi_source():
    return lambda **changes: Ndvi(
        **(
            {
                "kind": "mod13q1",
                "path": "x",
                "variable": "ndvi",
                "composite_days": 16,
                "resolution_m": 100,
            }
            | changes
        )
    )
