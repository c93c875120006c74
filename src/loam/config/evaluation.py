"""Settings of scores, baselines, probes and stations."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from loam.config.base import Count, Many, Section, Seed


class Samples(Section):
    """Which pixel-dates are scored, and how they are grouped."""

    per_split: Many = Field(description="most pixel-dates scored per split, drawn at random")
    wet_quantile: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="quantile of the training labels above which it is wet [1]"
    )
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
    windows_days: tuple[Count, ...] = Field(
        description="windows that weather is summed over [day]; longer than any experiment's: not used"
    )


class Probes(Section):
    """What is asked of a trained model besides its scores."""

    patches_per_split: Count = Field(description="most test patches per split, drawn at random")
    rain_factor: float = Field(
        ge=1,
        le=100,
        description="more rain: precipitation of every day of the window times this [1] ...",
    )
    rain_mm: float = Field(ge=0, le=2000, description="... plus this [mm/day]")
    tolerance: float = Field(
        ge=0, lt=0.1, description="a prediction that falls by less counts as not fallen [1]"
    )
    seed: Seed = Field(description="seed of draws and shuffles")


class StationSource(Section):
    """Measurements of soil moisture in the ground."""

    kind: Literal["uscrn", "ismn"] = Field(
        description="'uscrn': daily files of the US Climate Reference Network; 'ismn': folder of the International Soil Moisture Network"
    )
    path: str = Field(description="file or folder")


class InSitu(Section):
    """Validation against stations."""

    sources: tuple[StationSource, ...] = Field(
        description="where the measurements are; empty: no validation"
    )
    max_depth_m: float = Field(
        gt=0, le=1, description="lower end of the deepest sensor that counts as surface [m]"
    )
    good_flags: tuple[str, ...] = Field(min_length=1, description="flags of the ISMN that are kept")
    scaling: Literal["mean_std", "cdf"] = Field(
        description="how SSM is brought to the station's units, on training dates"
    )
    min_matches: int = Field(
        ge=3, le=10**5, description="fewest common days, of training and of scoring"
    )


class Evaluation(Section):
    """Room `evaluation`."""

    truth: str | None = Field(
        description="Zarr with the true `ssm` (time, y, x), daily; null where nobody knows it"
    )
    samples: Samples
    boosting: Boosting
    probes: Probes
    stations: InSitu
