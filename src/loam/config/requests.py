"""Settings of what jobs ask for."""

from pydantic import Field

from loam.config.base import Section


class Requests(Section):
    """What the size of jobs follows from, before anything is known of the data."""

    extent_km2: float = Field(gt=0, le=1e7)
    passes_per_year: float = Field(gt=0, le=1e4)
