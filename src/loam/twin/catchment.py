"""One synthetic catchment put together: what is there, what the weather does to it, what a satellite gets to see."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.config.twin import Twin
from loam.twin import evaporation, radar, safe, vegetation, water_balance
from loam.twin.fields import Interpolator
from loam.twin.landscape import (
    Soil,
    Terrain,
    hydraulic_soil,
    make_landcover,
    make_parcels,
    make_terrain,
    make_texture,
    vary_texture,
)
from loam.twin.relief import Relief
from loam.twin.sight import local_incidence
from loam.twin.weather import (
    KELVIN,
    MARYLAND,
    extraterrestrial_radiation,
    simulate_weather,
    weather_centres,
)

SOIL_PIXEL_M = 100.0  # of the soil map
WEATHER_LEAD_DAYS = 150  # the weather file begins this long before the period
NDVI_LEAD_DAYS = 60
STREAMS = (
    "terrain",
    "texture",
    "detail",
    "parcels",
    "landcover",
    "phenology",
    "years",
    "roughness",
    "weather",
)


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """Seed the generator of one part of the twin, so that a change to one leaves the others as they were.

    Args:
        seed: the twin's seed.
        name: a name in `STREAMS`, or numbers.
    """
    return np.random.default_rng(
        [seed, *(STREAMS.index(part) if isinstance(part, str) else 1000 + part for part in name)]
    )


@dataclass(frozen=True)
class Catchment:
    """The landscape, its vegetation and its weather."""

    grid: GeoBox
    period: Period
    twin: Twin
    terrain: Terrain
    soil: Soil  # as it is
    soil_map: tuple[GeoBox, Soil]  # as a survey knows it
    parcels: np.ndarray
    landcover: np.ndarray
    phenology: vegetation.Phenology
    surface: radar.Surface
    weather: xr.Dataset

    @cached_property
    def latitude_deg(self) -> float:
        """Latitude of the area's centre [degree]."""
        return _latitude(self.grid)

    @cached_property
    def interpolate(self) -> Interpolator:
        """From the weather's grid to the target grid."""
        return Interpolator(self.grid, self.weather["y"].values, self.weather["x"].values)

    @cached_property
    def late_years(self) -> dict[int, float]:
        """How late each year's vegetation is [day]."""
        times = pd.DatetimeIndex(self.weather["time"].values)
        return vegetation.year_shifts(
            times[0].date(), times[-1].date(), stream(self.twin.seed, "years")
        )

    @cached_property
    def incidence_deg(self) -> dict[str, np.ndarray]:
        """Local incidence angle by track, `(y, x)` float32 [degree]."""
        relief = Relief(self.ground, self.terrain.elevation_m)
        orbits = {
            track.name: safe.orbit_past(self.ground, track.incidence_deg, track.ascending)
            for track in radar.TRACKS
        }
        return {name: local_incidence(relief, orbit, self.grid) for name, orbit in orbits.items()}

    @cached_property
    def ground(self) -> GeoBox:
        """The grid with the margin that the terrain has."""
        return self.grid.pad(self.terrain.margin_px)

    def view_of(self, track: radar.Track) -> safe.View:
        """How a track sees the ground. Not kept: it is large."""
        return safe.look_at(
            self.ground,
            self.terrain.elevation_m,
            incidence_deg=track.incidence_deg,
            ascending=track.ascending,
            relative_orbit=track.relative_orbit,
        )

    @cached_property
    def sun_factor(self) -> list[np.ndarray]:
        """Demand for water on the slope over that on flat ground, for each month, `(y, x)` float32 [1]."""
        slope, aspect, share = (
            self.terrain.slope_rad,
            self.terrain.aspect_rad,
            water_balance.BEAM_SHARE,
        )
        middles = [15 + 30 * month for month in range(12)]
        return [
            1 + share * (evaporation.beam_ratio(slope, aspect, self.latitude_deg, day) - 1)
            for day in middles
        ]

    def ndvi_on(self, day: date) -> np.ndarray:
        """NDVI `(y, x)` float32 [1]."""
        return vegetation.ndvi_on(day, self.phenology, self.late_years[day.year])

    def frozen_on(self, day: date) -> np.ndarray:
        """Whether the ground is frozen: a mean air temperature below 0 degC, `(y, x)`."""
        return np.asarray(
            self.interpolate(self.weather["temperature"].sel(time=str(day)).values) < KELVIN
        )


def make_catchment(grid: GeoBox, period: Period, twin: Twin) -> Catchment:
    """Draw everything that is seeded but the speckle and the clouds.

    Args:
        grid: the target grid.
        period: days to cover; the weather begins earlier.
        twin: section `twin`.
    """
    seed, pixel = twin.seed, grid.resolution.x
    shape = (int(grid.shape.y), int(grid.shape.x))
    terrain = make_terrain(grid, twin.relief_m, stream(seed, "terrain"))
    parcels = make_parcels(shape, pixel, stream(seed, "parcels"))
    landcover = make_landcover(terrain, parcels, pixel, stream(seed, "landcover"))
    phenology = vegetation.make_phenology(landcover, parcels, pixel, stream(seed, "phenology"))
    surface = radar.make_surface(landcover, parcels, pixel, stream(seed, "roughness"))
    soil_map, soil = _make_soils(grid, seed)
    weather = _make_weather(grid, period, twin)
    return Catchment(
        grid, period, twin, terrain, soil, soil_map, parcels, landcover, phenology, surface, weather
    )


def _make_soils(grid: GeoBox, seed: int) -> tuple[tuple[GeoBox, Soil], Soil]:
    pixel = max(SOIL_PIXEL_M, grid.resolution.x)
    box = GeoBox.from_bbox(grid.boundingbox.buffered(pixel), resolution=pixel)
    sand, clay = make_texture((int(box.shape.y), int(box.shape.x)), pixel, stream(seed, "texture"))
    to_grid = Interpolator(grid, box.coords["y"].values, box.coords["x"].values)
    fine = vary_texture(to_grid(sand), to_grid(clay), grid.resolution.x, stream(seed, "detail"))
    return (box, hydraulic_soil(sand, clay)), hydraulic_soil(*fine)


def _make_weather(grid: GeoBox, period: Period, twin: Twin) -> xr.Dataset:
    lead = timedelta(days=max(WEATHER_LEAD_DAYS, twin.spin_up_days, NDVI_LEAD_DAYS) + 1)
    days = pd.date_range(period.start - lead, period.end, unit="ns")
    y, x = weather_centres(grid)
    return simulate_weather(days, y, x, _latitude(grid), MARYLAND, stream(twin.seed, "weather"))


def _latitude(grid: GeoBox) -> float:
    return float(grid.extent.centroid.to_crs("EPSG:4326").coords[0][1])


def evening_moisture(catchment: Catchment) -> Iterator[np.ndarray]:
    """Run the water balance.

    Yields:
        Surface soil moisture `(y, x)` float32 [0..1] in the evening: of the day before the period, then of each of its days.
    """
    ground = water_balance.prepare_ground(catchment.soil, catchment.terrain.wetness)
    state = water_balance.initial_state(catchment.soil)
    first = pd.Timestamp(catchment.period.start) - pd.Timedelta(days=1)
    for today, day in daily_forcing(
        catchment, first - pd.Timedelta(days=catchment.twin.spin_up_days)
    ):
        state, _ = water_balance.step_day(state, day, ground)
        if today >= first:
            yield water_balance.relative_saturation(state, catchment.soil)


def daily_forcing(
    catchment: Catchment, first: pd.Timestamp
) -> Iterator[tuple[pd.Timestamp, water_balance.Day]]:
    """Weather and plants of every day from the first to the end of the period.

    Args:
        catchment: the catchment.
        first: first day.

    Yields:
        The day and what it does, on the grid.
    """
    weather = catchment.weather.sel(time=slice(first, None))
    demand = _reference_et(catchment, weather)
    ndvi = catchment.ndvi_on(first.date())
    for number, today in enumerate(pd.DatetimeIndex(weather["time"].values)):
        if number % 4 == 0:  # plants grow slowly; four days save time
            ndvi = catchment.ndvi_on(today.date())
        rain, temperature = (
            catchment.interpolate(weather[name].values[number])
            for name in ("precipitation", "temperature")
        )
        sun = catchment.sun_factor[today.month - 1]
        yield (
            today,
            water_balance.Day(
                rain, temperature - KELVIN, catchment.interpolate(demand[number]) * sun, ndvi
            ),
        )


def _reference_et(catchment: Catchment, weather: xr.Dataset) -> np.ndarray:
    """Compute reference ET on the weather's grid `(time, y, x)` [mm d-1]."""
    top = extraterrestrial_radiation(
        pd.DatetimeIndex(weather["time"].values), catchment.latitude_deg
    )
    names = (
        "temperature_min",
        "temperature_max",
        "relative_humidity",
        "wind_speed",
        "solar_radiation",
    )
    height = float(catchment.terrain.elevation_m.mean())
    low, high, humid, wind, sun = (weather[name].values for name in names)
    return evaporation.reference_et(low, high, humid, wind, sun, top[:, None, None], height)


def backscatter(
    catchment: Catchment, taken: radar.Acquisition, ssm: np.ndarray, polarisation: str
) -> np.ndarray:
    """Backscatter of one overpass as its calibration has it, without speckle and noise.

    Args:
        catchment: the catchment.
        taken: the overpass.
        ssm: surface soil moisture at that time `(y, x)` [0..1].
        polarisation: vv or vh.

    Returns:
        `(y, x)` gamma0 [linear].
    """
    twin, day = catchment.twin, taken.when.date()
    channel = radar.CHANNELS[polarisation]
    tilled = radar.tillage_db(catchment.parcels, catchment.landcover, day, twin.seed)
    surface = replace(catchment.surface, brightness_db=catchment.surface.brightness_db + tilled)
    wind = float(catchment.weather["wind_speed"].sel(time=str(day)).mean())
    scene = radar.Scene(ssm, catchment.ndvi_on(day), catchment.frozen_on(day), wind)
    clean = radar.backscatter_db(scene, catchment.incidence_deg[taken.track.name], surface, channel)
    offset = stream(twin.seed, 1, taken.number, channel.number).normal(0, radar.CALIBRATION_DB)
    return 10 ** (
        (clean + offset + (twin.platform_offset_db if taken.platform == "S1C" else 0.0)) / 10
    )


def observe(
    catchment: Catchment, view: safe.View, taken: radar.Acquisition, ssm: np.ndarray, folder: Path
) -> list[Path]:
    """Write the product of one overpass.

    Args:
        catchment: the catchment.
        view: how the overpass's track sees it.
        taken: the overpass.
        ssm: surface soil moisture at that time `(y, x)` [0..1].
        folder: where the product's folder goes.

    Returns:
        The product's folder, alone in a list.
    """
    margin = catchment.terrain.margin_px
    # Beyond the grid nothing is simulated: what lies inside is reflected, so that the image has no rim near the area.
    gamma0 = {
        name: np.pad(backscatter(catchment, taken, ssm, name), margin, mode="symmetric")
        for name in radar.CHANNELS
    }
    rng = stream(catchment.twin.seed, 3, taken.number)
    options = safe.Options(looks=catchment.twin.looks)
    return safe.write_pass(folder, view, gamma0, taken.when, taken.platform, options, rng)
