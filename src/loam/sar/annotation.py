"""What a Sentinel-1 product says about its image: timing, orbit, ground range, polarisation by polarisation."""

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from loam.core.errors import LoamError
from loam.sar.safe import Safe

LARGEST_EDGE = 200_000  # lines or samples; an IW GRD slice of 25 s has 17 000 and 26 000


@dataclass(frozen=True)
class StateVectors:
    """Positions and velocities of the satellite, Earth-fixed."""

    times: np.ndarray  # UTC, datetime64[ns] (vector)
    position_m: np.ndarray  # (vector, axis)
    velocity_ms: np.ndarray  # (vector, axis)
    source: str  # precise | restituted | annotation


@dataclass(frozen=True)
class GroundRange:
    """How slant range becomes ground range: a polynomial per time, `gr = sum_k c_k (sr - sr0)^k`."""

    times: np.ndarray  # UTC, datetime64[ns] (record)
    start_m: np.ndarray  # sr0 (record) [m]
    coefficients: np.ndarray  # (record, power)


@dataclass(frozen=True)
class Annotation:
    """One polarisation's image of one product.

    Line `i` has the zero-Doppler time `first_line + i line_interval_s`, sample `j` the ground range `j range_spacing_m`.
    """

    first_line: np.datetime64
    line_interval_s: float
    range_spacing_m: float
    lines: int
    samples: int
    orbit: StateVectors
    ground_range: GroundRange
    latitude: np.ndarray  # of the tie points [degree]
    longitude: np.ndarray  # of the tie points [degree]
    tie_times: np.ndarray  # of their rows, UTC, datetime64[ns]


def read_annotation(safe: Safe, polarisation: str) -> Annotation:
    """Read the annotation of one polarisation.

    Args:
        safe: the product.
        polarisation: vv or vh.

    Raises:
        LoamError: the file is missing or lacks something.
    """
    name = safe.find("annotation", "", polarisation, ".xml")
    root = safe.xml(name)
    try:
        image = root.find("imageAnnotation/imageInformation")
        assert image is not None
        found = Annotation(
            first_line=np.datetime64(_text(image, "productFirstLineUtcTime"), "ns"),
            line_interval_s=float(_text(image, "azimuthTimeInterval")),
            range_spacing_m=float(_text(image, "rangePixelSpacing")),
            lines=int(_text(image, "numberOfLines")),
            samples=int(_text(image, "numberOfSamples")),
            orbit=_orbit(root),
            ground_range=_ground_range(root),
            latitude=_numbers(
                root, "geolocationGrid/geolocationGridPointList/geolocationGridPoint/latitude"
            ),
            longitude=_numbers(
                root, "geolocationGrid/geolocationGridPointList/geolocationGridPoint/longitude"
            ),
            tie_times=np.unique(
                times_of(
                    root,
                    "geolocationGrid/geolocationGridPointList/geolocationGridPoint/azimuthTime",
                )
            ),
        )
        if not min(found.line_interval_s, found.range_spacing_m, found.lines, found.samples) > 0:
            msg = "a spacing or size of zero"
            raise ValueError(msg)
        if max(found.lines, found.samples) > LARGEST_EDGE:
            msg = f"{found.lines} lines of {found.samples} samples"
            raise ValueError(msg)
        if np.isnat(found.first_line):
            msg = "no time of the first line"
            raise ValueError(msg)
    except (AssertionError, ValueError) as error:
        msg = f"{safe.path}: {name} is not the annotation of a GRD image ({str(error)[:80] or 'no image'}); download the product again"
        raise LoamError(msg) from None
    return found


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        msg = f"no {path}"
        raise ValueError(msg)
    return text.strip()


def _numbers(root: ElementTree.Element, path: str) -> np.ndarray:
    return np.array([float(found.text or "nan") for found in root.findall(path)])


def times_of(root: ElementTree.Element, path: str) -> np.ndarray:
    """All times at a path, datetime64[ns]."""
    texts = [(found.text or "").strip().removeprefix("UTC=") for found in root.findall(path)]
    return np.array([np.datetime64(text, "ns") for text in texts], dtype="datetime64[ns]")


def _orbit(root: ElementTree.Element) -> StateVectors:
    at = "generalAnnotation/orbitList/orbit"
    axes = [
        [_numbers(root, f"{at}/{what}/{axis}") for axis in "xyz"]
        for what in ("position", "velocity")
    ]
    position, velocity = (np.stack(columns, axis=1) for columns in axes)
    return StateVectors(times_of(root, f"{at}/time"), position, velocity, "annotation")


def _ground_range(root: ElementTree.Element) -> GroundRange:
    at = "coordinateConversion/coordinateConversionList/coordinateConversion"
    texts = [found.text or "" for found in root.findall(f"{at}/srgrCoefficients")]
    if not texts:
        msg = "no coordinateConversion: not ground range"
        raise ValueError(msg)
    coefficients = [np.array(text.split(), dtype=np.float64) for text in texts]
    longest = max(map(len, coefficients))
    padded = np.stack([np.pad(row, (0, longest - len(row))) for row in coefficients])
    return GroundRange(times_of(root, f"{at}/azimuthTime"), _numbers(root, f"{at}/sr0"), padded)
