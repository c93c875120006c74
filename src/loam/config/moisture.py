"""Settings of change detection."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Angle, Code, Count, Section


class Signal(Section):
    """What both fitting references and detecting change see of the radar."""

    polarisation: Literal["vv", "vh"]
    label_support_m: float = Field(gt=0, le=1e4)
    looks: float = Field(gt=0, le=1000)
    speckle_cell_m: float = Field(gt=0, le=1e4)
    calibration_error_db: float = Field(ge=0, le=100)
    surface_error_db: Annotated[float, Field(ge=0, le=100)] | None
    normalisation: Literal["track", "beta"]
    frozen_below_degc: float = Field(ge=-20, le=20)
    thaw_degree_days: float = Field(ge=0, le=50)
    snow_drop_db: float = Field(gt=0, le=100)
    standing_water_db: float = Field(gt=0, le=100)
    snow_memory_days: int = Field(ge=0, le=365)


class References(Section):
    """Dry and wet references, and the angular slope."""

    dry_percentile: float = Field(gt=0, lt=50)
    wet_percentile: float = Field(gt=50, lt=100)
    min_dates: int = Field(ge=5, le=10**5)
    platform_sigmas: float = Field(gt=0, le=1000)
    beta_season: Literal["annual", "monthly"]
    beta_max_relative_error: float = Field(gt=0, lt=1)
    beta_fallback: Literal["track", "landcover"]
    beta_by_landcover: dict[Code, Annotated[float, Field(ge=-1, le=1)]]
    beta_elsewhere: float = Field(ge=-1, le=1)
    beta_given_error: float = Field(ge=0, le=10)


class Vegetation(Section):
    """What is done about plants between the radar and the soil."""

    mode: Literal["none", "flag", "cross_ratio", "ndvi", "water_cloud"]
    dense_ndvi: float = Field(gt=0, le=1)
    canopy_a: float = Field(ge=0, le=100)
    canopy_b: float = Field(ge=0, le=100)


class Change(Section):
    """Change detection: from backscatter to soil moisture between its dry and wet references."""

    min_sensitivity_db: float = Field(gt=0, le=100)
    incidence_range_deg: tuple[Angle, Angle]

    @field_validator("incidence_range_deg")
    @classmethod
    def _low_before_high(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 90:
            msg = f"{list(value)} must be [lowest, highest] between 0 and 90"
            raise ValueError(msg)
        return value


class Derived(Section):
    """Products made from the labels on request."""

    volumetric: bool
    soil_water_index_days: tuple[Annotated[float, Field(gt=0, le=365)], ...]


class Compute(Section):
    """Where blocks of an area are computed, and how much memory they may take."""

    scheduler: Literal["threads", "distributed", "slurm"]
    memory_mb: int = Field(ge=500, le=10**7)
    address: str | None
    workers: Count
    partition: str | None
    account: str | None
    walltime: str = Field(pattern=r"^(\d+-)?\d+:\d{2}:\d{2}$")

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
