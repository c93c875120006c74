"""Settings of the sources: where the data come from and in which form."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Code, Count, Name, Paths, Section


class Backscatter(Section):
    """Analysis-ready Sentinel-1 backscatter."""

    kind: Literal["scenes", "cube"]
    path: str | None
    polarisations: tuple[Literal["vv", "vh"], ...] = Field(min_length=1)
    orbits: str | None
    coefficient: Literal["gamma0", "sigma0"]
    units: Literal["dB", "power", "dn"] | None

    @property
    def cube(self) -> str | None:
        """The cube's path, None where scenes are the source."""
        return self.path if self.kind == "cube" else None


class Stations(Section):
    """Weather stations, brought onto a coarse grid by inverse-distance weighting."""

    power: float = Field(gt=0, le=10)
    radius_km: float = Field(gt=0, le=20040)
    min_stations: Count
    cell_m: float = Field(ge=1, le=1e6)
    lapse_k_per_km: float | None = Field(ge=-10, le=15)


class Weather(Section):
    """Daily weather on its own grid."""

    kind: Literal[
        "netcdf", "gridmet", "daymet", "prism", "era5_land", "agera5", "nws_qpe", "stations"
    ]
    path: Paths
    variables: dict[str, str]
    stamp: Literal["start", "end", "own_day"]
    day_ends_utc_h: float = Field(gt=0, le=24)
    stations: Stations


class Ndvi(Section):
    """Vegetation index composites or scenes."""

    kind: Literal["netcdf", "mod13q1", "sentinel2"]
    path: Paths
    variable: str
    composite_days: int = Field(ge=1, le=31)
    resolution_m: float = Field(ge=1, le=1e5)


class Dem(Section):
    """Digital elevation model."""

    path: Paths
    geoid: Annotated[float, Field(ge=-200, le=200)] | str | None

    @field_validator("geoid", mode="before")
    @classmethod
    def _a_number_is_no_path(cls, value: Any) -> Any:
        """Take a number for one that comes as text, as what is nested in Snakemake's `--config` does."""
        try:
            return (
                float(re.sub(r"^([-+]?)\.(?=nan|inf)", r"\1", value.lower()))
                if isinstance(value, str)
                else value
            )
        except ValueError:
            return value

    @property
    def geoid_path(self) -> str | None:
        """The raster of the geoid, if `geoid` names one."""
        return self.geoid if isinstance(self.geoid, str) and self.geoid != "ellipsoid" else None


class Legend(Section):
    """Codes of a land-cover map that change detection needs to know."""

    water: tuple[Code, ...] = Field(description="codes of open water")
    built_up: tuple[Code, ...] = Field(description="codes of built-up land")
    forest: tuple[Code, ...] = Field(description="codes of dense forest")


class LandCover(Section):
    """Land-cover classes, to flag what backscatter cannot see moisture in."""

    path: Paths
    legend: Name
    legends: dict[Name, Legend]

    @model_validator(mode="after")
    def _legend_is_known(self) -> Self:
        if self.legend not in self.legends:
            msg = f"legend '{self.legend}' is none of legends; name one of {', '.join(sorted(self.legends))}, or add it there"
            raise ValueError(msg)
        return self

    @property
    def codes(self) -> Legend:
        """Codes of the legend that is chosen."""
        return self.legends[self.legend]


class Soil(Section):
    """Soil properties."""

    kind: Literal["netcdf", "ssurgo", "polaris", "soilgrids", "texture_class"]
    path: Paths
    variables: tuple[str, ...]
    depth_cm: float = Field(gt=0, le=200)
    texture_codes: Name


class Sources(Section):
    """Where the data come from. A source that is null, or whose path is null, is not used."""

    backscatter: Backscatter
    weather: Weather
    dem: Dem
    ndvi: Ndvi | None
    landcover: LandCover | None
    soil: Soil | None

    def uses(self, name: str) -> bool:
        """Whether a source is named, whatever lies on the disk."""
        source = getattr(self, name)
        return source is not None and source.path is not None
