"""Settings of the covariates."""

from typing import Literal

from pydantic import Field

from loam.config.base import Section, Share


class Static(Section):
    """Terrain and soil on the grid."""

    curvature: bool = Field(description="add the curvature of the ground")
    wetness_index: bool = Field(description="add the topographic wetness index")
    max_void_share: Share = Field(
        description="largest share of the area without a height that is filled from around it [1]"
    )


class WeatherCovariates(Section):
    """Daily weather with reference evapotranspiration."""

    wind_height_m: float = Field(
        ge=0.1, le=1000, description="height of the source's wind; reduced to 2 m [m]"
    )
    missing_wind_m_s: float | None = Field(
        ge=0.5,
        le=10,
        description="wind at 2 m where the source has none [m/s]; null: it must have one",
    )
    evapotranspiration: Literal["computed", "source"] = Field(
        description="'computed': FAO-56 reference ET from what the source has; 'source': the source's own"
    )


class NdviCovariates(Section):
    """NDVI, carried forward from the last clear look."""

    max_age_days: int = Field(
        ge=1, le=3660, description="age at which the last clear look no longer counts [day]"
    )


class Covariates(Section):
    """Room `covariates`."""

    static: Static
    weather: WeatherCovariates
    ndvi: NdviCovariates
