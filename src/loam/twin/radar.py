"""What Sentinel-1 would see: tracks, passes, scattering of soil and plants."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from loam.config.base import Period
from loam.config.twin import Twin
from loam.twin.fields import random_field
from loam.twin.landscape import BUILT, CROP, GRASS, TREE, WATER

# Of soil; ice does not store the field as water does (Wegmueller 1990: 3 dB and more at C-band).
FROZEN_DB = -3.0
CALIBRATION_DB = 0.1  # ASSUME: 1 sigma between dates, the same over a scene
REFERENCE_DEG = 40.0


@dataclass(frozen=True)
class Track:
    """A relative orbit as the area sees it."""

    name: str  # A or D, ascending or descending, and the number of the relative orbit
    incidence_deg: float  # on the ellipsoid, at the area's centre
    overpass: time  # UTC
    first_day: int  # after the start of the period [half repeat cycles]

    @property
    def ascending(self) -> bool:
        """Whether the satellite flies northwards."""
        return self.name[0] == "A"

    @property
    def relative_orbit(self) -> int:
        """Number of the orbit in the repeat cycle."""
        return int(self.name[1:])


TRACKS = (
    Track("A004", 37.0, time(22, 50), 0),
    Track("D106", 41.0, time(11, 5), 1),
)


@dataclass(frozen=True)
class Channel:
    """How one polarisation scatters. All in dB at 40 degrees, unless said otherwise.

    ASSUME: magnitudes as in C-band time series over temperate farmland: about 7 dB from dry to wet bare soil in VV
    (Ulaby et al. 1986), slopes of -0.10 to -0.15 dB/degree, Water Cloud coefficients for NDVI of the size that
    El Hajj et al. (2017, Remote Sens. 9, 1292) calibrated on Sentinel-1.
    """

    number: int  # of the random stream
    dry: float
    sensitivity: float  # wet minus dry
    slope: float  # [dB/degree]
    canopy_a: float  # Water Cloud A, scattering of the canopy [linear]
    canopy_b: float  # Water Cloud B, its attenuation [1]
    forest: float
    built: float
    water: float


CHANNELS = {
    "vv": Channel(0, -15.0, 7.0, -0.13, 0.095, 0.55, -8.5, -3.0, -20.0),
    "vh": Channel(1, -23.0, 4.5, -0.12, 0.041, 1.17, -14.0, -10.0, -27.0),
}


@dataclass(frozen=True)
class Acquisition:
    """One overpass."""

    number: int
    when: datetime  # UTC
    track: Track
    platform: str


@dataclass(frozen=True)
class Surface:
    """What does not change in a pixel, all `(y, x)`."""

    landcover: np.ndarray
    brightness_db: np.ndarray  # by roughness of soil, or by the making of a town or a wood
    sensitivity: np.ndarray  # relative to the channel's [1]


@dataclass(frozen=True)
class Scene:
    """What changes from overpass to overpass: `(y, x)` and the wind over water."""

    ssm: np.ndarray  # relative saturation [0..1]
    ndvi: np.ndarray  # [1]
    frozen: np.ndarray  # bool
    wind: float  # area mean [m s-1]


def acquisitions(period: Period, twin: Twin) -> list[Acquisition]:
    """All overpasses of the period, in order of time; S1C takes over from S1A in the middle."""
    turn = datetime.combine(period.start, time()) + (period.end - period.start) / 2
    passes = []
    for track in TRACKS:
        day = period.start + timedelta(days=track.first_day * twin.repeat_days // 2)
        while day <= period.end:
            passes.append((datetime.combine(day, track.overpass), track))
            day += timedelta(days=twin.repeat_days)
    passes.sort(key=lambda entry: entry[0])
    return [
        Acquisition(number, when, track, "S1A" if when < turn else "S1C")
        for number, (when, track) in enumerate(passes)
    ]


def make_surface(
    landcover: np.ndarray, parcels: np.ndarray, resolution_m: float, rng: np.random.Generator
) -> Surface:
    """Draw roughness by field and within fields, and the texture of towns and woods.

    Args:
        landcover: ESA WorldCover codes `(y, x)`.
        parcels: number of the field `(y, x)`.
        resolution_m: pixel [m].
        rng: source of randomness.
    """
    rough = rng.normal(0, 1.0, parcels.max() + 1)[parcels] + 0.6 * random_field(
        landcover.shape, 60 / resolution_m, rng
    )
    texture = rng.standard_normal(landcover.shape)
    brightness = np.select(
        [landcover == BUILT, landcover == TREE, landcover == WATER],
        [2.5 * texture, 0.6 * texture, 0.0],
        rough,
    )
    # ASSUME: rough soil is brighter and gains less from water: 5 to 9 dB in VV; sod lies above part of the grassland's soil.
    relative = (1 - 0.12 * rough).clip(0.72, 1.28) * np.where(landcover == GRASS, 0.9, 1.0)
    return Surface(landcover, brightness.astype(np.float32), relative.astype(np.float32))


def tillage_db(parcels: np.ndarray, landcover: np.ndarray, day: date, seed: int) -> np.ndarray:
    """Change of a crop field's brightness by the last tillage. ASSUME: 0.8 dB, new every 1 May and 10 October.

    Args:
        parcels: number of the field `(y, x)`.
        landcover: ESA WorldCover codes `(y, x)`.
        day: the day.
        seed: of the twin.

    Returns:
        `(y, x)` float32 [dB], 0 outside crops.
    """
    ploughed = 2 * day.year + ((day.month, day.day) >= (5, 1)) + ((day.month, day.day) >= (10, 10))
    change = np.random.default_rng([seed, 100, ploughed]).normal(0, 0.8, parcels.max() + 1)
    return np.where(landcover == CROP, change[parcels], 0).astype(np.float32)


def soil_db(
    ssm: np.ndarray,
    incidence_deg: np.ndarray,
    surface: Surface,
    frozen: np.ndarray,
    channel: Channel,
) -> np.ndarray:
    """Backscatter of bare soil: linear in moisture and in angle, less when frozen.

    Args:
        ssm: relative saturation `(y, x)` [0..1].
        incidence_deg: local `(y, x)` [degree].
        surface: roughness.
        frozen: `(y, x)` bool.
        channel: polarisation.

    Returns:
        `(y, x)` gamma0 [dB].
    """
    moist = channel.dry + channel.sensitivity * surface.sensitivity * ssm
    return np.asarray(
        moist
        + surface.brightness_db
        + channel.slope * (incidence_deg - REFERENCE_DEG)
        + FROZEN_DB * frozen
    )


def water_cloud(
    soil_power: np.ndarray, ndvi: np.ndarray, incidence_deg: np.ndarray, channel: Channel
) -> np.ndarray:
    """Soil below a canopy: the Water Cloud Model (Attema & Ulaby 1978), NDVI as its vegetation descriptor.

    Args:
        soil_power: bare soil `(y, x)` [linear].
        ndvi: `(y, x)` [1]; below 0 counts as none.
        incidence_deg: local `(y, x)` [degree].
        channel: polarisation.

    Returns:
        `(y, x)` [linear].
    """
    plants, cosine = ndvi.clip(min=0), np.cos(np.deg2rad(incidence_deg)).clip(0.1)
    through = np.exp(-2 * channel.canopy_b * plants / cosine)
    return np.asarray(channel.canopy_a * plants * cosine * (1 - through) + through * soil_power)


def backscatter_db(
    scene: Scene, incidence_deg: np.ndarray, surface: Surface, channel: Channel
) -> np.ndarray:
    """Noise-free backscatter of one overpass.

    Args:
        scene: the ground as it is.
        incidence_deg: local `(y, x)` [degree].
        surface: the ground as it always is; its brightness may include tillage.
        channel: polarisation.

    Returns:
        `(y, x)` gamma0 [dB].
    """
    soil = 10 ** (soil_db(scene.ssm, incidence_deg, surface, scene.frozen, channel) / 10)
    open_land = 10 * np.log10(water_cloud(soil, scene.ndvi, incidence_deg, channel))
    off = incidence_deg - REFERENCE_DEG
    # ASSUME: a closed canopy lets a tenth of the soil's signal through; frozen trees lose 1 dB.
    forest = (
        channel.forest
        + 0.1 * channel.sensitivity * scene.ssm
        - 0.05 * off
        - scene.frozen
        + surface.brightness_db
    )
    town = channel.built - 0.03 * off + surface.brightness_db
    # Waves brighten water, about 1 dB per m/s.
    water = channel.water + 1.0 * (min(scene.wind, 10.0) - 3.0) - 0.25 * off
    cover = surface.landcover
    return np.asarray(
        np.select([cover == TREE, cover == BUILT, cover == WATER], [forest, town, water], open_land)
    )
