"""Sentinel-1 IW GRDH products in SAFE format: a pass over known ground, as ESA would deliver it."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile

from loam.core.errors import LoamError
from loam.core.raster import atomic_write
from loam.twin import annotation
from loam.twin.echo import Target, bright_points, clutter, coverage, speckle
from loam.twin.facets import Facets, make_facets
from loam.twin.frame import Frame, make_frame
from loam.twin.manifest import File, manifest
from loam.twin.markup import tie_grid
from loam.twin.noise import BETA_LUT, NoiseTables, cut_tables, noise_tables
from loam.twin.orbit import Orbit, orbit_over
from loam.twin.passes import Product
from loam.twin.relief import Relief

INSET_M = 1000.0  # the image ends this far from the edge of the ground, so that all that reaches into it is there


@dataclass(frozen=True)
class View:
    """Ground, orbit and image of one track: the same for all its passes."""

    relief: Relief
    ascending: bool
    relative_orbit: int
    frame: Frame
    facets: Facets
    covered: np.ndarray  # (line, pixel) bool


@dataclass(frozen=True)
class Options:
    """What a product has beside the ground's backscatter."""

    looks: float = 4.4  # of the speckle; infinite for none
    noise_db: float = 0.0  # thermal noise above the usual floor [dB]; minus infinity for none
    targets: tuple[Target, ...] = ()  # without speckle
    slices: int = 1  # products that the pass is cut into
    ipf: str = "003.40"  # version of the processor; before 002.90 noise has no azimuth part
    border_px: int = (
        0  # width of the border noise of old processors, at the near and the far range [pixel]
    )


def look_at(
    box: GeoBox,
    height_m: np.ndarray,
    *,
    incidence_deg: float,
    ascending: bool,
    relative_orbit: int = 1,
    inset_m: float = INSET_M,
) -> View:
    """Fly past some ground.

    Args:
        box: projected GeoBox of the heights.
        height_m: above the ellipsoid `(y, x)` [m].
        incidence_deg: on the ellipsoid, at the box's centre [degree].
        ascending: direction of flight.
        relative_orbit: its number, 1 to 175.
        inset_m: the image covers the box up to this far from its edge [m].
    """
    relief = Relief(box, np.asarray(height_m, float))
    frame = make_frame(relief, orbit_past(box, incidence_deg, ascending), inset_m)
    facets = make_facets(relief, frame)
    return View(relief, ascending, relative_orbit, frame, facets, coverage(facets, frame))


def orbit_past(box: GeoBox, incidence_deg: float, ascending: bool) -> Orbit:
    """Place the orbit that sees the box's centre at an angle [degree] on the ellipsoid."""
    lon, lat = box.extent.centroid.to_crs("EPSG:4326").coords[0]
    return orbit_over(lon, lat, incidence_deg, ascending)


def write_pass(
    folder: Path,
    view: View,
    gamma0: Mapping[str, np.ndarray],
    when: datetime,
    platform: str,
    options: Options,
    rng: np.random.Generator,
) -> list[Path]:
    """Write the product of a pass, or its slices.

    Args:
        folder: where the products' folders go.
        view: ground, orbit and image.
        gamma0: by polarisation, vv and perhaps vh, gamma nought of the ground `(y, x)` [linear].
        when: UTC at which the box's centre is seen.
        platform: S1A, S1B or S1C.
        options: what else is in the image.
        rng: of speckle and border noise.

    Returns:
        The products' folders, in order of time.
    """
    numbers = digital_numbers(view, gamma0, options, rng)
    cuts = np.linspace(0, view.frame.lines, options.slices + 1).astype(int)
    bands = tuple(sorted((band.upper() for band in numbers), reverse=True))
    written = []
    for number, (first, end) in enumerate(
        zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True), start=1
    ):
        frame = view.frame.cut(first, end - first)
        product = Product(
            platform,
            view.ascending,
            view.relative_orbit,
            when,
            bands,
            options.ipf,
            frame,
            number,
            options.slices,
        )
        tables = cut_tables(_noise(view.frame, options), frame, first)
        files = []
        for band in bands:
            image = numbers[band.lower()][first:end]
            files += _files(product, band, image, annotation.noise(product, band, tables))
        written.append(_write(folder, product, files))
    return written


def _noise(frame: Frame, options: Options) -> NoiseTables:
    return noise_tables(frame, options.ipf >= "002.90", options.noise_db)


def digital_numbers(
    view: View, gamma0: Mapping[str, np.ndarray], options: Options, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Amplitudes as the product stores them, `(line, pixel)` uint16 by polarisation; 0 where there is no ground.

    Args:
        view: ground, orbit and image.
        gamma0: by polarisation `(y, x)` [linear].
        options: what else is in the image.
        rng: of speckle and border noise.
    """
    bands = list(gamma0)
    if set(bands) not in ({"vv"}, {"vv", "vh"}):
        msg = f"gamma0: polarisations {bands}; give vv, or vv and vh"
        raise LoamError(msg)
    shape = view.relief.height_m.shape
    if any(values.shape != shape for values in gamma0.values()):
        msg = f"gamma0: {[values.shape for values in gamma0.values()]} pixels, the heights have {shape}; give both on one grid"
        raise LoamError(msg)
    beta0 = clutter(view.facets, np.stack([gamma0[band] for band in bands]), view.frame)
    floor = _noise(view.frame, options).image(beta0.shape[1:])
    points = BETA_LUT**2 * bright_points(options.targets, view.relief, view.frame)
    numbers = {}
    for band, ground in zip(bands, beta0, strict=True):
        power = (BETA_LUT**2 * ground + floor) * speckle(ground.shape, options.looks, rng) + points
        amplitude = np.rint(np.sqrt(power)).clip(1, 65535)
        numbers[band] = np.where(view.covered, amplitude, 0).astype(np.uint16)
        _add_border_noise(numbers[band], options.border_px, rng)
    return numbers


def _add_border_noise(image: np.ndarray, width: int, rng: np.random.Generator) -> None:
    """Fill the near and far range with the low values that old processors left there, in place.

    ASSUME: digital numbers of some units, over a width that changes by some pixels every 500 lines (MPC-0243).
    """
    for first in range(0, image.shape[0] if width else 0, 500):
        for side in (image[first : first + 500], image[first : first + 500, ::-1]):
            reach = max(1, width - int(rng.integers(0, width // 4 + 1)))
            side[:, :reach] = np.rint(rng.rayleigh(6.0, (side.shape[0], reach)))


def _files(product: Product, band: str, image: np.ndarray, noise: bytes) -> list[File]:
    name = product.file(band)
    about = annotation.annotation(product, band, float(image.mean()), float(image.std()))
    return [
        File("product", f"annotation/{name}.xml", about),
        File("noise", f"annotation/calibration/noise-{name}.xml", noise),
        File(
            "calibration",
            f"annotation/calibration/calibration-{name}.xml",
            annotation.calibration(product, band),
        ),
        File("measurement", f"measurement/{name}.tiff", _tiff(product, image)),
    ]


def _tiff(product: Product, image: np.ndarray) -> bytes:
    lines, pixels, ties = tie_grid(product.frame)
    points = [
        GroundControlPoint(
            row=float(line),
            col=float(pixel),
            x=float(ties["longitude"][i, j]),
            y=float(ties["latitude"][i, j]),
            z=0.0,
        )
        for i, line in enumerate(lines)
        for j, pixel in enumerate(pixels)
    ]
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": 1,
        "height": image.shape[0],
        "width": image.shape[1],
    }
    with MemoryFile() as memory:
        with memory.open(
            **profile, compress="deflate", zlevel=1, blockysize=64, gcps=points, crs="EPSG:4326"
        ) as file:
            file.write(image, 1)
            file.update_tags(
                TIFFTAG_IMAGEDESCRIPTION=f"Sentinel-1{product.platform[-1]} IW GRD HR L1, simulated"
            )
        return bytes(memory.read())


def _write(folder: Path, product: Product, files: list[File]) -> Path:
    """Write all files of a product: it is there whole or not at all."""
    listing = manifest(product, files)
    path = folder / product.folder(f"{binascii.crc_hqx(listing, 0xFFFF):04X}")
    with atomic_write(path) as partial:
        for name, content in [
            ("manifest.safe", listing),
            *((file.path, file.content) for file in files),
        ]:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)
    return path
