"""Settings of change detection."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Angle, Code, Count, Section


class Signal(Section):
    """What both fitting references and detecting change see of the radar."""

    polarisation: Literal["vv", "vh"] = Field(description="which channel is scaled")
    label_support_m: float = Field(
        gt=0, le=1e4, description="footprint over which power is averaged before dB [m]"
    )
    looks: float = Field(
        gt=0, le=1000, description="equivalent number of looks of one pixel of the stack [1]"
    )
    speckle_cell_m: float = Field(
        gt=0,
        le=1e4,
        description="edge of the area that has these looks; finer pixels share their speckle [m]",
    )
    calibration_error_db: float = Field(
        ge=0, le=100, description="1 sigma of the calibration between dates [dB]"
    )
    surface_error_db: Annotated[float, Field(ge=0, le=100)] | None = Field(
        description="1 sigma of roughness and plants that no model removes, between dates [dB]; null: estimated by pixel"
    )
    normalisation: Literal["track", "beta"] = Field(
        description="'track': references per track at its own angle; 'beta': all tracks at 40 degrees by the fitted slope"
    )
    frozen_below_degc: float = Field(
        ge=-20,
        le=20,
        description="daily mean of soil or air temperature at which the ground freezes [degC]",
    )
    thaw_degree_days: float = Field(
        ge=0,
        le=50,
        description="most warmth that frozen ground needs to thaw; 0: it thaws at once [K day]",
    )
    snow_drop_db: float = Field(
        gt=0, le=100, description="VH this far below its snow-free mean is wet snow [dB]"
    )
    standing_water_db: float = Field(
        gt=0, le=100, description="this far below the dry reference water stands on the ground [dB]"
    )
    snow_memory_days: int = Field(
        ge=0, le=365, description="days after frost in which snow may lie; 0: never [day]"
    )


class References(Section):
    """Dry and wet references, and the angular slope."""

    dry_percentile: float = Field(
        gt=0, lt=50, description="percentile over dates that marks dry [%]"
    )
    wet_percentile: float = Field(
        gt=50, lt=100, description="percentile over dates that marks wet [%]"
    )
    min_dates: int = Field(ge=5, le=10**5, description="fewest training dates of a pixel and track")
    platform_sigmas: float = Field(
        gt=0,
        le=1000,
        description="standard errors from which an offset between platforms is removed [1]",
    )
    beta_season: Literal["annual", "monthly"] = Field(
        description="one slope for the year, or one for every month"
    )
    beta_max_relative_error: float = Field(
        gt=0, lt=1, description="largest relative standard error of an accepted beta [1]"
    )
    beta_fallback: Literal["track", "landcover"] = Field(
        description="without an accepted beta: 'track': references per track; 'landcover': the slope given for its class"
    )
    beta_by_landcover: dict[Code, Annotated[float, Field(ge=-1, le=1)]] = Field(
        description="code of sources.landcover: slope [dB/degree]"
    )
    beta_elsewhere: float = Field(ge=-1, le=1, description="slope of all other classes [dB/degree]")
    beta_given_error: float = Field(ge=0, le=10, description="1 sigma of these slopes [dB/degree]")


class Vegetation(Section):
    """What is done about plants between the radar and the soil."""

    mode: Literal["none", "flag", "cross_ratio", "ndvi", "water_cloud"] = Field(
        description="'none'; 'flag' by NDVI; 'cross_ratio', 'ndvi': regressed out per pixel; 'water_cloud': model of Attema & Ulaby"
    )
    dense_ndvi: float = Field(gt=0, le=1, description="NDVI above which mode 'flag' flags [1]")
    canopy_a: float = Field(
        ge=0, le=100, description="Water Cloud A, scattering of the canopy per NDVI [linear power]"
    )
    canopy_b: float = Field(ge=0, le=100, description="Water Cloud B, attenuation per NDVI [1]")


class Change(Section):
    """Change detection: from backscatter to soil moisture between its dry and wet references."""

    min_sensitivity_db: float = Field(
        gt=0, le=100, description="smallest wet minus dry that is not flagged [dB]"
    )
    incidence_range_deg: tuple[Angle, Angle] = Field(
        description="local incidence angles that are not flagged [degree]"
    )

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
    memory_mb: int = Field(
        ge=500, le=10**7, description="most memory of a step, or of each worker of a cluster [MB]"
    )
    address: str | None = Field(
        description="of the scheduler of a running dask cluster, as tcp://host:8786"
    )
    workers: Count = Field(description="Slurm jobs to submit, each with one thread")
    partition: str | None = Field(description="Slurm partition; null: the site's default")
    account: str | None = Field(description="Slurm account; null: the user's default")
    walltime: str = Field(
        pattern=r"^(\d+-)?\d+:\d{2}:\d{2}$",
        description="longest time of a Slurm job [[days-]hours:minutes:seconds]",
    )

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
