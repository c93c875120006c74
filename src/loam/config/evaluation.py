"""Settings of scores, baselines, probes and stations."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from loam.config.base import Count, Many, Section, Seed


class Samples(Section):
    """Which pixel-dates are scored, and how they are grouped."""

    per_split: Many
    wet_quantile: Annotated[float, Field(gt=0, lt=1)]
    slope_classes_deg: tuple[Annotated[float, Field(gt=0, lt=90)], ...] = Field(min_length=1)
    seed: Seed

    @model_validator(mode="after")
    def _slopes_rise(self) -> Self:
        if list(self.slope_classes_deg) != sorted(set(self.slope_classes_deg)):
            msg = f"slope_classes_deg {list(self.slope_classes_deg)} must rise"
            raise ValueError(msg)
        return self


class Boosting(Section):
    """The gradient-boosting baseline."""

    samples: Many
    iterations: Count
    learning_rate: float = Field(gt=0, le=1)
    min_leaf: Count
    windows_days: tuple[Count, ...]


class Probes(Section):
    """What is asked of a trained model besides its scores."""

    patches_per_split: Count
    rain_factor: float = Field(ge=1, le=100)
    rain_mm: float = Field(ge=0, le=2000)
    tolerance: float = Field(ge=0, lt=0.1)
    seed: Seed


class StationSource(Section):
    """Measurements of soil moisture in the ground."""

    kind: Literal["uscrn", "ismn"] = Field(
        description="'uscrn': daily files of the US Climate Reference Network; 'ismn': folder of the International Soil Moisture Network"
    )
    path: str = Field(description="file or folder")


class InSitu(Section):
    """Validation against stations."""

    sources: tuple[StationSource, ...]
    max_depth_m: float = Field(gt=0, le=1)
    good_flags: tuple[str, ...] = Field(min_length=1)
    scaling: Literal["mean_std", "cdf"]
    min_matches: int = Field(ge=3, le=10**5)


class Evaluation(Section):
    """Room `evaluation`."""

    truth: str | None
    samples: Samples
    boosting: Boosting
    probes: Probes
    stations: InSitu
