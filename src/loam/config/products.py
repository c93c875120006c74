"""Settings of maps."""

from pydantic import Field

from loam.config.base import Day, Name, Section


class Maps(Section):
    """Which days become maps."""

    dates: tuple[Day, ...] = Field(description="days to map [UTC date]")
    last_days: int = Field(
        ge=0, le=36525, description="map this many last days of the period too [day]"
    )
    experiment: Name = Field(description="experiment whose ensemble makes the maps")


class Products(Section):
    """Room `products`."""

    maps: Maps
