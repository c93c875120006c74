"""Settings of the sources: where the data come from and in which form."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Code, Count, Name, Paths, Section
from loam.core.paths import matching


class Backscatter(Section):
    """Analysis-ready Sentinel-1 backscatter."""

    kind: Literal["scenes", "cube"] = Field(
        description="'scenes': Sentinel-1 IW GRD products; 'cube': one CF NetCDF or Zarr with vv, vh (time, y, x)"
    )
    path: str | None = Field(
        description="folder with SAFE folders or zips, at any depth; or the cube, a file or Zarr folder"
    )
    polarisations: tuple[Literal["vv", "vh"], ...] = Field(
        min_length=1, description="that every scene must have"
    )
    orbits: str | None = Field(
        description="folder with precise or restituted orbit files (.EOF, zipped or not); null: the annotations' orbits"
    )
    coefficient: Literal["gamma0", "sigma0"] = Field(
        description="which backscatter coefficient a cube holds"
    )
    units: Literal["dB", "power", "dn"] | None = Field(
        description="of a cube's values: dB, power (linear), dn (digital numbers: dB = 20 log10(DN) - 83); null: as the file says"
    )

    @property
    def cube(self) -> str | None:
        """The cube's path, None where scenes are the source."""
        return self.path if self.kind == "cube" else None


class Stations(Section):
    """Weather stations, brought onto a coarse grid by inverse-distance weighting."""

    power: float = Field(
        gt=0, le=10, description="power of the distance that divides a station's weight [1]"
    )
    radius_km: float = Field(gt=0, le=20040, description="stations further away do not count [km]")
    min_stations: Count = Field(description="fewest stations with a value on a day, for every cell")
    cell_m: float = Field(
        ge=1, le=1e6, description="cell of the grid that the stations are brought onto [m]"
    )
    lapse_k_per_km: float | None = Field(
        ge=-10,
        le=15,
        description="fall of temperature with height, taken out before and put back after [K/km]; null: not corrected",
    )


class Weather(Section):
    """Daily weather on its own grid."""

    kind: Literal[
        "netcdf", "gridmet", "daymet", "prism", "era5_land", "agera5", "nws_qpe", "stations"
    ] = Field(
        description="'netcdf': CF variables, found by standard name or by the mapping; else whose conventions the files follow"
    )
    path: Paths = Field(description="file, folder, glob, or a list of files")
    variables: dict[str, str] = Field(
        description="Loam's name: the file's name, for variables that are not found by themselves"
    )
    stamp: Literal["start", "end", "own_day"] = Field(
        description="whether a value's time is the start or the end of what it covers, for kinds netcdf and stations; 'own_day': daily "
        "totals are those of their stamp's day, also of kind era5_land, which are otherwise those of the day before"
    )
    day_ends_utc_h: float = Field(
        gt=0,
        le=24,
        description="hour at which a day's totals end, where the source is sub-daily [h, UTC]",
    )
    stations: Stations


class Ndvi(Section):
    """Vegetation index composites or scenes."""

    kind: Literal["netcdf", "mod13q1", "sentinel2"] = Field(
        description="'netcdf': a cube, clouds NaN; 'mod13q1': MODIS composites; 'sentinel2': bands and scene classification of level 2A"
    )
    path: Paths = Field(
        description="file, folder, glob, or a list of files; null when there is none"
    )
    variable: str = Field(description="name of the NDVI variable in a NetCDF file")
    composite_days: int = Field(
        ge=1, le=31, description="how long after its date a MODIS composite's looks may reach [day]"
    )
    resolution_m: float = Field(
        ge=1, le=1e5, description="Sentinel-2 is averaged to pixels of this size [m]"
    )


class Dem(Section):
    """Digital elevation model."""

    path: Paths = Field(
        description="raster of heights [m]; or a glob or list of tiles, which are joined"
    )
    geoid: Annotated[float, Field(ge=-200, le=200)] | str | None = Field(
        description="what its heights stand on: 'ellipsoid' (WGS 84), the geoid's height above it [m], or a raster of that; "
        "null: not known, which only cubes can do without"
    )

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

    path: Paths = Field(
        description="raster of class codes, or a list of tiles, or a glob; null when there is none"
    )
    legend: Name = Field(description="which of the legends the codes follow")
    legends: dict[Name, Legend] = Field(
        description="name: codes; a map of one's own gets a legend of its own"
    )

    @model_validator(mode="after")
    def _legend_is_known(self) -> Self:
        if self.legend not in self.legends:
            msg = f"legend '{self.legend}' is none of legends; name one of {', '.join(sorted(self.legends))}, or add it there"
            raise ValueError(msg)
        return self

    @property
    def water(self) -> tuple[int, ...]:
        """Codes of open water."""
        return self.legends[self.legend].water

    @property
    def built_up(self) -> tuple[int, ...]:
        """Codes of built-up land."""
        return self.legends[self.legend].built_up

    @property
    def forest(self) -> tuple[int, ...]:
        """Codes of dense forest."""
        return self.legends[self.legend].forest


class Soil(Section):
    """Soil properties."""

    kind: Literal["netcdf", "ssurgo", "polaris", "soilgrids", "texture_class"] = Field(
        description="'netcdf': a variable per property; else whose files they are; 'texture_class': raster of USDA classes"
    )
    path: Paths = Field(
        description="file, folder, glob, or a list of files; null when there is none"
    )
    variables: tuple[str, ...] = Field(
        description="properties to use; empty: all two-dimensional ones"
    )
    depth_cm: float = Field(
        gt=0, le=200, description="topsoil over which layers and horizons are averaged [cm]"
    )
    texture_codes: Name = Field(
        description="whose codes a texture map has: a column code_… of resources/soil_texture.csv"
    )


class Sources(Section):
    """Where the data come from. A source that is null, or whose path is null, is not used."""

    backscatter: Backscatter
    weather: Weather
    dem: Dem
    ndvi: Ndvi | None
    landcover: LandCover | None
    soil: Soil | None

    def path(self, name: str) -> str | None:
        """Path of a source, the first of several, or None when it is not used."""
        return next(iter(self.files(name)), None)

    def imported(self, name: str) -> bool:
        """Whether files of a source follow a provider's conventions, so that they must be imported first."""
        source = getattr(self, name)
        return source is not None and source.path is not None and source.kind != "netcdf"

    def files(self, name: str) -> list[str]:
        """Paths of a source, globs filled in where files match them; empty when it is not used."""
        source = getattr(self, name)
        named = (
            []
            if source is None or source.path is None
            else [source.path]
            if isinstance(source.path, str)
            else source.path
        )
        return [path for each in named for path in matching(each)]
