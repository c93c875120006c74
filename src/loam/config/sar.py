"""Settings of backscatter."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Count, Section, Share


class Scenes(Section):
    """Which scenes are worth processing."""

    min_cover: Share


class Heights(Section):
    """Terrain as flattening needs it."""

    facet_m: float = Field(ge=1, le=10)
    margin_m: float = Field(ge=100, le=20000)


class Flatten(Section):
    """From digital numbers to gamma nought on the grid."""

    thermal_noise: bool
    border_noise: bool
    block_px: int = Field(ge=64, le=8192)


Resampling = Literal[
    "NEAREST_NEIGHBOUR",
    "BILINEAR_INTERPOLATION",
    "CUBIC_CONVOLUTION",
    "BISINC_5_POINT_INTERPOLATION",
    "BISINC_11_POINT_INTERPOLATION",
    "BISINC_21_POINT_INTERPOLATION",
    "BICUBIC_INTERPOLATION",
]


class Snap(Section):
    """SNAP's graph processing tool, for backend snap."""

    gpt: str | None
    memory_mb: int = Field(ge=2048, le=10**7)
    cache_mb: int = Field(ge=256, le=10**7)
    operators_per_call: Count
    dem_resampling: Resampling
    image_resampling: Resampling

    @model_validator(mode="after")
    def _cache_fits_the_heap(self) -> Self:
        if self.cache_mb >= self.memory_mb:
            msg = f"cache_mb {self.cache_mb} must be below memory_mb {self.memory_mb}, of which it is part"
            raise ValueError(msg)
        return self


class Speckle(Section):
    """Multitemporal speckle filter (Quegan & Yu 2001), per track."""

    images: Literal["none", "causal", "split"]
    window_px: int = Field(ge=3, le=31)

    @field_validator("window_px")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            msg = f"{value} is even; a window has a middle pixel: {value - 1} or {value + 1}"
            raise ValueError(msg)
        return value


class Sar(Section):
    """Room `sar`."""

    backend: Literal["loam", "snap"]
    scenes: Scenes
    heights: Heights
    flatten: Flatten
    speckle: Speckle
    snap: Snap
