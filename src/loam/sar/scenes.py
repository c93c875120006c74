"""Step `find-scenes`: which products are there, which pass each belongs to, and which cannot be used and why."""

import csv
import hashlib
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from loam.config.base import Grid, Period
from loam.config.sar import Scenes
from loam.config.sources import Backscatter
from loam.core.errors import LoamError, brief
from loam.core.folders import regular_files
from loam.core.grid import target_grid
from loam.core.raster import atomic_write
from loam.sar.orbit import find_orbit_file, is_orbit_file
from loam.sar.product import Product, read_product, require_whole
from loam.sar.safe import MANIFEST, Safe

COLUMNS = (
    "scene",
    "platform",
    "time",
    "relative_orbit",
    "pass",
    "track",
    "quarter",
    "polarisations",
    "products",
    "orbit_file",
    "checksum",
)
REJECTED = ("product", "reason")
# In which products are sometimes kept.
ARCHIVES = (
    ".tar",
    ".tar.gz",
    ".tgz",
    ".7z",
    ".rar",
    ".gz",
    ".bz2",
    ".xz",
)


FEW = 16  # products that one process looks at before others have started


@dataclass(frozen=True)
class Wanted:
    """What a product must be."""

    box: GeoBox  # the target grid
    period: Period
    polarisations: tuple[str, ...]  # that every product must have
    min_cover: float  # smallest share of the area that a pass must see [1]
    thermal_noise: (
        bool  # whether noise will be removed, for which its tables must be in the image's units
    )


@dataclass(frozen=True)
class Found:
    """What a search led to."""

    passes: list[list[Product]]
    rejected: list[tuple[Path, str]]


def find_scenes(
    folder: Path,
    orbits: Path | None,
    scenes: Path,
    rejected: Path,
    source: Backscatter,
    cfg: Scenes,
    thermal_noise: bool,
    grid: Grid,
    period: Period,
    threads: int,
) -> None:
    """Search a folder for Sentinel-1 products; write `scenes.csv`, a line per pass, and `rejected.csv` with reasons.

    Args:
        folder: where products are searched for, its folders too.
        orbits: folder of orbit files; None: the annotations' orbits.
        scenes: CSV file to write.
        rejected: CSV file to write.
        source: section `sources.backscatter`.
        cfg: section `sar.scenes`.
        thermal_noise: whether noise tables are needed.
        grid: section `grid`.
        period: section `period`.
        threads: products looked at at once.
    """
    wanted = Wanted(
        target_grid(grid, None), period, source.polarisations, cfg.min_cover, thermal_noise
    )
    found = search(candidates(folder), wanted, threads)
    write_table(rejected, REJECTED, sorted((str(path), reason) for path, reason in found.rejected))
    if not found.passes:
        reason = (
            f"; the first of {len(found.rejected)} refused: {found.rejected[0][1]}"
            if found.rejected
            else ""
        )
        msg = f"{folder}: no usable Sentinel-1 product for this area and period (sources.backscatter.path){reason}"
        raise LoamError(msg)
    rows = [_row(slices, orbit_files(orbits)) for slices in found.passes]
    if orbits is not None and not any(row[COLUMNS.index("orbit_file")] for row in rows):
        text = "%s: none of its %d orbit files serves any of the %d passes (sources.backscatter.orbits); the annotations' orbits are used"
        logging.getLogger(__name__).warning(text, orbits, len(orbit_files(orbits)), len(rows))
    write_table(scenes, COLUMNS, rows)


@cache
def orbit_files(folder: Path | None) -> tuple[Path, ...]:
    """Orbit files below a folder, zipped or not; none without a folder."""
    return tuple(path for path in regular_files(folder) if is_orbit_file(path)) if folder else ()


def candidates(folder: Path) -> list[Path]:
    """Every folder with a manifest and every zip below a folder, whatever their names; products without a manifest; in order of name.

    Raises:
        LoamError: there is no such folder, or it holds too many files.
    """
    if not folder.is_dir():
        msg = f"{folder}: is no folder; set sources.backscatter.path to the one that holds SAFE folders or zips"
        raise LoamError(msg)
    files = regular_files(folder)
    scenes = {path.parent for path in files if path.name == MANIFEST}
    zips = {path for path in files if path.suffix.lower() == ".zip" and not is_orbit_file(path)}
    # Halves of downloads, and archives that are not read: they are refused with a reason, not passed by.
    halves = {
        above
        for path in files
        for above in path.parents
        if _looks_like_a_product(above, path) and above.is_relative_to(folder)
    }
    # Empty ones too.
    halves |= {
        path for path in folder.iterdir() if path.suffix.upper() == ".SAFE" and path.is_dir()
    }
    halves = {
        half
        for half in halves
        if not any(scene.is_relative_to(half) or half.is_relative_to(scene) for scene in scenes)
    }
    archives = {
        path
        for path in files
        if path.name.lower().endswith(ARCHIVES) and path.name.upper().startswith("S1")
    }
    return sorted(scenes | zips | halves | archives)


def _looks_like_a_product(folder: Path, file: Path) -> bool:
    """Whether a folder has the name of a product, or a product's measurement in it."""
    inside = file.relative_to(folder).parts
    image = (
        len(inside) > 1
        and inside[0] == "measurement"
        and inside[-1].lower().endswith((".tif", ".tiff"))
    )
    return folder.suffix.upper() == ".SAFE" or image


def search(paths: Sequence[Path], wanted: Wanted, processes: int = 1) -> Found:
    """Sort products into passes over an area, and refuse what cannot serve.

    Args:
        paths: SAFE folders and zips.
        wanted: what they must be.
        processes: that look at them; reading metadata keeps Python busy, so threads would wait for each other.
    """
    looked_at = _looked_at(paths, wanted, processes)
    products = [one for one in looked_at if isinstance(one, Product)]
    rejected = [
        (path, one) for path, one in zip(paths, looked_at, strict=True) if isinstance(one, str)
    ]
    newest, older = without_duplicates(products)
    rejected += older
    kept = []
    for slices in passes(newest):
        share = _cover(slices, wanted.box)
        if share >= wanted.min_cover:
            kept.append(slices)
        else:
            rejected += [
                (one.path, f"its pass sees {share:.0%} of the area, less than sar.scenes.min_cover")
                for one in slices
            ]
    return Found(kept, rejected)


def _looked_at(paths: Sequence[Path], wanted: Wanted, processes: int) -> list[Product | str]:
    """Every product, or why it cannot serve."""
    look = partial(_look_at, wanted=wanted)
    if processes == 1 or len(paths) < FEW:
        return [look(path) for path in paths]
    # Started fresh: a fork could copy a library's lock in the middle of its use.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(look, paths, chunksize=4))


def _look_at(path: Path, wanted: Wanted) -> Product | str:
    try:
        if path.name.lower().endswith(ARCHIVES):
            return "is an archive that Loam does not read; unpack it"
        product = read_product(path)
        _require_wanted(product, wanted.box, wanted.period)
        require_whole(product, wanted.polarisations, thermal_noise=wanted.thermal_noise)
    except LoamError as error:
        return str(error).removeprefix(f"{path}: ")
    except Exception as error:  # one damaged product of hundreds stops no run
        return f"is damaged ({type(error).__name__}: {brief(error)}); download the product again"
    return product


def _require_wanted(product: Product, box: GeoBox, period: Period) -> None:
    day = product.start.astype("datetime64[D]").item()
    if not period.start <= day <= period.end:
        msg = f"{product.path}: of {day}, outside the period {period.start} to {period.end}"
        raise LoamError(msg)
    if product.over_the_antimeridian:
        msg = f"{product.path}: lies over the antimeridian, which Loam does not support; choose an area away from it"
        raise LoamError(msg)
    if not _cover([product], box):
        msg = f"{product.path}: does not see the area of interest"
        raise LoamError(msg)


@cache
def _outline(box: GeoBox) -> shapely.Polygon:
    return shapely.Polygon(
        box.extent.to_crs("EPSG:4326", resolution=box.resolution.x * 50).exterior.coords
    )


def _cover(slices: Sequence[Product], box: GeoBox) -> float:
    """Share of the area within the footprints of a pass [1]."""
    area = _outline(box)
    seen = shapely.union_all([shapely.Polygon(one.footprint) for one in slices])
    return float(seen.intersection(area).area / area.area)


def without_duplicates(products: Sequence[Product]) -> tuple[list[Product], list[tuple[Path, str]]]:
    """Keep the newest processing of each slice.

    Two products of a platform and data take that share more than half of their time are one slice.
    """
    kept: list[Product] = []
    older: list[tuple[Path, str]] = []
    for product in sorted(
        products, key=lambda one: (one.platform, one.start, one.processed, one.path.name)
    ):
        if kept and _same_slice(kept[-1], product):
            old, new = sorted((kept[-1], product), key=lambda one: (one.processed, one.path.name))
            what = "a copy" if old.processed == new.processed else "an older processing"
            older.append((old.path, f"{what} of {new.path.name}"))
            kept[-1] = new
        else:
            kept.append(product)
    return kept, older


def _same_slice(one: Product, other: Product) -> bool:
    shared = min(one.stop, other.stop) - max(one.start, other.start)
    shorter = min(one.stop - one.start, other.stop - other.start)
    return bool(shared > shorter / 2) and (one.platform, one.data_take) == (
        other.platform,
        other.data_take,
    )


def passes(products: Sequence[Product]) -> list[list[Product]]:
    """Slices of one data take together, in order of time."""
    groups: dict[tuple[str, int, str], list[Product]] = {}
    for product in sorted(products, key=lambda one: (one.start, one.path.name)):
        groups.setdefault((product.platform, product.orbit, product.data_take), []).append(product)
    return sorted(groups.values(), key=lambda slices: slices[0].start)


def scene_name(slices: Sequence[Product]) -> str:
    """Name of a pass, such as S1A_20220103T225012_A004."""
    first = slices[0]
    stamp = str(first.start.astype("datetime64[s]")).replace("-", "").replace(":", "")
    return f"{first.platform}_{stamp}_{first.track}"


def quarter(time: np.datetime64) -> str:
    """Calendar quarter, such as 2022q1."""
    day = time.astype("datetime64[D]").item()
    return f"{day.year}q{(day.month + 2) // 3}"


def orbit_for(slices: Sequence[Product], orbits: Iterable[Path]) -> Path | None:
    """The best of some orbit files for a pass, None without one."""
    return find_orbit_file(orbits, slices[0].platform, slices[0].start, slices[-1].stop)


def _row(slices: Sequence[Product], orbits: Sequence[Path]) -> tuple[str, ...]:
    first = slices[0]
    orbit = orbit_for(slices, orbits)
    digest = hashlib.sha256(
        b"".join(Safe(one.path).read("manifest.safe") for one in slices)
    ).hexdigest()
    return (
        scene_name(slices),
        first.platform,
        str(first.start.astype("datetime64[ms]")) + "Z",
        str(first.relative_orbit),
        "ascending" if first.ascending else "descending",
        first.track,
        quarter(first.start),
        " ".join(first.polarisations),
        "|".join(str(one.path) for one in slices),
        str(orbit or ""),
        digest,
    )


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV table, whole or not at all."""
    with atomic_write(path) as partial, partial.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
