"""What a Sentinel-1 product is, from its manifest, and whether it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from loam.core.errors import LoamError
from loam.sar.safe import Safe


@dataclass(frozen=True)
class Product:
    """One GRD product: a slice of a pass."""

    path: Path
    platform: str  # S1A…
    orbit: int  # absolute
    relative_orbit: int
    ascending: bool
    start: np.datetime64  # first line, UTC
    stop: np.datetime64  # last line, UTC
    data_take: str
    processed: str  # ISO time, to tell the newest of two
    polarisations: tuple[str, ...]  # vv, vh…
    footprint: tuple[tuple[float, float], ...]  # longitude, latitude [degree]

    @property
    def track(self) -> str:
        """Pass and relative orbit, such as A004."""
        return f"{'A' if self.ascending else 'D'}{self.relative_orbit:03d}"

    @property
    def over_the_antimeridian(self) -> bool:
        """Whether the footprint crosses 180 degrees of longitude."""
        longitudes = [longitude for longitude, _ in self.footprint]
        return max(longitudes) - min(longitudes) > 180


def read_product(path: Path) -> Product:
    """Read a product's manifest.

    Args:
        path: SAFE folder or zip.

    Raises:
        LoamError: it is no Sentinel-1 IW GRD product, or its manifest lacks something.
    """
    safe = Safe(path)
    root = safe.manifest
    kind, mode = (root.findtext(f".//{{*}}{tag}") for tag in ("productType", "mode"))
    if kind != "GRD" or mode != "IW":
        msg = f"{path}: is {mode or 'no mode'} {kind or 'of no type'}; Loam reads IW GRD products"
        raise LoamError(msg)
    try:
        found = _product(path, root)
        if np.isnat([found.start, found.stop]).any() or not found.start < found.stop:
            msg = f"it starts at {found.start} and stops at {found.stop}"
            raise ValueError(msg)
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path}: manifest.safe is not whole ({error}); download the product again"
        raise LoamError(msg) from None
    return found


def _product(path: Path, root: ElementTree.Element) -> Product:
    return Product(
        path=path,
        platform=f"S1{_text(root, 'platform/{*}number')}",
        orbit=int(_text(root, "orbitNumber")),
        relative_orbit=int(_text(root, "relativeOrbitNumber")),
        ascending=_text(root, "pass").upper() == "ASCENDING",
        start=np.datetime64(_text(root, "startTime"), "ns"),
        stop=np.datetime64(_text(root, "stopTime"), "ns"),
        data_take=_text(root, "missionDataTakeID"),
        processed=max(found.get("stop", "") for found in root.findall(".//{*}processing")),
        polarisations=tuple(
            sorted(
                {
                    (found.text or "").lower()
                    for found in root.findall(".//{*}transmitterReceiverPolarisation")
                }
            )
        ),
        footprint=_footprint(_text(root, "footPrint/{*}coordinates")),
    )


def _text(root: ElementTree.Element, tag: str) -> str:
    text = root.findtext(f".//{{*}}{tag}")
    if text is None:
        msg = f"no {tag.replace('{*}', '')}"
        raise ValueError(msg)
    return text.strip()


def _footprint(text: str) -> tuple[tuple[float, float], ...]:
    points = [point.split(",") for point in text.split()]
    if len(points) < 3:
        msg = f"a footprint of {len(points)} points"
        raise ValueError(msg)
    found = tuple((float(longitude), float(latitude)) for latitude, longitude in points)
    if not all(abs(longitude) <= 360 and abs(latitude) <= 90 for longitude, latitude in found):
        msg = f"a footprint at {found[0]}"
        raise ValueError(msg)
    return found


def require_whole(product: Product, polarisations: Sequence[str], *, thermal_noise: bool) -> None:
    """Stop unless every file that preprocessing reads is there and readable to its end.

    Args:
        product: the product.
        polarisations: that are asked for.
        thermal_noise: whether noise will be removed, for which its tables must be in the image's units.

    Raises:
        LoamError: a polarisation, a table or a measurement is missing, truncated, or of another size than it says.
    """
    from loam.sar.annotation import read_annotation
    from loam.sar.calibration import read_calibration, read_noise, require_noise_units
    from loam.sar.orbit import fit_orbit

    safe = Safe(product.path)
    for polarisation in polarisations:
        if polarisation not in product.polarisations:
            have = ", ".join(product.polarisations)
            msg = f"{product.path}: has no {polarisation} (it has: {have}); see sources.backscatter.polarisations"
            raise LoamError(msg)
        annotation = read_annotation(safe, polarisation)
        fit_orbit(annotation.orbit, annotation.first_line, str(product.path))
        read_calibration(safe, polarisation)
        noise = read_noise(safe, polarisation)
        if thermal_noise:
            require_noise_units(
                noise,
                read_calibration(safe, polarisation, "sigmaNought"),
                f"{product.path}: {polarisation}",
            )
        _require_image(safe, polarisation, (annotation.lines, annotation.samples))


def _require_image(safe: Safe, polarisation: str, shape: tuple[int, int]) -> None:
    import rasterio
    from rasterio.windows import Window

    try:
        with rasterio.open(safe.raster(polarisation)) as image:
            if image.shape != shape:
                msg = f"{safe.path}: the {polarisation} image has {image.shape} lines and samples, its annotation says {shape}"
                raise LoamError(msg + "; download the product again")
            if safe.path.is_dir():  # a truncated file ends before its last line; a truncated zip has no table of contents
                image.read(1, window=Window(0, shape[0] - 1, shape[1], 1))
    except rasterio.errors.RasterioError as error:
        msg = f"{safe.path}: the {polarisation} image cannot be read to its end ({str(error)[:80]}); download the product again"
        raise LoamError(msg) from None
