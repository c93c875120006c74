"""Soil moisture between references, from arrays; the inner loop is compiled."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from loam.core.flags import Flag
from loam.moisture.backscatter import ALL_TRACKS, NO_ANGLE
from loam.moisture.compiled import compiled, over_rows
from loam.moisture.fitting import LAYERS
from loam.moisture.kernels import REFERENCE_ANGLE_DEG

_BITS = (Flag.CLIPPED_LOW, Flag.CLIPPED_HIGH, Flag.NO_OBSERVATION, Flag.STANDING_WATER)
LOW, HIGH, NOTHING, FLOOD = (np.int32(int(bit)) for bit in _BITS)


@dataclass(frozen=True)
class Moisture:
    """Results of some acquisitions, `(time, y, x)`."""

    ssm: np.ndarray  # float32 [1]
    uncertainty: np.ndarray  # 1 sigma, float32 [1]
    flags: np.ndarray  # bits of `Flag`, int32


@dataclass(frozen=True)
class Pixels:
    """References of a block: of every track at its own angle, and maybe of all tracks at 40 degrees.

    Attributes:
        own: dry, wet, sensitivity and their errors of every track `(track, 6, y, x)` [dB].
        merged: of all tracks `(6, y, x)` [dB], or None.
        slope: beta and its error `(2, season, y, x)` [dB/degree], NaN where none is accepted; read with `merged` alone.
    """

    own: np.ndarray
    merged: np.ndarray | None
    slope: np.ndarray

    def serving(self, track: int, season: int) -> tuple[np.ndarray, np.ndarray]:
        """References and slope for a track's dates of a season: merged where a slope is known, else the track's own."""
        if self.merged is None:
            return self.own[track], np.zeros((2, *self.own.shape[2:]), dtype=np.float32)
        known = np.isfinite(self.slope[0, season])
        return np.where(known, self.merged, self.own[track]), np.where(
            known, self.slope[:, season], np.float32(0)
        )


def relative_moisture(
    level: np.ndarray,
    variance: np.ndarray,
    angle: np.ndarray | None,
    pixels: Pixels,
    tracks: np.ndarray,
    seasons: np.ndarray,
    flags: np.ndarray,
    standing_water_db: float,
    threads: int = 1,
    out: Moisture | None = None,
) -> Moisture:
    """Where backscatter lies between its references: 0 dry, 1 wet, with its uncertainty and flags.

    Args:
        level: `(time, y, x)` [dB], NaN missing.
        variance: u² of it `(time, y, x)` [dB²].
        angle: local incidence `(time, y, x)` [degree], or None.
        pixels: references.
        tracks: place of every date's track in `pixels.own` `(time)`.
        seasons: season of every date, from 0 `(time)`.
        flags: bits known already `(time, y, x)`, or broadcastable.
        standing_water_db: how far below the dry reference water stands on the ground [dB].
        threads: rows are shared out to as many.
        out: arrays to write the results to, for who has them; new memory takes longer to get than the results to compute.
    """
    level, variance = (
        np.ascontiguousarray(values, dtype=np.float32) for values in (level, variance)
    )
    theta = (
        NO_ANGLE
        if angle is None or pixels.merged is None
        else np.ascontiguousarray(angle, dtype=np.float32)
    )
    out = out or Moisture(
        np.empty_like(level), np.empty_like(level), np.empty(level.shape, dtype=np.int32)
    )
    np.copyto(out.flags, flags)
    for track, season in sorted({*zip(tracks.tolist(), seasons.tolist(), strict=True)}):
        dates = np.flatnonzero((tracks == track) & (seasons == season))
        fitted, slope = (
            np.ascontiguousarray(values, dtype=np.float32)
            for values in pixels.serving(track, season)
        )
        _scale(level, variance, theta, dates, fitted, slope, standing_water_db, out, threads)
    return out


def _scale(
    level: np.ndarray,
    variance: np.ndarray,
    theta: np.ndarray,
    dates: np.ndarray,
    fitted: np.ndarray,
    slope: np.ndarray,
    flood_db: float,
    out: Moisture,
    threads: int,
) -> None:
    over_rows(
        lambda rows: scale_rows(
            level,
            variance,
            theta,
            dates,
            fitted,
            slope,
            flood_db,
            rows,
            out.ssm,
            out.uncertainty,
            out.flags,
        ),
        level.shape[1],
        threads,
    )


def pixels_of(references: xr.Dataset, names: list[str], merged: bool) -> Pixels:
    """References of a block as arrays, with a place of NaN for unknown tracks at the end."""
    layers = np.stack([references[name].values for name in LAYERS], axis=1)
    groups = references["track"].values.astype(str).tolist()
    own = with_unknown(layers[[groups.index(name) for name in names]], np.float32(np.nan))
    slope = np.stack([references["beta"].values, references["beta_error"].values])
    return Pixels(
        own, layers[groups.index(ALL_TRACKS)] if merged and ALL_TRACKS in groups else None, slope
    )


def with_unknown(layers: np.ndarray, value: np.generic) -> np.ndarray:
    """Layers by track `(track, y, x)`, with one more for tracks that were never seen in training."""
    return np.concatenate([layers, np.full_like(layers[:1], value)])


@compiled
def scale_rows(
    level: np.ndarray,
    variance: np.ndarray,
    angle: np.ndarray,
    dates: np.ndarray,
    fitted: np.ndarray,
    slope: np.ndarray,
    flood_db: float,
    rows: tuple[int, int],
    ssm: np.ndarray,
    uncertainty: np.ndarray,
    flags: np.ndarray,
) -> None:
    """Place acquisitions of one track between its references.

    SSM = (sigma - beta (theta - 40) - dry) / S, clipped to 0..1; its uncertainty by first-order propagation,
    u² = [u²(sigma40) + (1 - SSM)² u²(dry) + SSM² u²(wet) + 2 SSM (1 - SSM) cov(dry, wet)] / S², with
    u²(sigma40) = u²(sigma) + (theta - 40)² u²(beta) and cov from u²(S) = u²(dry) + u²(wet) - 2 cov.

    Args:
        level: `(time, y, x)` [dB], NaN missing.
        variance: u²(sigma), of speckle, calibration and vegetation `(time, y, x)` [dB²].
        angle: `(time, y, x)` [degree], or of no length: then no slope is applied.
        dates: places of the track's acquisitions `(date)`.
        fitted: dry, wet, sensitivity and their errors `(6, y, x)` [dB].
        slope: beta and its standard error `(2, y, x)` [dB/degree]; 0 where the references are at their own angle.
        flood_db: how far below the dry reference water stands on the ground [dB].
        rows: first row, and one past the last.
        ssm: `(time, y, x)` [1]; written.
        uncertainty: 1 sigma `(time, y, x)` [1]; written.
        flags: bits of `Flag` `(time, y, x)` int32; bits are added.
    """
    scale = np.empty((4, level.shape[2]), np.float32)
    for y in range(rows[0], rows[1]):
        _prepare_row(fitted[:, y], scale)
        for date in dates:
            sigma, u_sigma = level[date, y].copy(), variance[date, y].copy()
            if angle.size:
                _normalise_row(sigma, u_sigma, angle[date, y], slope[0, y], slope[1, y])
            _scale_row(sigma, fitted[0, y], scale[0], ssm[date, y])
            _uncertainty_row(u_sigma, ssm[date, y], scale, uncertainty[date, y])
            _flag_row(sigma, fitted[0, y], fitted[1, y], np.float32(flood_db), flags[date, y])


@compiled
def _prepare_row(fitted: np.ndarray, scale: np.ndarray) -> None:
    """1 / S, and the variance of the references as a polynomial of SSM: u²(dry) + [u²(wet) - u²(dry) - u²(S)] SSM + u²(S) SSM²."""
    for x in range(scale.shape[1]):
        u_dry, u_wet, u_span = fitted[3, x] ** 2, fitted[4, x] ** 2, fitted[5, x] ** 2
        scale[0, x] = 1 / fitted[2, x] if fitted[2, x] > 0 else np.nan
        scale[1, x], scale[2, x], scale[3, x] = u_dry, u_wet - u_dry - u_span, u_span


# One result and few inputs to a loop: with more, the compiler cannot rule out that they overlap and takes value by value.
@compiled
def _normalise_row(
    sigma: np.ndarray,
    variance: np.ndarray,
    angle: np.ndarray,
    beta: np.ndarray,
    beta_error: np.ndarray,
) -> None:
    for x in range(sigma.size):
        sigma[x] -= beta[x] * (angle[x] - REFERENCE_ANGLE_DEG)
    for x in range(sigma.size):
        error = beta_error[x] * (angle[x] - REFERENCE_ANGLE_DEG)
        variance[x] += error * error


@compiled
def _scale_row(sigma: np.ndarray, dry: np.ndarray, inverse: np.ndarray, ssm: np.ndarray) -> None:
    zero, one = np.float32(0), np.float32(1)
    for x in range(sigma.size):
        raw = (sigma[x] - dry[x]) * inverse[x]
        below = one if raw > one else raw
        ssm[x] = zero if below < zero else below


@compiled
def _uncertainty_row(
    variance: np.ndarray, ssm: np.ndarray, scale: np.ndarray, uncertainty: np.ndarray
) -> None:
    inverse, constant, linear, square = scale[0], scale[1], scale[2], scale[3]
    for x in range(ssm.size):
        total = variance[x] + constant[x] + (linear[x] + square[x] * ssm[x]) * ssm[x]
        uncertainty[x] = np.sqrt(total) * inverse[x]


@compiled
def _flag_row(
    sigma: np.ndarray, dry: np.ndarray, wet: np.ndarray, flood_db: np.float32, flags: np.ndarray
) -> None:
    zero = np.int32(0)
    for x in range(sigma.size):
        low = LOW if sigma[x] < dry[x] else zero
        high = HIGH if sigma[x] > wet[x] else zero
        nothing = NOTHING if sigma[x] != sigma[x] else zero
        flood = FLOOD if sigma[x] < dry[x] - flood_db else zero
        flags[x] |= low | high | nothing | flood
