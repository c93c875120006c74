"""Types, the section that all others are, and what every stage reads: area, period and grid."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from loam.config.faults import shown
from loam.core.limits import MOST_PIXELS

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=100)]


Share = Annotated[float, Field(ge=0, le=1)]


Stride = Literal[1, 2, 4, 8]


Architecture = Literal["convlstm", "reservoirs", "unet"]


Count = Annotated[int, Field(ge=1, le=10**6)]


Angle = Annotated[float, Field(ge=0, le=90)]
Many = Annotated[int, Field(ge=1, le=10**9)]  # of samples
Seed = Annotated[int, Field(ge=0, le=2**31)]
Code = Annotated[int, Field(ge=-(2**31), lt=2**31)]  # of a class of a map
Coordinate = Annotated[float, Field(ge=-1e9, le=1e9)]


Paths = str | tuple[str, ...] | None


LAYER = "|layername="  # between a file and one of its layers, as QGIS writes it


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _yes_is_no_number(cls, values: Any) -> Any:
        """Refuse `members: yes`, which YAML reads as true and Python counts as 1."""
        for name, field in cls.model_fields.items() if isinstance(values, Mapping) else ():
            value = values.get(name)
            if "bool" not in str(field.annotation) and any(
                isinstance(each, bool) for each in (value if isinstance(value, list) else [value])
            ):
                msg = f"{name} = {str(value).lower()}: is yes or no, as YAML reads yes, no, on and off; give a value, a word in quotes"
                raise ValueError(msg)
        return values


def _written_as_day(value: Any) -> Any:
    """Refuse `20210101`, which would count as seconds since 1970."""
    if isinstance(value, date) or (
        isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)
    ):
        return value
    msg = f"{shown(value)} is no day; write it as 2021-12-31"
    raise ValueError(msg)


# ASSUME: no source has days outside; times of nanoseconds end in 1677 and 2262.
Day = Annotated[
    date, BeforeValidator(_written_as_day), Field(ge=date(1950, 1, 1), le=date(2100, 12, 31))
]


class Period(Section):
    """The days that are mapped and learnt from, both ends included."""

    start: Day
    end: Day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            msg = f"end {self.end} must be later than start {self.start}"
            raise ValueError(msg)
        return self


class Grid(Section):
    """The target grid, on which everything meets."""

    aoi: str | tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    crs: str = Field(pattern=r"^(source|utm|EPSG:\d+)$")
    resolution_m: float = Field(ge=1, le=1000)

    @property
    def aoi_path(self) -> Path | None:
        """The polygon file, if `aoi` names one, without the layer that may stand behind it."""
        return (
            Path(self.aoi.partition(LAYER)[0])
            if isinstance(self.aoi, str) and self.aoi != "source"
            else None
        )

    @property
    def aoi_layer(self) -> str | None:
        """The layer of the polygon file, if `aoi` names one as QGIS does: `area.gpkg|layername=catchment`."""
        return self.aoi.partition(LAYER)[2] or None if isinstance(self.aoi, str) else None

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if isinstance(self.aoi, str):
            return self
        west, south, east, north = self.aoi
        if (pixels := (east - west) * (north - south) / self.resolution_m**2) > MOST_PIXELS:
            msg = (
                f"aoi {list(self.aoi)} is {pixels:.3g} pixels of resolution_m = {self.resolution_m:g}, too large for one grid of at most "
                f"{MOST_PIXELS:.0e}; make the area smaller, or the pixels larger"
            )
            raise ValueError(msg)
        if not (west < east and south < north):
            msg = f"aoi {list(self.aoi)} must be [west, south, east, north] with west < east and south < north"
            raise ValueError(msg)
        if self.crs == "utm":
            msg = "crs 'utm' needs an aoi in a polygon file; bounds are given in crs, so name it as EPSG:code"
            raise ValueError(msg)
        return self
