"""Settings of splits and patches: what may be seen by whom."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from loam.config.base import Count, Many, Section, Seed, Share


class SplitSettings(Section):
    """Which dates and blocks train, validate, calibrate and test."""

    train_share: Share
    validate_share: Share
    calibrate_share: Share
    test_share: Share
    gap_days: int = Field(ge=0, le=3660)
    block_px: Count
    buffer_px: int | None = Field(ge=0, le=10**6)
    test_block_share: Annotated[float, Field(gt=0, lt=1)]
    random_share: Annotated[float, Field(ge=0, lt=1)]
    seed: Seed

    @model_validator(mode="after")
    def _shares_fill_the_period(self) -> Self:
        total = self.train_share + self.validate_share + self.calibrate_share + self.test_share
        if abs(total - 1) > 1e-6:
            msg = f"train_share + validate_share + calibrate_share + test_share is {total:g}; make it 1"
            raise ValueError(msg)
        return self


class Patches(Section):
    """Two-pass patch sampling."""

    size_px: Count
    stride_px: Count
    wet_stride_px: Count
    high_ssm: Share
    min_high_share: Share
    min_valid_share: Annotated[float, Field(gt=0, le=1)]
    max_patches: Many
    max_wet_patches: Many
    prior_correction: Share
    seed: Seed


class Sampling(Section):
    """Room `samples`."""

    splits: SplitSettings
    patches: Patches

    @model_validator(mode="after")
    def _a_patch_fits_a_block(self) -> Self:
        if self.patches.size_px > self.splits.block_px:
            msg = f"patches.size_px {self.patches.size_px} must not exceed splits.block_px {self.splits.block_px}"
            raise ValueError(msg)
        return self
