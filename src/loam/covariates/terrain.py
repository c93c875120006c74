"""Terrain attributes of a projected elevation model."""

import numpy as np
from affine import Affine
from scipy.ndimage import laplace, sobel

FLATTEST = np.tan(np.radians(0.1))


def gradients(height: np.ndarray, pixel_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope components eastward and northward [m/m] by Horn (1981), rows running south.

    Args:
        height: `(y, x)` [m] on a projected grid.
        pixel_m: pixel size [m].
    """
    scale = 8 * pixel_m
    return sobel(height, axis=1, mode="nearest") / scale, -sobel(height, axis=0, mode="nearest") / scale


def terrain_attributes(height: np.ndarray, pixel_m: float, *, curvature: bool = False, wetness_index: bool) -> dict[str, np.ndarray]:
    """Elevation [m], slope [degree], northness and eastness [1], maybe curvature [1/m] and wetness index, each `(y, x)`.

    Northness and eastness are the components of the surface normal: sin(slope) times cosine and sine of the aspect,
    so that they fade to zero on flat ground, where aspect means nothing.
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


def mean_curvature(height: np.ndarray, pixel_m: float) -> np.ndarray:
    """Curvature of the ground [1/m], `(y, x)`: positive on ridges, negative in hollows.

    The sum of the second derivatives with its sign turned (Zevenbergen and Thorne 1987, equation 10: 2 (D + E)).

    Args:
        height: `(y, x)` [m] on a projected grid.
        pixel_m: pixel size [m].
    """
    return -laplace(height, mode="nearest") / pixel_m**2


def topographic_wetness_index(height: np.ndarray, steepness: np.ndarray, pixel_m: float) -> np.ndarray:
    """Topographic wetness index ln(a / tan(slope)) (Beven and Kirkby 1979), `(y, x)` [1].

    Args:
        height: `(y, x)` [m], without voids.
        steepness: tangent of the slope [m/m].
        pixel_m: pixel size [m].
    """
    import pyflwdir

    flow = pyflwdir.from_dem(
        height.astype(np.float32), nodata=-9999.0, transform=Affine(pixel_m, 0, 0, 0, -pixel_m, 0), latlon=False
    )  # fmt: skip
    specific_area = np.maximum(flow.upstream_area("m2"), pixel_m**2) / pixel_m
    return np.log(specific_area / np.maximum(steepness, FLATTEST))
