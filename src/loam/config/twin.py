"""Settings of the synthetic catchment."""

from pydantic import Field

from loam.config.base import Section, Seed


class Twin(Section):
    """The synthetic catchment whose truth is known. Used where a source names a file in `<resources>/twin`."""

    seed: Seed = Field(description="seed of every random field and series")
    relief_m: float = Field(
        gt=0, le=3000, description="height between lowest and highest point [m]"
    )
    repeat_days: int = Field(ge=1, le=48, description="days between two passes of one track [day]")
    looks: float = Field(
        ge=1, le=1000, description="equivalent number of looks of the simulated speckle [1]"
    )
    platform_offset_db: float = Field(
        ge=-3, le=3, description="backscatter of the second platform minus the first [dB]"
    )
    spin_up_days: int = Field(
        ge=0, le=3660, description="days the water balance runs before the first one kept [day]"
    )
