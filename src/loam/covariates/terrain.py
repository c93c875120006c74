"""Terrain attributes of a projected elevation model."""

import numpy as np
from affine import Affine
from scipy.ndimage import correlate1d, laplace, sobel

FLATTEST = np.tan(np.radians(0.1))


def gradients(
    height: np.ndarray, pixel_m: float | tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Slope components eastward and northward [m/m] by Horn (1981), rows running south.

    Args:
        height: `(y, x)` [m] on a projected grid.
        pixel_m: edge of a pixel, or its edges across and down [m].
    """
    across, down = edges_m(pixel_m)
    return sobel(height, axis=1, mode="nearest") / (8 * across), -sobel(
        height, axis=0, mode="nearest"
    ) / (8 * down)


def edges_m(pixel_m: float | tuple[float, float]) -> tuple[float, float]:
    """Edges of a pixel across and down [m], of one number or of two."""
    return pixel_m if isinstance(pixel_m, tuple) else (pixel_m, pixel_m)


def terrain_attributes(
    height: np.ndarray,
    pixel_m: float | tuple[float, float],
    *,
    curvature: bool = False,
    wetness_index: bool,
) -> dict[str, np.ndarray]:
    """Elevation [m], slope [degree], northness and eastness [1], maybe curvature [1/m] and wetness index, each `(y, x)`.

    Northness and eastness are the components of the surface normal: sin(slope) times cosine and sine of the aspect,
    so that they fade to zero on flat ground, where aspect means nothing.

    Args:
        height: `(y, x)` [m] on a projected grid, rows running south.
        pixel_m: edge of a pixel, or its edges across and down [m].
        curvature: make it too.
        wetness_index: make it too.
    """
    east, north = gradients(height, pixel_m)
    steepness = np.hypot(east, north)
    length = np.sqrt(1 + steepness**2)
    attributes = {
        "elevation": height,
        "slope": np.degrees(np.arctan(steepness)),
        "northness": -north / length,
        "eastness": -east / length,
    }
    if curvature:
        attributes["curvature"] = mean_curvature(height, pixel_m)
    if wetness_index:
        attributes["wetness_index"] = topographic_wetness_index(height, steepness, pixel_m)
    return attributes


def mean_curvature(height: np.ndarray, pixel_m: float | tuple[float, float]) -> np.ndarray:
    """Curvature of the ground [1/m], `(y, x)`: positive on ridges, negative in hollows.

    The sum of the second derivatives with its sign turned (Zevenbergen and Thorne 1987, equation 10: 2 (D + E)).

    Args:
        height: `(y, x)` [m] on a projected grid.
        pixel_m: edge of a pixel, or its edges across and down [m].
    """
    across, down = edges_m(pixel_m)
    if across == down:
        return -laplace(height, mode="nearest") / across**2
    second = (
        correlate1d(height, [1.0, -2.0, 1.0], axis=axis, mode="nearest") / edge**2
        for axis, edge in ((1, across), (0, down))
    )
    return -sum(second)


def topographic_wetness_index(
    height: np.ndarray, steepness: np.ndarray, pixel_m: float | tuple[float, float]
) -> np.ndarray:
    """Topographic wetness index ln(a / tan(slope)) (Beven and Kirkby 1979), `(y, x)` [1].

    Args:
        height: `(y, x)` [m], without voids.
        steepness: tangent of the slope [m/m].
        pixel_m: edge of a pixel, or its edges across and down [m]; water leaves a pixel across their geometric mean.
    """
    import pyflwdir

    across, down = edges_m(pixel_m)

    flow = pyflwdir.from_dem(
        height.astype(np.float32),
        nodata=-9999.0,
        transform=Affine(across, 0, 0, 0, -down, 0),
        latlon=False,
    )
    specific_area = np.maximum(flow.upstream_area("m2"), across * down) / np.sqrt(across * down)
    return np.log(specific_area / np.maximum(steepness, FLATTEST))
