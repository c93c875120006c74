"""What a configuration may say: type, bounds, unit and meaning of every key. The values are in `config/default.yaml`."""

import glob
import os
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from loam.errors import LoamError
from loam.faults import explained, shown
from loam.paths import blocked, folder_for_a_file, is_glob, matching, unreadable
from loam.yaml_file import require_bounded

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Angle = Annotated[float, Field(ge=0, le=90)]
Stride = Literal[1, 2, 4, 8]
Architecture = Literal["convlstm", "reservoirs", "unet"]
Count = Annotated[int, Field(ge=1, le=10**6)]
Many = Annotated[int, Field(ge=1, le=10**9)]  # of samples
Seed = Annotated[int, Field(ge=0, le=2**31)]
Code = Annotated[int, Field(ge=-(2**31), lt=2**31)]  # of a class of a map
Coordinate = Annotated[float, Field(ge=-1e9, le=1e9)]
Paths = str | tuple[str, ...] | None
LAYER = "|layername="  # between a file and one of its layers, as QGIS writes it
FILES = {"grid.aoi", "sources.dem.path", "sources.dem.geoid", "sources.landcover.path"}  # keys that name no folder
MOST_PIXELS = 10**9  # of a grid: 632 km x 632 km in pixels of 20 m


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _yes_is_no_number(cls, values: Any) -> Any:
        """Refuse `members: yes`, which YAML reads as true and Python counts as 1."""
        for name, field in cls.model_fields.items() if isinstance(values, Mapping) else ():
            value = values.get(name)
            if "bool" not in str(field.annotation) and any(
                isinstance(each, bool) for each in (value if isinstance(value, list) else [value])
            ):
                msg = f"{name} = {str(value).lower()}: is yes or no, as YAML reads yes, no, on and off; give a value, a word in quotes"
                raise ValueError(msg)
        return values


def _written_as_day(value: Any) -> Any:
    """Refuse `20210101`, which would count as seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)):
        return value
    msg = f"{shown(value)} is no day; write it as 2021-12-31"
    raise ValueError(msg)


# ASSUME: no source has days outside; times of nanoseconds end in 1677 and 2262.
Day = Annotated[date, BeforeValidator(_written_as_day), Field(ge=date(1950, 1, 1), le=date(2100, 12, 31))]


class Period(Section):
    """The days that are mapped and learnt from, both ends included."""

    start: Day = Field(description="first day [UTC date]")
    end: Day = Field(description="last day [UTC date]")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            msg = f"end {self.end} must be later than start {self.start}"
            raise ValueError(msg)
        return self


class Grid(Section):
    """The target grid, on which everything meets."""

    aoi: str | tuple[Coordinate, Coordinate, Coordinate, Coordinate] = Field(
        description="a polygon file (file|layername=name where it has several layers), [west, south, east, north] [m, in crs], "
        "or 'source' (the extent of a backscatter cube)"
    )
    crs: str = Field(
        pattern=r"^(source|utm|EPSG:\d+)$", description="'utm' (the AOI's zone), EPSG:code, or 'source' (as a backscatter cube)"
    )
    resolution_m: float = Field(ge=1, le=1000, description="pixel size [m]")

    @property
    def aoi_path(self) -> Path | None:
        """The polygon file, if `aoi` names one, without the layer that may stand behind it."""
        return Path(self.aoi.partition(LAYER)[0]) if isinstance(self.aoi, str) and self.aoi != "source" else None

    @property
    def aoi_layer(self) -> str | None:
        """The layer of the polygon file, if `aoi` names one as QGIS does: `area.gpkg|layername=catchment`."""
        return self.aoi.partition(LAYER)[2] or None if isinstance(self.aoi, str) else None

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if isinstance(self.aoi, str):
            return self
        west, south, east, north = self.aoi
        if (pixels := (east - west) * (north - south) / self.resolution_m**2) > MOST_PIXELS:
            msg = (
                f"aoi {list(self.aoi)} is {pixels:.3g} pixels of resolution_m = {self.resolution_m:g}, too large for one grid of at most "
                f"{MOST_PIXELS:.0e}; make the area smaller, or the pixels larger"
            )
            raise ValueError(msg)
        if not (west < east and south < north):
            msg = f"aoi {list(self.aoi)} must be [west, south, east, north] with west < east and south < north"
            raise ValueError(msg)
        if self.crs == "utm":
            msg = "crs 'utm' needs an aoi in a polygon file; bounds are given in crs, so name it as EPSG:code"
            raise ValueError(msg)
        return self


class Twin(Section):
    """The synthetic catchment whose truth is known. Used where a source names a file in `<resources>/twin`."""

    seed: Seed = Field(description="seed of every random field and series")
    relief_m: float = Field(gt=0, le=3000, description="height between lowest and highest point [m]")
    repeat_days: int = Field(ge=1, le=48, description="days between two passes of one track [day]")
    looks: float = Field(ge=1, le=1000, description="equivalent number of looks of the simulated speckle [1]")
    platform_offset_db: float = Field(ge=-3, le=3, description="backscatter of the second platform minus the first [dB]")
    spin_up_days: int = Field(ge=0, le=3660, description="days the water balance runs before the first one kept [day]")


class Backscatter(Section):
    """Analysis-ready Sentinel-1 backscatter."""

    kind: Literal["scenes", "cube"] = Field(
        description="'scenes': Sentinel-1 IW GRD products; 'cube': one CF NetCDF or Zarr with vv, vh (time, y, x)"
    )
    path: str | None = Field(description="folder with SAFE folders or zips, at any depth; or the cube, a file or Zarr folder")
    polarisations: tuple[Literal["vv", "vh"], ...] = Field(min_length=1, description="that every scene must have")
    orbits: str | None = Field(
        description="folder with precise or restituted orbit files (.EOF, zipped or not); null: the annotations' orbits"
    )
    coefficient: Literal["gamma0", "sigma0"] = Field(description="which backscatter coefficient a cube holds")
    units: Literal["dB", "power", "dn"] | None = Field(
        description="of a cube's values: dB, power (linear), dn (digital numbers: dB = 20 log10(DN) - 83); null: as the file says"
    )

    @property
    def cube(self) -> str | None:
        """The cube's path, None where scenes are the source."""
        return self.path if self.kind == "cube" else None


class Stations(Section):
    """Weather stations, brought onto a coarse grid by inverse-distance weighting."""

    power: float = Field(gt=0, le=10, description="power of the distance that divides a station's weight [1]")
    radius_km: float = Field(gt=0, le=20040, description="stations further away do not count [km]")
    min_stations: Count = Field(description="fewest stations with a value on a day, for every cell")
    cell_m: float = Field(ge=1, le=1e6, description="cell of the grid that the stations are brought onto [m]")
    lapse_k_per_km: float | None = Field(
        ge=-10, le=15, description="fall of temperature with height, taken out before and put back after [K/km]; null: not corrected"
    )


class Weather(Section):
    """Daily weather on its own grid."""

    kind: Literal["netcdf", "gridmet", "daymet", "prism", "era5_land", "agera5", "nws_qpe", "stations"] = Field(
        description="'netcdf': CF variables, found by standard name or by the mapping; else whose conventions the files follow"
    )
    path: Paths = Field(description="file, folder, glob, or a list of files")
    variables: dict[str, str] = Field(description="Loam's name: the file's name, for variables that are not found by themselves")
    stamp: Literal["start", "end", "own_day"] = Field(
        description="whether a value's time is the start or the end of what it covers, for kinds netcdf and stations; 'own_day': daily "
        "totals are those of their stamp's day, also of kind era5_land, which are otherwise those of the day before"
    )
    day_ends_utc_h: float = Field(gt=0, le=24, description="hour at which a day's totals end, where the source is sub-daily [h, UTC]")
    stations: Stations


class Ndvi(Section):
    """Vegetation index composites or scenes."""

    kind: Literal["netcdf", "mod13q1", "sentinel2"] = Field(
        description="'netcdf': a cube, clouds NaN; 'mod13q1': MODIS composites; 'sentinel2': bands and scene classification of level 2A"
    )
    path: Paths = Field(description="file, folder, glob, or a list of files; null when there is none")
    variable: str = Field(description="name of the NDVI variable in a NetCDF file")
    composite_days: int = Field(ge=1, le=31, description="how long after its date a MODIS composite's looks may reach [day]")
    resolution_m: float = Field(ge=1, le=1e5, description="Sentinel-2 is averaged to pixels of this size [m]")


class Dem(Section):
    """Digital elevation model."""

    path: Paths = Field(description="raster of heights [m]; or a glob or list of tiles, which are joined")
    geoid: Annotated[float, Field(ge=-200, le=200)] | str | None = Field(
        description="what its heights stand on: 'ellipsoid' (WGS 84), the geoid's height above it [m], or a raster of that; "
        "null: not known, which only cubes can do without"
    )

    @field_validator("geoid", mode="before")
    @classmethod
    def _a_number_is_no_path(cls, value: Any) -> Any:
        """Take a number for one that comes as text, as what is nested in Snakemake's `--config` does."""
        try:
            return float(re.sub(r"^([-+]?)\.(?=nan|inf)", r"\1", value.lower())) if isinstance(value, str) else value
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

    path: Paths = Field(description="raster of class codes, or a list of tiles, or a glob; null when there is none")
    legend: Name = Field(description="which of the legends the codes follow")
    legends: dict[Name, Legend] = Field(description="name: codes; a map of one's own gets a legend of its own")

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
    path: Paths = Field(description="file, folder, glob, or a list of files; null when there is none")
    variables: tuple[str, ...] = Field(description="properties to use; empty: all two-dimensional ones")
    depth_cm: float = Field(gt=0, le=200, description="topsoil over which layers and horizons are averaged [cm]")
    texture_codes: Name = Field(description="whose codes a texture map has: a column code_… of resources/soil_texture.csv")


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
        named = [] if source is None or source.path is None else [source.path] if isinstance(source.path, str) else source.path
        return [path for each in named for path in matching(each)]


class Scenes(Section):
    """Which scenes are worth processing."""

    min_cover: Share = Field(description="smallest share of the area that a pass must see [1]")


class Heights(Section):
    """Terrain as flattening needs it."""

    facet_m: float = Field(ge=1, le=10, description="largest edge of a facet of terrain; the image's pixel is 10 m [m]")
    margin_m: float = Field(ge=100, le=20000, description="terrain beyond the area that can lay over or shade it [m]")


class Flatten(Section):
    """From digital numbers to gamma nought on the grid."""

    thermal_noise: bool = Field(description="take thermal noise away")
    border_noise: bool = Field(description="leave out image borders without signal")
    block_px: int = Field(ge=64, le=8192, description="edge of the blocks worked on at once; memory grows with its square [pixel]")


Resampling = Literal[
    "NEAREST_NEIGHBOUR", "BILINEAR_INTERPOLATION", "CUBIC_CONVOLUTION", "BISINC_5_POINT_INTERPOLATION",
    "BISINC_11_POINT_INTERPOLATION", "BISINC_21_POINT_INTERPOLATION", "BICUBIC_INTERPOLATION",
]  # fmt: skip


class Snap(Section):
    """SNAP's graph processing tool, for backend snap."""

    gpt: str | None = Field(description="SNAP's program gpt; null: found on PATH")
    memory_mb: int = Field(ge=2048, le=10**7, description="Java heap of gpt [MB]")
    cache_mb: int = Field(ge=256, le=10**7, description="tile cache of gpt, part of the heap [MB]")
    operators_per_call: Count = Field(
        description="operators that one call of gpt runs; between calls the image goes to disk, within one it stays in memory"
    )
    dem_resampling: Resampling = Field(description="interpolation in the DEM, by SNAP's name")
    image_resampling: Resampling = Field(description="interpolation in the radar image, by SNAP's name")

    @model_validator(mode="after")
    def _cache_fits_the_heap(self) -> Self:
        if self.cache_mb >= self.memory_mb:
            msg = f"cache_mb {self.cache_mb} must be below memory_mb {self.memory_mb}, of which it is part"
            raise ValueError(msg)
        return self


class Speckle(Section):
    """Multitemporal speckle filter (Quegan & Yu 2001), per track."""

    images: Literal["none", "causal", "split"] = Field(
        description="'none': no filter; 'causal': each date with those before it; 'split': with the dates of its own part of the splits"
    )
    window_px: int = Field(ge=3, le=31, description="edge of the spatial mean, odd [pixel]")

    @field_validator("window_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            msg = f"{value} is even; a window has a middle pixel: {value - 1} or {value + 1}"
            raise ValueError(msg)
        return value


class Sar(Section):
    """Room `sar`."""

    backend: Literal["loam", "snap"] = Field(description="'loam': needs nothing else; 'snap': ESA's SNAP through pyroSAR")
    scenes: Scenes
    heights: Heights
    flatten: Flatten
    speckle: Speckle
    snap: Snap


class Signal(Section):
    """What both fitting references and detecting change see of the radar."""

    polarisation: Literal["vv", "vh"] = Field(description="which channel is scaled")
    label_support_m: float = Field(gt=0, le=1e4, description="footprint over which power is averaged before dB [m]")
    looks: float = Field(gt=0, le=1000, description="equivalent number of looks of one pixel of the stack [1]")
    speckle_cell_m: float = Field(gt=0, le=1e4, description="edge of the area that has these looks; finer pixels share their speckle [m]")
    calibration_error_db: float = Field(ge=0, le=100, description="1 sigma of the calibration between dates [dB]")
    surface_error_db: Annotated[float, Field(ge=0, le=100)] | None = Field(
        description="1 sigma of roughness and plants that no model removes, between dates [dB]; null: estimated by pixel"
    )
    normalisation: Literal["track", "beta"] = Field(
        description="'track': references per track at its own angle; 'beta': all tracks at 40 degrees by the fitted slope"
    )
    frozen_below_degc: float = Field(ge=-20, le=20, description="daily mean of soil or air temperature at which the ground freezes [degC]")
    thaw_degree_days: float = Field(ge=0, le=50, description="most warmth that frozen ground needs to thaw; 0: it thaws at once [K day]")
    snow_drop_db: float = Field(gt=0, le=100, description="VH this far below its snow-free mean is wet snow [dB]")
    standing_water_db: float = Field(gt=0, le=100, description="this far below the dry reference water stands on the ground [dB]")
    snow_memory_days: int = Field(ge=0, le=365, description="days after frost in which snow may lie; 0: never [day]")


class References(Section):
    """Dry and wet references, and the angular slope."""

    dry_percentile: float = Field(gt=0, lt=50, description="percentile over dates that marks dry [%]")
    wet_percentile: float = Field(gt=50, lt=100, description="percentile over dates that marks wet [%]")
    min_dates: int = Field(ge=5, le=10**5, description="fewest training dates of a pixel and track")
    platform_sigmas: float = Field(gt=0, le=1000, description="standard errors from which an offset between platforms is removed [1]")
    beta_season: Literal["annual", "monthly"] = Field(description="one slope for the year, or one for every month")
    beta_max_relative_error: float = Field(gt=0, lt=1, description="largest relative standard error of an accepted beta [1]")
    beta_fallback: Literal["track", "landcover"] = Field(
        description="without an accepted beta: 'track': references per track; 'landcover': the slope given for its class"
    )
    beta_by_landcover: dict[Code, Annotated[float, Field(ge=-1, le=1)]] = Field(description="code of sources.landcover: slope [dB/degree]")
    beta_elsewhere: float = Field(ge=-1, le=1, description="slope of all other classes [dB/degree]")
    beta_given_error: float = Field(ge=0, le=10, description="1 sigma of these slopes [dB/degree]")


class Vegetation(Section):
    """What is done about plants between the radar and the soil."""

    mode: Literal["none", "flag", "cross_ratio", "ndvi", "water_cloud"] = Field(
        description="'none'; 'flag' by NDVI; 'cross_ratio', 'ndvi': regressed out per pixel; 'water_cloud': model of Attema & Ulaby"
    )
    dense_ndvi: float = Field(gt=0, le=1, description="NDVI above which mode 'flag' flags [1]")
    canopy_a: float = Field(ge=0, le=100, description="Water Cloud A, scattering of the canopy per NDVI [linear power]")
    canopy_b: float = Field(ge=0, le=100, description="Water Cloud B, attenuation per NDVI [1]")


class Change(Section):
    """Change detection: from backscatter to soil moisture between its dry and wet references."""

    min_sensitivity_db: float = Field(gt=0, le=100, description="smallest wet minus dry that is not flagged [dB]")
    incidence_range_deg: tuple[Angle, Angle] = Field(description="local incidence angles that are not flagged [degree]")

    @field_validator("incidence_range_deg")
    @classmethod
    def _low_before_high(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 90:
            msg = f"{list(value)} must be [lowest, highest] between 0 and 90"
            raise ValueError(msg)
        return value


class Derived(Section):
    """Products made from the labels on request."""

    volumetric: bool = Field(description="write volumetric moisture, which needs sources.soil")
    soil_water_index_days: tuple[Annotated[float, Field(gt=0, le=365)], ...] = Field(
        description="characteristic times of the soil water index; empty: none is written [day]"
    )


class Compute(Section):
    """Where blocks of an area are computed, and how much memory they may take."""

    scheduler: Literal["threads", "distributed", "slurm"] = Field(
        description="'threads' of this machine; 'distributed': a running dask cluster; 'slurm': workers that dask-jobqueue submits"
    )
    memory_mb: int = Field(ge=500, le=10**7, description="most memory of a step, or of each worker of a cluster [MB]")
    address: str | None = Field(description="of the scheduler of a running dask cluster, as tcp://host:8786")
    workers: Count = Field(description="Slurm jobs to submit, each with one thread")
    partition: str | None = Field(description="Slurm partition; null: the site's default")
    account: str | None = Field(description="Slurm account; null: the user's default")
    walltime: str = Field(pattern=r"^(\d+-)?\d+:\d{2}:\d{2}$", description="longest time of a Slurm job [[days-]hours:minutes:seconds]")

    @model_validator(mode="after")
    def _address_where_needed(self) -> Self:
        if self.scheduler == "distributed" and self.address is None:
            msg = "address is null; scheduler 'distributed' needs that of a running dask scheduler, as tcp://host:8786"
            raise ValueError(msg)
        return self


class Moisture(Section):
    """Room `moisture`."""

    signal: Signal
    references: References
    vegetation: Vegetation
    change: Change
    derived: Derived
    compute: Compute


class Static(Section):
    """Terrain and soil on the grid."""

    curvature: bool = Field(description="add the curvature of the ground")
    wetness_index: bool = Field(description="add the topographic wetness index")
    max_void_share: Share = Field(description="largest share of the area without a height that is filled from around it [1]")


class WeatherCovariates(Section):
    """Daily weather with reference evapotranspiration."""

    wind_height_m: float = Field(ge=0.1, le=1000, description="height of the source's wind; reduced to 2 m [m]")
    missing_wind_m_s: float | None = Field(ge=0.5, le=10, description="wind at 2 m where the source has none [m/s]; null: it must have one")
    evapotranspiration: Literal["computed", "source"] = Field(
        description="'computed': FAO-56 reference ET from what the source has; 'source': the source's own"
    )


class NdviCovariates(Section):
    """NDVI, carried forward from the last clear look."""

    max_age_days: int = Field(ge=1, le=3660, description="age at which the last clear look no longer counts [day]")


class Covariates(Section):
    """Room `covariates`."""

    static: Static
    weather: WeatherCovariates
    ndvi: NdviCovariates


class Splits(Section):
    """Which dates and blocks train, validate, calibrate and test."""

    train_share: Share = Field(description="share of the acquisitions, the earliest, that train [1]")
    validate_share: Share = Field(description="share of the acquisitions after these that validate [1]")
    calibrate_share: Share = Field(description="share of the acquisitions after these that calibrate uncertainty [1]")
    test_share: Share = Field(description="share of the acquisitions, the latest, that test [1]")
    gap_days: int = Field(ge=0, le=3660, description="days dropped between training and what follows, and before the test dates [day]")
    block_px: Count = Field(description="edge of a spatial block [pixel]")
    rim_px: int | None = Field(
        ge=0, le=10**6, description="held-out pixels so near to training ones are unused [pixel]; null: as speckle needs"
    )
    test_block_share: Annotated[float, Field(gt=0, lt=1)] = Field(description="share of the blocks that only test [1]")
    random_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="share of the training dates and blocks, drawn at random, that only test [1]"
    )
    seed: Seed = Field(description="seed of the draws")

    @model_validator(mode="after")
    def _shares_fill_the_period(self) -> Self:
        total = self.train_share + self.validate_share + self.calibrate_share + self.test_share
        if abs(total - 1) > 1e-6:
            msg = f"train_share + validate_share + calibrate_share + test_share is {total:g}; make it 1"
            raise ValueError(msg)
        return self


class Patches(Section):
    """Two-pass patch sampling."""

    size_px: Count = Field(description="edge of a patch [pixel]")
    stride_px: Count = Field(description="step of pass 1, all conditions [pixel]")
    wet_stride_px: Count = Field(description="step of pass 2, wet conditions [pixel]")
    high_ssm: Share = Field(description="SSM above which a pixel counts as wet [1]")
    min_high_share: Share = Field(description="share of wet pixels that a patch of pass 2 needs [1]")
    min_valid_share: Annotated[float, Field(gt=0, le=1)] = Field(description="share of labelled pixels that any patch needs [1]")
    max_patches: Many = Field(description="most training patches of pass 1; more are thinned at random")
    max_wet_patches: Many = Field(description="most training patches of pass 2; more are thinned at random")
    prior_correction: Share = Field(description="power of the weights that undo pass 2: 1 the natural distribution, 0 no weights [1]")
    seed: Seed = Field(description="seed of the thinning")


class ConvLSTMModel(Section):
    """The source paper's architecture."""

    hidden_channels: tuple[Count, ...] = Field(min_length=1, description="channels of each recurrent layer")
    kernel_size: Literal[1, 3, 5, 7] = Field(description="edge of the convolutions [pixel]")
    stride: Stride = Field(description="pixels per step of the recurrence's grid; 1 is the plain ConvLSTM [pixel]")


class ReservoirsModel(Section):
    """A recurrence with the form of a water balance."""

    stores: Count = Field(description="reservoirs per pixel of the recurrence's grid")
    kernel_size: Literal[1, 3, 5, 7] = Field(description="edge of the convolution over the landscape [pixel of that grid]")
    stride: Stride = Field(description="pixels per step of the recurrence's grid [pixel]")


class UNetModel(Section):
    """A network without recurrence."""

    channels: Count = Field(description="channels of the finest level; each coarser one has twice as many")
    levels: int = Field(ge=1, le=5, description="how often the picture is halved")


class Models(Section):
    """Settings of each architecture."""

    convlstm: ConvLSTMModel
    reservoirs: ReservoirsModel
    unet: UNetModel


class Network(Section):
    """An architecture with its settings, as one experiment uses it."""

    architecture: Architecture = Field(description="name of the architecture")
    arguments: dict[str, Any] = Field(description="its name and its settings")

    @property
    def stride(self) -> int:
        """Edge of the cells that the weather is given on [pixel]."""
        return self.arguments.get("stride", 1)


class Train(Section):
    """Training of one member."""

    epochs: Count = Field(description="most passes over the training patches")
    batch_size: Count = Field(description="patches per step, over all processes")
    learning_rate: float = Field(gt=0, lt=1, description="of AdamW, at its peak")
    weight_decay: float = Field(ge=0, le=100, description="of AdamW")
    patience: Count | None = Field(description="epochs without a better validation loss before training stops; null: never")
    loss: Literal["nll", "mse", "huber"] = Field(description="'nll': Gaussian with predicted variance; 'mse'; 'huber'")
    weight_by_uncertainty: bool = Field(description="count labels less, the more uncertain they are")
    static_noise: float = Field(
        ge=0, le=100, description="standard deviation of what is added to each normalised static channel of a patch [1]"
    )
    drier_in_rain: float = Field(ge=0, le=1e6, description="weight of the penalty for moisture that falls when more rain falls [1]")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(description="'auto': bf16-mixed on a GPU, else 32-true")
    workers: int = Field(ge=0, le=1000, description="processes that put patches together beside the one that trains")
    seed: Seed = Field(description="seed of member 0; member n adds n")
    accelerator: Literal["auto", "cpu", "gpu"] = Field(
        description="'auto': a GPU where the job has one; 'cpu': none is asked for; 'gpu': stop without one"
    )
    devices: Count = Field(description="GPUs, or processes on CPUs, of each node")
    nodes: Count = Field(description="nodes that train one member together; above 1 only under Slurm")
    strategy: Literal["auto", "ddp"] = Field(description="'auto': DDP where there are several devices; 'ddp': always")

    @model_validator(mode="after")
    def _processes_share_a_batch(self) -> Self:
        if self.batch_size % (self.devices * self.nodes):
            msg = f"batch_size {self.batch_size} cannot be shared by {self.devices * self.nodes} processes; make it a multiple"
            raise ValueError(msg)
        return self


class Experiment(Section):
    """A network, and what it is shown."""

    architecture: Architecture = Field(description="'convlstm': the source paper's; 'reservoirs': a learnt water balance; 'unet'")
    form: Literal["aggregate", "sequence"] = Field(
        description="'aggregate': one step, precipitation and ET summed, the rest averaged; 'sequence': a step per day"
    )
    days: int = Field(ge=1, le=120, description="length of the weather window, the day itself included [day]")
    past_labels: bool = Field(description="show the model what labels before the day said of the pixel, as persistence uses them")


class Predict(Section):
    """Wall-to-wall prediction."""

    tile_px: int = Field(ge=8, le=65536, multiple_of=8, description="edge of a tile, without its halo [pixel]; sets the memory")


class Calibration(Section):
    """Conformal calibration of the ensemble's uncertainty by blocks of dates."""

    parts: tuple[Literal["calibrate", "validate"], ...] = Field(min_length=1, description="parts of the splits whose dates calibrate")


class Learning(Section):
    """Room `learning`."""

    splits: Splits
    patches: Patches
    model: Models
    train: Train
    members: int = Field(ge=1, le=32, description="seeds trained per experiment")
    past_days: int = Field(ge=1, le=366, description="how far back labels are shown where an experiment has past_labels [day]")
    experiments: dict[Name, Experiment | None] = Field(description="name: settings; null switches one off")
    predict: Predict
    calibration: Calibration

    @model_validator(mode="after")
    def _a_patch_fits_a_block(self) -> Self:
        if self.patches.size_px > self.splits.block_px:
            msg = f"patches.size_px {self.patches.size_px} must not exceed splits.block_px {self.splits.block_px}"
            raise ValueError(msg)
        cell = 2**self.model.unet.levels
        if self.predict.tile_px % cell and any(one.architecture == "unet" for one in self.active.values()):
            msg = f"predict.tile_px {self.predict.tile_px} is no multiple of the U-Net's coarsest cells, {cell} pixels (model.unet.levels)"
            raise ValueError(msg)
        if not self.active:
            msg = "experiments: all are null; name at least one"
            raise ValueError(msg)
        return self

    @property
    def active(self) -> dict[str, Experiment]:
        """The experiments that are not switched off."""
        return {name: experiment for name, experiment in self.experiments.items() if experiment is not None}

    @property
    def networks(self) -> dict[str, Network]:
        """Architecture and its settings of every experiment."""
        return {name: self._network(experiment.architecture) for name, experiment in self.active.items()}

    def _network(self, architecture: Architecture) -> Network:
        settings = getattr(self.model, architecture).model_dump(mode="json")
        return Network(architecture=architecture, arguments={"architecture": architecture} | settings)

    @property
    def longest_window(self) -> int:
        """Days of the longest weather window."""
        return max(experiment.days for experiment in self.active.values())

    @property
    def past_days_shown(self) -> int:
        """How far back any experiment is shown labels [day]; 0 where none is."""
        return self.past_days if any(experiment.past_labels for experiment in self.active.values()) else 0


class Samples(Section):
    """Which pixel-dates are scored, and how they are grouped."""

    per_split: Many = Field(description="most pixel-dates scored per split, drawn at random")
    wet_quantile: Annotated[float, Field(gt=0, lt=1)] = Field(description="quantile of the training labels above which it is wet [1]")
    slope_classes_deg: tuple[Annotated[float, Field(gt=0, lt=90)], ...] = Field(
        min_length=1, description="limits between classes of slope, rising [degree]"
    )
    seed: Seed = Field(description="seed of the draws, of boosting and of the shuffles")

    @model_validator(mode="after")
    def _slopes_rise(self) -> Self:
        if list(self.slope_classes_deg) != sorted(set(self.slope_classes_deg)):
            msg = f"slope_classes_deg {list(self.slope_classes_deg)} must rise"
            raise ValueError(msg)
        return self


class Boosting(Section):
    """The gradient-boosting baseline."""

    samples: Many = Field(description="most training pixel-dates")
    iterations: Count = Field(description="trees")
    learning_rate: float = Field(gt=0, le=1, description="weight of each tree [1]")
    min_leaf: Count = Field(description="fewest pixel-dates in a leaf")
    windows_days: tuple[Count, ...] = Field(description="windows that weather is summed over [day]; longer than any experiment's: not used")


class Probes(Section):
    """What is asked of a trained model besides its scores."""

    patches_per_split: Count = Field(description="most test patches per split, drawn at random")
    rain_factor: float = Field(ge=1, le=100, description="more rain: precipitation of every day of the window times this [1] ...")
    rain_mm: float = Field(ge=0, le=2000, description="... plus this [mm/day]")
    tolerance: float = Field(ge=0, lt=0.1, description="a prediction that falls by less counts as not fallen [1]")
    seed: Seed = Field(description="seed of draws and shuffles")


class StationSource(Section):
    """Measurements of soil moisture in the ground."""

    kind: Literal["uscrn", "ismn"] = Field(
        description="'uscrn': daily files of the US Climate Reference Network; 'ismn': folder of the International Soil Moisture Network"
    )
    path: str = Field(description="file or folder")


class InSitu(Section):
    """Validation against stations."""

    sources: tuple[StationSource, ...] = Field(description="where the measurements are; empty: no validation")
    max_depth_m: float = Field(gt=0, le=1, description="lower end of the deepest sensor that counts as surface [m]")
    good_flags: tuple[str, ...] = Field(min_length=1, description="flags of the ISMN that are kept")
    scaling: Literal["mean_std", "cdf"] = Field(description="how SSM is brought to the station's units, on training dates")
    min_matches: int = Field(ge=3, le=10**5, description="fewest common days, of training and of scoring")


class Evaluation(Section):
    """Room `evaluation`."""

    truth: str | None = Field(description="Zarr with the true `ssm` (time, y, x), daily; null where nobody knows it")
    samples: Samples
    boosting: Boosting
    probes: Probes
    stations: InSitu


class Maps(Section):
    """Which days become maps."""

    dates: tuple[Day, ...] = Field(description="days to map [UTC date]")
    last_days: int = Field(ge=0, le=36525, description="map this many last days of the period too [day]")
    experiment: Name = Field(description="experiment whose ensemble makes the maps")


class Products(Section):
    """Room `products`."""

    maps: Maps


class Requests(Section):
    """What the size of jobs follows from, before anything is known of the data."""

    extent_km2: float = Field(gt=0, le=1e7, description="of the grid, where grid.aoi is no list of bounds [km²]")
    passes_per_year: float = Field(gt=0, le=1e4, description="acquisitions of the area a year")


class Config(Section):
    """A whole configuration."""

    area: Name = Field(description="name of the area; runs of one area share <resources>")
    run: Name = Field(description="name of the run; its results are in results/<run>")
    period: Period
    grid: Grid
    twin: Twin
    sources: Sources
    sar: Sar
    moisture: Moisture
    covariates: Covariates
    learning: Learning
    evaluation: Evaluation
    products: Products
    requests: Requests

    @model_validator(mode="after")
    def _maps_can_be_made(self) -> Self:
        maps, known = self.products.maps, sorted(self.learning.active)
        if maps.experiment not in known:
            msg = f"products.maps.experiment = '{maps.experiment}' is no experiment; name one of {known}"
            raise ValueError(msg)
        period = (self.period.end - self.period.start).days + 1
        if maps.last_days > period:
            msg = f"products.maps.last_days = {maps.last_days}: the period has {period} days; give at most as many"
            raise ValueError(msg)
        if not self.map_days:
            msg = "products.maps: no day to map; give dates, or last_days above 0"
            raise ValueError(msg)
        for day in maps.dates:
            if not self.period.start <= day <= self.period.end:
                msg = f"products.maps.dates: {day} is outside the period {self.period.start} to {self.period.end}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _scenes_need_a_grid_and_a_datum(self) -> Self:
        if self.sources.backscatter.kind == "cube":
            return self
        if "source" in (self.grid.aoi, self.grid.crs):
            msg = "grid.aoi, grid.crs: 'source' is a backscatter cube's, but the sources are scenes; give bounds or a polygon, and a CRS"
            raise ValueError(msg)
        if self.sources.dem.path and self.sources.dem.geoid is None:
            msg = "sources.dem.geoid: the DEM's vertical datum is not named; set ellipsoid, the geoid's height in metres, or a raster of it"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_speckle_filter_mixes_random_units(self) -> Self:
        images, share = self.sar.speckle.images, self.learning.splits.random_share
        if images != "none" and share:
            msg = (
                f"learning.splits.random_share = {share:g}: sar.speckle.images = '{images}' filters these held-out units with training "
                "dates; set it to 0, or images to none"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _moisture_has_its_sources(self) -> Self:
        mode, derived = self.moisture.vegetation.mode, self.moisture.derived
        if mode in {"flag", "ndvi", "water_cloud"} and self.sources.path("ndvi") is None:
            msg = f"moisture.vegetation.mode = '{mode}' needs NDVI; set sources.ndvi.path, or choose none or cross_ratio"
            raise ValueError(msg)
        if self.moisture.references.beta_fallback == "landcover" and self.sources.path("landcover") is None:
            msg = "moisture.references.beta_fallback = 'landcover' needs land cover; set sources.landcover.path, or choose track"
            raise ValueError(msg)
        if derived.volumetric and self.sources.path("soil") is None:
            msg = "moisture.derived.volumetric = true needs soil properties; set sources.soil.path, or choose false"
            raise ValueError(msg)
        return self

    @property
    def made_by_the_twin(self) -> str:
        """Start of every path that the twin writes."""
        return f"resources/{self.area}/twin/"

    @property
    def map_days(self) -> list[date]:
        """Days that become maps, in order."""
        maps, end = self.products.maps, self.period.end
        last = {end - timedelta(days=back) for back in range(maps.last_days)}
        return sorted({*maps.dates, *(day for day in last if day >= self.period.start)})

    def section(self, dotted: str) -> Any:
        """Part of the configuration by its dotted name, `learning.train`."""
        part: Any = self
        for key in dotted.split("."):
            part = part[key] if isinstance(part, dict) else getattr(part, key)
        return part


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged configuration.

    `${NAME}` and `${NAME:-default}` in strings stand for environment variables, `<resources>` for the area's folder.

    Raises:
        LoamError: the faults, each with key, value, what is allowed and the nearest known key.
    """
    require_bounded(raw)
    if raw.get("area") is None:
        msg = "area: no area is set; name a configuration, as in `snakemake --configfile config/demo.yaml`"
        raise LoamError(msg)
    plain = _expand(dict(raw), "", {})
    plain = _expand(plain, "", {"<resources>": f"resources/{plain['area']}", "<results>": f"results/{plain.get('run')}"})
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        raise LoamError(explained(error, Config)) from None


def as_json(parts: Mapping[str, Any]) -> str:
    """Settings of a step as one JSON object, the way a command's `--params` takes them."""
    return TypeAdapter(dict[str, Any]).dump_json(dict(parts)).decode()


def aoi_files(cfg: Config) -> list[str]:
    """The file of the area's polygon, and those that belong to it; empty where bounds are given."""
    path = cfg.grid.aoi_path
    if path is None:
        return []
    together = path.suffix.lower() in {".shp", ".tab", ".mif"}
    beside = sorted(map(str, path.parent.glob(f"{glob.escape(path.stem)}.*"))) if together else []
    return beside or [str(path)]


def missing_inputs(cfg: Config) -> str | None:
    """One line that names every local input that is not there and where it belongs, or a folder of Loam's that cannot be written."""
    try:
        wanted = {f"sources.{name}.path": cfg.sources.files(name) for name in type(cfg.sources).model_fields}
    except LoamError as error:
        return str(error)
    for name in ("backscatter", "weather", "dem"):
        if not wanted[f"sources.{name}.path"]:
            return f"sources.{name}.path: not set; Loam cannot run without it"
    wanted["grid.aoi"] = [str(cfg.grid.aoi_path)] if cfg.grid.aoi_path else []
    wanted["evaluation.truth"] = [cfg.evaluation.truth or ""]
    wanted |= {f"evaluation.stations.sources.{place}.path": [each.path] for place, each in enumerate(cfg.evaluation.stations.sources)}
    if cfg.sources.backscatter.kind == "scenes":
        wanted["sources.backscatter.orbits"] = [cfg.sources.backscatter.orbits or ""]
        wanted["sources.dem.geoid"] = [cfg.sources.dem.geoid_path or ""]
    given = [(key, path) for key, paths in wanted.items() for path in paths if path and not path.startswith(cfg.made_by_the_twin)]
    faults = {(path, key): _fault(path, key) for key, path in given}
    gone = [f"{path} ({key}{_why(path, fault)})" for (path, key), fault in faults.items() if fault is not None]
    if gone:
        return f"missing input: {', '.join(gone)}; put each file there, or set its key to where it is"
    return blocked(cfg.area, cfg.run)


def _fault(path: str, key: str) -> str | None:
    """Why an input cannot serve, before it is opened; None where nothing speaks against it."""
    fault = unreadable(path)
    return folder_for_a_file(path) if fault is None and key in FILES else fault


def _why(path: str, fault: str) -> str:
    """What is added to the name of a missing input: nothing where no file of this name is there."""
    return f": {fault}" if fault else ": no file matches" if is_glob(path) else ""


def _expand(value: Any, key: str, names: Mapping[str, str]) -> Any:
    """Replace environment variables and path names in every string of a nested configuration."""
    if isinstance(value, Mapping):
        return {name: _expand(item, f"{key}.{name}".lstrip("."), names) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_expand(item, key, names) for item in value]
    if not isinstance(value, str):
        return value
    if "\0" in value:
        msg = f"{key}: holds a character without a sign (U+0000); write the value again"
        raise LoamError(msg)
    if value == "null":  # Snakemake reads what is nested in --config as text
        return None
    for name, text in names.items():
        value = value.replace(name, text)
    value = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda match: _variable(match, key), value)
    return os.path.expanduser(value) if re.match(r"~(/|$)", value) else value  # noqa: PTH111  (a Path raises where there is no home)


def _variable(match: re.Match[str], key: str) -> str:
    name, default = match.groups()
    text = os.environ.get(name) or default
    if text is None:
        msg = f"{key}: environment variable {name} is not set; export it, or write the path into the configuration"
        raise LoamError(msg)
    return text
