"""From backscatter to soil moisture, its uncertainty and its flags, compiled."""

import numpy as np

from loam.core.flags import Flag
from loam.moisture.compiled import compiled
from loam.moisture.kernels import REFERENCE_ANGLE_DEG

_BITS = (Flag.CLIPPED_LOW, Flag.CLIPPED_HIGH, Flag.NO_OBSERVATION, Flag.STANDING_WATER)
LOW, HIGH, NOTHING, FLOOD = (np.int32(int(bit)) for bit in _BITS)


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
