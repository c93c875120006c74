"""A whole configuration, and what its sections must have in common."""

from datetime import date, timedelta
from typing import Any, Self

from pydantic import model_validator

from loam.config.base import Grid, Name, Period, Section
from loam.config.covariates import Covariates
from loam.config.evaluation import Evaluation
from loam.config.learning import Learning
from loam.config.moisture import Moisture
from loam.config.products import Products
from loam.config.requests import Requests
from loam.config.samples import Sampling
from loam.config.sar import Sar
from loam.config.sources import Sources
from loam.config.twin import Twin


class Config(Section):
    """A whole configuration."""

    area: Name
    run: Name
    period: Period
    grid: Grid
    twin: Twin
    sources: Sources
    sar: Sar
    moisture: Moisture
    covariates: Covariates
    samples: Sampling
    learning: Learning
    evaluation: Evaluation
    products: Products
    requests: Requests

    @model_validator(mode="after")
    def _maps_can_be_made(self) -> Self:
        maps, known = self.products.maps, sorted(self.learning.active)
        if maps.experiment not in known:
            msg = f"products.maps.experiment = '{maps.experiment}' is no experiment; name one of {known}"
            raise ValueError(msg)
        period = (self.period.end - self.period.start).days + 1
        if maps.last_days > period:
            msg = f"products.maps.last_days = {maps.last_days}: the period has {period} days; give at most as many"
            raise ValueError(msg)
        if not self.map_days:
            msg = "products.maps: no day to map; give dates, or last_days above 0"
            raise ValueError(msg)
        for day in maps.dates:
            if not self.period.start <= day <= self.period.end:
                msg = f"products.maps.dates: {day} is outside the period {self.period.start} to {self.period.end}"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _scenes_need_a_grid_and_a_datum(self) -> Self:
        if self.sources.backscatter.kind == "cube":
            return self
        if "source" in (self.grid.aoi, self.grid.crs):
            msg = "grid.aoi, grid.crs: 'source' is a backscatter cube's, but the sources are scenes; give bounds or a polygon, and a CRS"
            raise ValueError(msg)
        if self.sources.dem.path and self.sources.dem.geoid is None:
            msg = "sources.dem.geoid: the DEM's vertical datum is not named; set ellipsoid, the geoid's height in metres, or a raster of it"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_speckle_filter_mixes_random_units(self) -> Self:
        images, share = self.sar.speckle.images, self.samples.splits.random_share
        if images != "none" and share:
            msg = (
                f"samples.splits.random_share = {share:g}: sar.speckle.images = '{images}' filters these held-out units with training "
                "dates; set it to 0, or images to none"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _moisture_has_its_sources(self) -> Self:
        mode, derived = self.moisture.vegetation.mode, self.moisture.derived
        if mode in {"flag", "ndvi", "water_cloud"} and not self.sources.uses("ndvi"):
            msg = f"moisture.vegetation.mode = '{mode}' needs NDVI; set sources.ndvi.path, or choose none or cross_ratio"
            raise ValueError(msg)
        if self.moisture.references.beta_fallback == "landcover" and not self.sources.uses(
            "landcover"
        ):
            msg = "moisture.references.beta_fallback = 'landcover' needs land cover; set sources.landcover.path, or choose track"
            raise ValueError(msg)
        if derived.volumetric and not self.sources.uses("soil"):
            msg = "moisture.derived.volumetric = true needs soil properties; set sources.soil.path, or choose false"
            raise ValueError(msg)
        return self

    @property
    def made_by_the_twin(self) -> str:
        """Start of every path that the twin writes."""
        return f"resources/{self.area}/twin/"

    @property
    def map_days(self) -> list[date]:
        """Days that become maps, in order."""
        maps, end = self.products.maps, self.period.end
        last = {end - timedelta(days=back) for back in range(maps.last_days)}
        return sorted({*maps.dates, *(day for day in last if day >= self.period.start)})

    def section(self, dotted: str) -> Any:
        """Part of the configuration by its dotted name, `learning.train`."""
        part: Any = self
        for key in dotted.split("."):
            part = part[key] if isinstance(part, dict) else getattr(part, key)
        return part
