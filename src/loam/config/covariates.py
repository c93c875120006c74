"""Settings of the covariates."""

from typing import Literal

from pydantic import Field

from loam.config.base import Section, Share


class Static(Section):
    """Terrain and soil on the grid."""

    curvature: bool
    wetness_index: bool
    max_void_share: Share


class WeatherCovariates(Section):
    """Daily weather with reference evapotranspiration."""

    wind_height_m: float = Field(ge=0.1, le=1000)
    missing_wind_m_s: float | None = Field(ge=0.5, le=10)
    evapotranspiration: Literal["computed", "source"]


class NdviCovariates(Section):
    """NDVI, carried forward from the last clear look."""

    max_age_days: int = Field(ge=1, le=3660)


class Covariates(Section):
    """Room `covariates`."""

    static: Static
    weather: WeatherCovariates
    ndvi: NdviCovariates
