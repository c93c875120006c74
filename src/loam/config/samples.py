"""Settings of splits and patches: what may be seen by whom."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from loam.config.base import Count, Many, Section, Seed, Share


class SplitSettings(Section):
    """Which dates and blocks train, validate, calibrate and test."""

    train_share: Share = Field(
        description="share of the acquisitions, the earliest, that train [1]"
    )
    validate_share: Share = Field(
        description="share of the acquisitions after these that validate [1]"
    )
    calibrate_share: Share = Field(
        description="share of the acquisitions after these that calibrate uncertainty [1]"
    )
    test_share: Share = Field(description="share of the acquisitions, the latest, that test [1]")
    gap_days: int = Field(
        ge=0,
        le=3660,
        description="days dropped between training and what follows, and before the test dates [day]",
    )
    block_px: Count = Field(description="edge of a spatial block [pixel]")
    buffer_px: int | None = Field(
        ge=0,
        le=10**6,
        description="held-out pixels so near to training ones are unused [pixel]; null: as speckle needs",
    )
    test_block_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="share of the blocks that only test [1]"
    )
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
    min_high_share: Share = Field(
        description="share of wet pixels that a patch of pass 2 needs [1]"
    )
    min_valid_share: Annotated[float, Field(gt=0, le=1)] = Field(
        description="share of labelled pixels that any patch needs [1]"
    )
    max_patches: Many = Field(
        description="most training patches of pass 1; more are thinned at random"
    )
    max_wet_patches: Many = Field(
        description="most training patches of pass 2; more are thinned at random"
    )
    prior_correction: Share = Field(
        description="power of the weights that undo pass 2: 1 the natural distribution, 0 no weights [1]"
    )
    seed: Seed = Field(description="seed of the thinning")


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
