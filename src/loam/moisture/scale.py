"""Soil moisture between references, from arrays."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from loam.moisture.backscatter import ALL_TRACKS, NO_ANGLE
from loam.moisture.compiled import over_rows
from loam.moisture.fitting import LAYERS
from loam.moisture.scaling import scale_rows


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
