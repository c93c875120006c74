"""The daily water balance of every pixel: snow, a 5 cm surface layer, the root zone below, and ground water."""

from dataclasses import dataclass

import numpy as np

from loam.twin.landscape import Soil
from loam.twin.vegetation import covered_share, leaf_area

SURFACE_MM = 50.0  # what C-band sees into: the top 5 cm
ROOT_MM = 450.0  # ASSUME: roots reach 50 cm
ROOTS_IN_SURFACE = 0.2  # of the roots in the top 5 cm: 1 - 0.96^5 (Jackson et al. 1996)
FIELD_SATURATED = 0.5  # field conductivity over Saxton & Rawls', for trapped air (Bouwer 1966)
WETNESS_SLOWS = 0.5  # ASSUME: drainage per standard deviation of wetness index falls by exp(-0.5): a higher water table
EXCHANGE_DAYS = 6.0  # ASSUME: time in which the root zone rewets a dry surface (force-restore, Noilhan & Planton 1989)
GROUND_DAYS = 30.0  # ASSUME: recession of the ground water
RETURNED = (
    0.5  # ASSUME: share of the base flow that wets convergent ground on its way to the stream
)
MELT_MM = 3.0  # degree-day factor of snow [mm K-1 d-1] (Hock 2003)
BEAM_SHARE = (
    0.45  # ASSUME: share of ET that follows the direct beam: radiation term 0.75, beam 0.6 of it
)


@dataclass(frozen=True)
class State:
    """Water in store [mm], `(y, x)` float64; ground water is one store for the whole area."""

    snow: np.ndarray
    surface: np.ndarray
    root: np.ndarray
    ground: float


@dataclass(frozen=True)
class Day:
    """What the weather and the plants do on one day, `(y, x)`."""

    precipitation_mm: np.ndarray
    temperature_degc: np.ndarray
    reference_et_mm: np.ndarray  # already for the pixel's slope and aspect
    ndvi: np.ndarray


@dataclass(frozen=True)
class Fluxes:
    """Water that left on one day, area mean [mm]."""

    evapotranspiration: float
    runoff: float
    base_flow: float


@dataclass(frozen=True)
class Ground:
    """What does not change: the soil, with its drainage [mm d-1] and its share of the returned base flow, mean 1."""

    soil: Soil
    conductivity: np.ndarray
    convergence: np.ndarray


def prepare_ground(soil: Soil, wetness: np.ndarray) -> Ground:
    """Combine soil and topography.

    Args:
        soil: soil properties `(y, x)`.
        wetness: standardised wetness index `(y, x)`.
    """
    conductivity = FIELD_SATURATED * soil.ksat * np.exp(-WETNESS_SLOWS * wetness)
    # TOPMODEL (Beven & Kirkby 1979): the saturation deficit falls linearly with the index, so the share grows with it.
    share = np.exp(wetness.clip(-3, 3))
    return Ground(soil, conductivity, share / share.mean())


def initial_state(soil: Soil) -> State:
    """Both layers at field capacity, no snow; the spin-up forgets it."""
    return State(
        np.zeros_like(soil.theta_fc), SURFACE_MM * soil.theta_fc, ROOT_MM * soil.theta_fc, 20.0
    )


def storage(state: State) -> float:
    """All water in store, area mean [mm]."""
    return float(state.snow.mean() + state.surface.mean() + state.root.mean()) + state.ground


def relative_saturation(state: State, soil: Soil) -> np.ndarray:
    """Surface soil moisture `(theta - theta_r) / (theta_s - theta_r)`, `(y, x)` float32 [0..1]."""
    theta = state.surface / SURFACE_MM
    return ((theta - soil.theta_r) / (soil.theta_s - soil.theta_r)).clip(0, 1).astype(np.float32)


def step_day(state: State, day: Day, ground: Ground) -> tuple[State, Fluxes]:
    """Carry the stores through one day.

    Args:
        state: stores in the morning.
        day: the day's weather and plants.
        ground: soil and topography.

    Returns:
        Stores in the evening and what left. Storage plus precipitation equals storage plus fluxes.
    """
    snow, liquid = _melt(state.snow, day)
    # 0.2 mm a leaf layer (Dickinson 1984).
    caught = np.minimum(np.minimum(liquid, 0.2 * leaf_area(day.ndvi)), day.reference_et_mm)
    surface, root = (
        state.surface,
        state.root + RETURNED * state.ground / GROUND_DAYS * ground.convergence,
    )
    # ASSUME: rain falls at noon on average: half a day of drainage before it, half a day after.
    surface, root, deep_am = _drain(surface, root, 0.5, day, ground)
    surface, root, runoff = _infiltrate(surface + liquid - caught, root, ground.soil)
    surface, root, deep_pm = _drain(surface, root, 0.5, day, ground)
    surface, root, taken = _evaporate(surface, root, day, caught, ground.soil)
    surface, root = _exchange(surface, root, day)
    released = state.ground / GROUND_DAYS
    rest = state.ground - released + float((deep_am + deep_pm).mean())
    fluxes = Fluxes(float((caught + taken).mean()), float(runoff.mean()), (1 - RETURNED) * released)
    return State(snow, surface, root, rest), fluxes


def _melt(snow: np.ndarray, day: Day) -> tuple[np.ndarray, np.ndarray]:
    """Snow that stays, and rain plus melt water [mm]."""
    cold = day.temperature_degc < 0
    snow = snow + np.where(cold, day.precipitation_mm, 0.0)
    melt = np.minimum(snow, MELT_MM * day.temperature_degc.clip(min=0))
    return snow - melt, np.where(cold, 0.0, day.precipitation_mm) + melt


def _infiltrate(
    surface: np.ndarray, root: np.ndarray, soil: Soil
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill the layers: what the surface cannot hold goes to the root zone; what that cannot hold runs off."""
    over = (surface - SURFACE_MM * soil.theta_s).clip(min=0)
    taken = np.minimum(over, (ROOT_MM * soil.theta_s - root).clip(min=0))
    return surface - over, root + taken, over - taken


def _drain(
    surface: np.ndarray, root: np.ndarray, days: float, day: Day, ground: Ground
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gravity drainage of both layers; frozen ground does not drain. The last result goes to the ground water [mm]."""
    soil = ground.soil
    thawed = day.temperature_degc >= 0
    # A root zone above field capacity has a gradient against the water from above, none is left when it is saturated.
    full = ((root / ROOT_MM - soil.theta_fc) / (soil.theta_s - soil.theta_fc)).clip(0, 0.98)
    room = (ROOT_MM * soil.theta_s - root).clip(min=0)
    down = np.minimum(
        drained(surface, SURFACE_MM, (1 - full) * days * ground.conductivity, soil) * thawed, room
    )
    root = root + down
    # ASSUME: a denser subsoil conducts a twentieth of the topsoil (argillic horizons of Ultisols).
    deep = drained(root, ROOT_MM, 0.05 * days * ground.conductivity, soil) * thawed
    # Base flow that finds the root zone full wells up.
    over = (root - deep - ROOT_MM * soil.theta_s).clip(min=0)
    return surface - down + over, root - deep - over, deep


def drained(water: np.ndarray, depth_mm: float, conducted_mm: np.ndarray, soil: Soil) -> np.ndarray:
    """Water that leaves a layer under unit gradient with Brooks & Corey conductivity: the exact solution.

    `ds/dt = -K s^n / (theta_s d)`, so `s(t) = [s0^(1-n) + (n-1) K t / (theta_s d)]^(-1/(n-1))`, `s = theta / theta_s`.

    Args:
        water: in the layer `(y, x)` [mm].
        depth_mm: of the layer [mm].
        conducted_mm: saturated conductivity times duration `(y, x)` [mm].
        soil: gives `theta_s` and the exponent `n`.

    Returns:
        `(y, x)` float64 [mm], from 0 to `water`.
    """
    # Single precision halves the time of the powers; what leaves one store enters the next, so no water is lost.
    capacity = (depth_mm * soil.theta_s).astype(np.float32)
    power = (soil.exponent - 1).astype(np.float32)
    start = np.minimum(water.astype(np.float32) / capacity, np.float32(1))
    slowed = (1 + power * conducted_mm.astype(np.float32) / capacity * start**power) ** (-1 / power)
    return np.asarray((capacity * start * (1 - slowed)).astype(float))


def _evaporate(
    surface: np.ndarray, root: np.ndarray, day: Day, caught: np.ndarray, soil: Soil
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dual crop coefficient (FAO-56, ch. 7): bare ground evaporates, plants draw on both layers. The last is taken [mm]."""
    demand = day.reference_et_mm - caught
    # Basal coefficient (after Bausch & Neale 1987).
    plants = (1.25 * covered_share(day.ndvi) * 0.9).clip(0.05, 1.1)
    least, most = SURFACE_MM * soil.theta_r, SURFACE_MM * soil.theta_fc
    evaporated = demand * (1.15 - plants) * _stress(surface, least, most, 0.7)
    sip = (
        demand * plants * ROOTS_IN_SURFACE * _stress(surface, SURFACE_MM * soil.theta_wp, most, 0.5)
    )
    draw = (
        demand
        * plants
        * (1 - ROOTS_IN_SURFACE)
        * _stress(root, ROOT_MM * soil.theta_wp, ROOT_MM * soil.theta_fc, 0.5)
    )
    out = np.minimum(evaporated + sip, (surface - least).clip(min=0))
    draw = np.minimum(draw, (root - ROOT_MM * soil.theta_wp).clip(min=0))
    return surface - out, root - draw, out + draw


def _stress(water: np.ndarray, least: np.ndarray, most: np.ndarray, onset: float) -> np.ndarray:
    """Reduction of ET [0..1]: none above `onset` of the available water, linear to nothing at `least` (FAO-56, eq. 84)."""
    return np.asarray(((water - least) / (onset * (most - least))).clip(0, 1))


def _exchange(surface: np.ndarray, root: np.ndarray, day: Day) -> tuple[np.ndarray, np.ndarray]:
    """Capillary rise into a surface drier than the root zone; none through frozen ground."""
    rise = SURFACE_MM * (root / ROOT_MM - surface / SURFACE_MM).clip(min=0) / EXCHANGE_DAYS
    rise = rise * (day.temperature_degc >= 0)
    return surface + rise, root - rise
