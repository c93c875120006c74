"""Settings of backscatter."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from loam.config.base import Count, Section, Share


class Scenes(Section):
    """Which scenes are worth processing."""

    min_cover: Share = Field(description="smallest share of the area that a pass must see [1]")


class Heights(Section):
    """Terrain as flattening needs it."""

    facet_m: float = Field(
        ge=1, le=10, description="largest edge of a facet of terrain; the image's pixel is 10 m [m]"
    )
    margin_m: float = Field(
        ge=100, le=20000, description="terrain beyond the area that can lay over or shade it [m]"
    )


class Flatten(Section):
    """From digital numbers to gamma nought on the grid."""

    thermal_noise: bool = Field(description="take thermal noise away")
    border_noise: bool = Field(description="leave out image borders without signal")
    block_px: int = Field(
        ge=64,
        le=8192,
        description="edge of the blocks worked on at once; memory grows with its square [pixel]",
    )


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
    image_resampling: Resampling = Field(
        description="interpolation in the radar image, by SNAP's name"
    )

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

    backend: Literal["loam", "snap"] = Field(
        description="'loam': needs nothing else; 'snap': ESA's SNAP through pyroSAR"
    )
    scenes: Scenes
    heights: Heights
    flatten: Flatten
    speckle: Speckle
    snap: Snap
