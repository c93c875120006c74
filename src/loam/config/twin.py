"""Settings of the synthetic catchment."""

from pydantic import Field

from loam.config.base import Section, Seed


class Twin(Section):
    """The synthetic catchment whose truth is known. Used where a source names a file in `<resources>/twin`."""

    seed: Seed
    relief_m: float = Field(gt=0, le=3000)
    repeat_days: int = Field(ge=1, le=48)
    looks: float = Field(ge=1, le=1000)
    platform_offset_db: float = Field(ge=-3, le=3)
    spin_up_days: int = Field(ge=0, le=3660)
