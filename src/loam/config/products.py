"""Settings of maps."""

from pydantic import Field

from loam.config.base import Day, Name, Section


class Maps(Section):
    """Which days become maps."""

    dates: tuple[Day, ...]
    last_days: int = Field(ge=0, le=36525)
    experiment: Name


class Products(Section):
    """Room `products`."""

    maps: Maps
