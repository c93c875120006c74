"""The satellite's path: state vectors of the annotation or of an orbit file, and what lies between them."""

import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.polynomial import chebyshev

from loam.core.errors import LoamError
from loam.sar.annotation import StateVectors, times_of
from loam.sar.safe import UNREADABLE

KINDS = {"POEORB": "precise", "RESORB": "restituted"}
NAME = re.compile(
    r"(S1[A-D])_OPER_AUX_(POEORB|RESORB)_OPOD_\w+_V(\d{8}T\d{6})_(\d{8}T\d{6})\.EOF(?:\.zip)?$",
    re.IGNORECASE,
)
# Orbit files have a vector each 10 s over hours; these are enough to each side of the image for the fit below.
LARGEST_FILE = 2**26  # [byte]; a precise orbit has 5 MB
MARGIN_S = 60.0
DEGREE = 7  # of position over time; two minutes of orbit are then right to a millimetre
LARGEST_MISFIT_M = (
    0.5  # beyond it the vectors are damaged: neighbours of one orbit agree to millimetres
)


@dataclass(frozen=True)
class Orbit:
    """Position of the satellite as a polynomial of time, Earth-fixed."""

    epoch: np.datetime64
    span_s: tuple[float, float]  # first and last vector, after the epoch
    coefficients: np.ndarray  # Chebyshev (power, axis), over the span
    source: str

    @cached_property
    def _speed(self) -> np.ndarray:
        return chebyshev.chebder(self.coefficients, scl=2 / (self.span_s[1] - self.span_s[0]))

    @cached_property
    def _acceleration(self) -> np.ndarray:
        return chebyshev.chebder(self._speed, scl=2 / (self.span_s[1] - self.span_s[0]))

    def at(self, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position [m], velocity [m/s] and acceleration [m/s2], each `(axis, …)`.

        Args:
            time_s: seconds after the epoch, any shape.
        """
        first, last = self.span_s
        place = (2 * time_s - first - last) / (last - first)
        position, velocity, acceleration = (
            chebyshev.chebval(place, series)
            for series in (self.coefficients, self._speed, self._acceleration)
        )
        return position, velocity, acceleration


def fit_orbit(vectors: StateVectors, epoch: np.datetime64, what: str) -> Orbit:
    """Fit a polynomial through state vectors.

    Args:
        vectors: at least 8, evenly spread around the image.
        epoch: time zero of the orbit.
        what: the product or file, for messages.

    Raises:
        LoamError: too few vectors, or they do not lie on one smooth path.
    """
    seconds = (vectors.times - epoch) / np.timedelta64(1, "s")
    if len(seconds) <= DEGREE:
        msg = f"{what}: {len(seconds)} state vectors around the image, {DEGREE + 1} are needed; bring another orbit file"
        raise LoamError(msg)
    span = float(seconds.min()), float(seconds.max())
    place = (2 * seconds - sum(span)) / (span[1] - span[0])
    coefficients = chebyshev.chebfit(place, vectors.position_m, DEGREE)
    misfit = np.abs(chebyshev.chebval(place, coefficients).T - vectors.position_m).max()
    if not misfit <= LARGEST_MISFIT_M:
        msg = f"{what}: its state vectors leave a smooth path by {misfit:.3g} m; bring another orbit file"
        raise LoamError(msg)
    return Orbit(epoch, span, coefficients, vectors.source)


def find_orbit_file(
    paths: Iterable[Path], platform: str, start: np.datetime64, stop: np.datetime64
) -> Path | None:
    """The best orbit file for an acquisition, by its name: precise before restituted, the newest of a kind; None without one.

    Args:
        paths: orbit files.
        platform: S1A, S1B…
        start: first time of the image, UTC.
        stop: last time of the image, UTC.
    """
    found = []
    margin = np.timedelta64(round(MARGIN_S * 1e9), "ns")
    for path in paths:
        match = NAME.match(path.name)
        if (
            match
            and match[1].upper() == platform
            and _time(match[3]) <= start - margin
            and stop + margin <= _time(match[4])
        ):
            found.append((match[2].upper() == "POEORB", path.name, path))
    return max(found)[2] if found else None


def is_orbit_file(path: Path) -> bool:
    """Whether a file is an orbit file by its name, zipped or not."""
    return path.name.lower().endswith((".eof", ".eof.zip"))


def _content(path: Path) -> bytes:
    """Text of an orbit file, taken out of its zip."""
    if path.suffix.lower() != ".zip":
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    else:
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.lower().endswith(".eof")]
            if len(inside) != 1:
                msg = f"{len(inside)} orbit files in the zip"
                raise ValueError(msg)
            with archive.open(inside[0]) as member:
                content = member.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        msg = "too large, or it defines entities"
        raise ValueError(msg)
    return content


def _time(text: str) -> np.datetime64:
    date, clock = text.split("T")
    return np.datetime64(
        f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}", "ns"
    )


def read_orbit_file(
    path: Path, platform: str, start: np.datetime64, stop: np.datetime64
) -> StateVectors:
    """Read the vectors around an acquisition from a precise or restituted orbit file (EOF).

    Args:
        path: the file.
        platform: S1A, S1B…
        start: first time of the image, UTC.
        stop: last time of the image, UTC.

    Raises:
        LoamError: it is no orbit file, that of another platform, or does not cover the acquisition.
    """
    try:
        root = ElementTree.fromstring(_content(path))
    except (*UNREADABLE, ValueError, ElementTree.ParseError) as error:
        msg = f"{path}: cannot be read as an orbit file ({error}); download it again"
        raise LoamError(msg) from None
    mission = (root.findtext("Earth_Explorer_Header/Fixed_Header/Mission") or "").strip()
    if mission != f"Sentinel-1{platform[-1]}":
        msg = f"{path}: is an orbit of {mission or 'no mission'}, the scene is of {platform}; bring that platform's file"
        raise LoamError(msg)
    kind = next((name for tag, name in KINDS.items() if tag in path.name), "restituted")
    return _around(root, path, kind, start, stop)


def _around(
    root: ElementTree.Element, path: Path, kind: str, start: np.datetime64, stop: np.datetime64
) -> StateVectors:
    at = "Data_Block/List_of_OSVs/OSV"
    times = times_of(root, f"{at}/UTC")
    margin = np.timedelta64(round(MARGIN_S * 1e9), "ns")
    if not len(times) or times[0] > start - margin or times[-1] < stop + margin:
        msg = f"{path}: does not cover {start} to {stop} with a minute to each side; bring the file of that day"
        raise LoamError(msg)
    near = (times >= start - margin) & (times <= stop + margin)
    columns = [
        np.array([float(found.text or "nan") for found in root.findall(f"{at}/{axis}")])[near]
        for axis in ("X", "Y", "Z", "VX", "VY", "VZ")
    ]
    return StateVectors(
        times[near], np.stack(columns[:3], axis=1), np.stack(columns[3:], axis=1), kind
    )
