"""Which products serve: passes, duplicates, and a reason for each that does not."""

import csv
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from sar.ground import CLEAN, FLATTEN, Ground

from loam.config.base import Grid, Period
from loam.config.sar import Scenes
from loam.config.sources import Backscatter
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.sar.product import Product, read_product
from loam.sar.scenes import (
    FEW,
    Wanted,
    find_scenes,
    quarter,
    scene_name,
    search,
    without_duplicates,
)

Write = Callable[..., list[Path]]
PERIOD = Period(start=date(2022, 1, 1), end=date(2022, 12, 31))


def source(*polarisations: str) -> Backscatter:
    return Backscatter(
        kind="scenes",
        path=None,
        polarisations=polarisations or ("vv", "vh"),
        orbits=None,
        coefficient="gamma0",
        units=None,
    )


def found(
    folder: Path,
    grid: Grid,
    orbits: Path | None = None,
    wanted: Backscatter | None = None,
    **changes: object,
) -> tuple[list[dict], dict[str, str]]:
    """Rows of scenes.csv, and reason by name of rejected.csv."""
    out = folder.parent / "scenes.csv", folder.parent / "rejected.csv"
    settings = {
        "grid": grid,
        "period": PERIOD,
        "cfg": Scenes(min_cover=0.2),
        "thermal_noise": FLATTEN.thermal_noise,
        "threads": 1,
    } | changes
    find_scenes(folder, orbits, *out, wanted or source(), **settings)  # type: ignore[arg-type]
    with out[0].open() as scenes, out[1].open() as rejected:
        return list(csv.DictReader(scenes)), {
            Path(row["product"]).name: row["reason"] for row in csv.DictReader(rejected)
        }


def refused(product: Path, hills: Ground, **changes: object) -> str:
    """The reason for the only product of a folder."""
    with pytest.raises(LoamError, match="no usable Sentinel-1 product") as caught:
        found(product.parent, hills.grid, **changes)
    with (product.parent.parent / "rejected.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["reason"] in str(caught.value)
    return row["reason"]


def one_of(product: Path, pattern: str) -> Path:
    (path,) = product.glob(pattern)
    return path


def test_several_processes_find_what_one_finds(hills: Ground, copied: Path) -> None:
    broken = copied.parent / "broken.zip"
    broken.write_bytes(b"no zip")
    wanted = Wanted(target_grid(hills.grid, None), PERIOD, ("vv", "vh"), 0.2, FLATTEN.thermal_noise)
    paths = [copied, broken] * (FEW // 2)
    alone, together = search(paths, wanted, 1), search(paths, wanted, 2)
    assert len(alone.rejected) == FEW - 1  # one product many times is one
    assert (alone.rejected, [[one.path for one in each] for each in alone.passes]) == (
        together.rejected,
        [[copied]],
    )


def test_a_folder_and_a_zip_of_another_day_become_two_scenes(
    hills: Ground, write: Write, copied: Path
) -> None:
    (later,) = write(
        hills, hills.constant(vv=0.1, vh=0.02), when=datetime(2022, 7, 12, 22, 50), platform="S1C"
    )
    deep = copied.parent / "2022" / "july"
    deep.mkdir(parents=True)
    with zipfile.ZipFile(deep / "july.zip", "w") as archive:
        for file in later.rglob("*"):
            archive.write(file, f"{later.name}/{file.relative_to(later)}")
    scenes, rejected = found(copied.parent, hills.grid)
    assert rejected == {}
    assert [row["platform"] for row in scenes] == ["S1A", "S1C"]
    assert [(row["track"], row["quarter"], row["pass"]) for row in scenes] == [
        ("A004", "2022q1", "ascending"),
        ("A004", "2022q3", "ascending"),
    ]
    assert (
        scenes[0]["scene"] == f"S1A_{scenes[0]['time'][:19].replace('-', '').replace(':', '')}_A004"
    )
    assert scenes[0]["relative_orbit"] == "4"
    assert [Path(row["products"]) for row in scenes] == [copied, deep / "july.zip"]
    assert len({row["checksum"] for row in scenes}) == 2


def test_slices_of_one_pass_are_one_scene(hills: Ground, write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "products"
    for path in write(hills, hills.constant(vv=0.1, vh=0.02), replace(CLEAN, slices=2)):
        shutil.copytree(path, folder / path.name)
    (row,), rejected = found(folder, hills.grid)
    assert rejected == {}
    assert len(row["products"].split("|")) == 2


def test_of_two_processings_the_newest_stays(copied: Path, hills: Ground) -> None:
    again = copied.with_name(copied.name.replace(copied.stem[-4:], "0BAD"))
    shutil.copytree(copied, again)
    manifest = (again / "manifest.safe").read_text()
    assert manifest.count('stop="2022') > 0
    (again / "manifest.safe").write_text(manifest.replace('stop="2022', 'stop="2023'))
    (row,), rejected = found(copied.parent, hills.grid)
    assert Path(row["products"]) == again
    assert rejected == {copied.name: f"an older processing of {again.name}"}


def test_a_bad_product_does_not_stop_the_run(copied: Path, hills: Ground, write: Write) -> None:
    (other,) = write(hills, hills.constant(vv=0.1, vh=0.02), when=datetime(2022, 2, 6, 22, 50))
    shutil.copytree(other, copied.parent / other.name)
    (copied.parent / "notes.zip").write_text("no zip")
    (copied / "manifest.safe").unlink()
    (row,), rejected = found(copied.parent, hills.grid)
    assert Path(row["products"]).name == other.name
    assert rejected["notes.zip"].startswith("is no whole zip")
    assert rejected[copied.name] == "has no manifest.safe; download the product again"


def truncated(product: Path) -> None:
    image = one_of(product, "measurement/*-vh-*.tiff")
    os.truncate(image, image.stat().st_size // 2)


def without_calibration(product: Path) -> None:
    one_of(product, "annotation/calibration/calibration-*-vv-*.xml").unlink()


def without_vh_image(product: Path) -> None:
    one_of(product, "measurement/*-vh-*.tiff").unlink()


def slc(product: Path) -> None:
    manifest = product / "manifest.safe"
    manifest.write_text(manifest.read_text().replace(">GRD<", ">SLC<"))


def over_the_antimeridian(product: Path) -> None:
    manifest = product / "manifest.safe"
    manifest.write_text(
        re.sub(
            r"(coordinates>)[^<]*",
            r"\g<1>38.7,179.9 38.7,-179.9 38.8,-179.9 38.8,179.9",
            manifest.read_text(),
        )
    )


def cut_manifest(product: Path) -> None:
    manifest = product / "manifest.safe"
    manifest.write_bytes(manifest.read_bytes()[:3000])


def without_orbit(product: Path) -> None:
    for path in product.glob("annotation/*.xml"):
        path.write_text(re.sub(r"<orbit>.*</orbit>", "", path.read_text(), flags=re.S))


def with_a_line_of_two_points(product: Path) -> None:
    manifest = product / "manifest.safe"
    manifest.write_text(
        re.sub(r"(coordinates>)[^<]*", r"\g<1>38.7,-77.0 38.8,-77.1", manifest.read_text())
    )


def with_letters_for_numbers(product: Path) -> None:
    path = one_of(product, "annotation/calibration/noise-*-vh-*.xml")
    path.write_text(path.read_text().replace("<line>0</line>", "<line>zero</line>", 1))


def without_interval(product: Path) -> None:
    for path in product.glob("annotation/*.xml"):
        path.write_text(re.sub(r"(<azimuthTimeInterval>)[^<]*", r"\g<1>0.0", path.read_text()))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without_orbit, "0 state vectors around the image"),
        (with_a_line_of_two_points, "a footprint of 2 points"),
        (with_letters_for_numbers, "holds no whole noiseRangeLut table"),
        (without_interval, "a spacing or size of zero"),
        (truncated, "the vh image cannot be read to its end"),
        (without_calibration, "annotation/calibration/calibration-*-vv-*.xml is missing"),
        (without_vh_image, "measurement/*-vh-*.tiff is missing"),
        (slc, "is IW SLC; Loam reads IW GRD products"),
        (over_the_antimeridian, "lies over the antimeridian"),
        (cut_manifest, "manifest.safe is not XML"),
    ],
)
def test_each_fault_has_its_line(
    copied: Path, hills: Ground, damage: Callable[[Path], None], reason: str
) -> None:
    damage(copied)
    assert reason in refused(copied, hills)


@pytest.mark.parametrize("how", ["damaged", "encrypted", "two"])
def test_each_zip_that_cannot_be_read_has_its_line(copied: Path, hills: Ground, how: str) -> None:
    path = copied.parent / "product.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2 if how == "two" else 1):
            for file in sorted(copied.rglob("*")):
                archive.write(file, f"{number or ''}{copied.name}/{file.relative_to(copied)}")
    shutil.rmtree(copied)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        manifest = archive.getinfo(
            next(name for name in archive.namelist() if name.endswith("manifest.safe"))
        )
    if how == "damaged":
        content[manifest.header_offset + 200 : manifest.header_offset + 400] = bytes(200)
    if how == "encrypted":
        entry = content.index(b"PK\x01\x02", 0)
        while (
            content[entry + 46 : entry + 46 + len(manifest.filename)] != manifest.filename.encode()
        ):
            entry = content.index(b"PK\x01\x02", entry + 4)
        content[entry + 8] |= 1
        content[manifest.header_offset + 6] |= 1
    path.write_bytes(content)
    reason = refused(path, hills)
    assert (
        "holds 2 products" in reason if how == "two" else "manifest.safe cannot be read" in reason
    )


def test_folders_behind_links_are_searched_and_a_product_may_be_named_itself(
    copied: Path, hills: Ground, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "linked").symlink_to(copied.parent, target_is_directory=True)
    (row,), _ = found(other, hills.grid)
    assert Path(row["products"]) == other / "linked" / copied.name
    (row,), _ = found(copied, hills.grid)
    assert Path(row["products"]) == copied


def test_a_missing_polarisation_is_named(hills: Ground, write: Write, tmp_path: Path) -> None:
    (only,) = write(hills, hills.constant(vv=0.1))
    product = Path(shutil.copytree(only, tmp_path / "products" / only.name))
    assert "has no vh (it has: vv)" in refused(product, hills)
    (row,), _ = found(product.parent, hills.grid, wanted=source("vv"))
    assert row["polarisations"] == "vv"


def test_noise_of_unknown_units_is_refused_only_where_noise_is_removed(
    copied: Path, hills: Ground
) -> None:
    # The twin wrote no noise: zeros.
    assert "its noise table says a floor of" in refused(copied, hills, thermal_noise=True)
    assert len(found(copied.parent, hills.grid)[0]) == 1


def test_scenes_off_the_area_slivers_and_other_days_are_left_out(
    copied: Path, hills: Ground
) -> None:
    west, south, east, north = hills.grid.aoi  # type: ignore[misc]
    far = Grid(aoi=(west + 90000, south, east + 90000, north), crs="EPSG:32618", resolution_m=20)
    assert refused(
        copied,
        Ground(
            far, *[getattr(hills, name) for name in ("box", "around", "view", "dem", "terrain")]
        ),
    ) == ("does not see the area of interest")
    large = Grid(aoi=(west - 20000, south - 20000, east, north), crs="EPSG:32618", resolution_m=20)
    sliver = Ground(
        large, *[getattr(hills, name) for name in ("box", "around", "view", "dem", "terrain")]
    )
    assert "of the area, less than sar.scenes.min_cover" in refused(copied, sliver)
    assert "outside the period" in refused(
        copied, hills, period=Period(start=date(2023, 1, 1), end=date(2023, 2, 1))
    )


def test_no_folder_is_an_error(tmp_path: Path, hills: Ground) -> None:
    with pytest.raises(LoamError, match="is no folder"):
        found(tmp_path / "nowhere", hills.grid)


def test_an_orbit_file_of_the_day_is_noted(copied: Path, hills: Ground, tmp_path: Path) -> None:
    orbits = tmp_path / "orbits" / "precise"
    orbits.mkdir(parents=True)
    name = "S1A_OPER_AUX_POEORB_OPOD_20220121T081604_V20211231T225942_20220102T005942.EOF"
    (orbits / name).touch()
    (row,), _ = found(copied.parent, hills.grid, orbits.parent)
    assert Path(row["orbit_file"]) == orbits / name


def test_names_and_quarters(product: Path) -> None:
    one = read_product(product)
    assert scene_name([one]).endswith("_A004")
    days = np.array([0, 89, 90, 364, 365], dtype="timedelta64[D]")
    assert [quarter(one.start + delta) for delta in days] == [
        "2022q1",
        "2022q1",
        "2022q2",
        "2022q4",
        "2023q1",
    ]
    for delay in (-3, 3):  # whichever begins first, the newest processing stays
        again = replace(
            one,
            processed="2030-01-01T00:00:00",
            start=one.start + np.timedelta64(delay, "ms"),
            path=Path("again"),
        )
        assert without_duplicates([one, again])[0] == without_duplicates([again, one])[0] == [again]
    kept, older = without_duplicates([one, _moved(one, 25), one])
    assert len(kept) == 2
    assert len(older) == 1


def _moved(product: Product, seconds: int) -> Product:
    delta = np.timedelta64(seconds, "s")
    return replace(product, start=product.start + delta, stop=product.stop + delta)
